"""Output layer, losses, Adam and SGD in NumPy, by hand."""

import copy

import numpy as np

from lstmbench.training.backends.interface import (
    BETAS,
    EPS,
    MOMENTUM,
    LossAndGrads,
    NativeArrays,
    TrainingBackend,
)
from lstmbench.training.task import Array, ArraysByName


class NumpyTraining(TrainingBackend):
    """The formulas of the interface, in place."""

    def start(self, weights: NativeArrays, state: ArraysByName | None = None) -> None:
        zeros = {
            f"{moment}.{name}": np.zeros_like(w) for moment in "mv" for name, w in weights.items()
        }
        self.optimizer_state = copy.deepcopy(state) or zeros | {"updates": np.array(0)}

    @staticmethod
    def output_layer(y: Array, weight: Array, bias: Array) -> Array:
        return y @ weight.T + bias

    def loss_and_grads(self, y: Array, weight: Array, bias: Array, targets: Array) -> LossAndGrads:
        last = y[-len(targets) :].reshape(-1, y.shape[2])  # (S*B, H)
        outputs = self.output_layer(last, weight, bias)  # (S*B, K)
        if self.loss == "mse":
            d = outputs - targets.reshape(outputs.shape)
            loss = np.mean(d * d)
            d *= 2 / d.size
        else:
            # Measured: softmax and log_softmax of scipy.special take four times as long
            wanted = np.arange(len(outputs)), targets.reshape(-1)
            outputs -= outputs.max(axis=1, keepdims=True)
            d = np.exp(outputs)
            sums = d.sum(axis=1, keepdims=True)
            loss = np.mean(np.log(sums[:, 0]) - outputs[wanted])
            d /= sums
            d[wanted] -= 1
            d /= len(d)
        dy = np.zeros_like(y)
        dy[-len(targets) :] = (d @ weight).reshape(len(targets), *y.shape[1:])
        return LossAndGrads(loss, dy, d.T @ last, d.sum(axis=0))

    def update(
        self, weights: NativeArrays, gradients: NativeArrays, learning_rate: float
    ) -> NativeArrays:
        clip, scale, (b1, b2) = self.recipe.clip, 1.0, BETAS
        if clip is not None:
            norm = np.sqrt(sum(np.vdot(d, d) for d in gradients.values()))
            scale = float(clip / max(clip, norm))
        state = self.optimizer_state
        state["updates"] += 1
        n = int(state["updates"])
        for name, w in weights.items():
            d = gradients[name] * scale
            m, v = state[f"m.{name}"], state[f"v.{name}"]
            if self.recipe.optimizer == "sgd":
                m[:] = MOMENTUM * m + d
                w -= learning_rate * m
            else:
                m[:] = b1 * m + (1 - b1) * d
                v[:] = b2 * v + (1 - b2) * d * d
                mean, square = m / (1 - b1**n), v / (1 - b2**n)
                w -= learning_rate * mean / (np.sqrt(square) + EPS)
        return weights

    def state(self) -> ArraysByName:
        return copy.deepcopy(self.optimizer_state)
