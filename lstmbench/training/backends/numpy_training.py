"""Output layer, losses, Adam and SGD in NumPy, by hand."""

from collections.abc import Mapping

import numpy as np

from lstmbench.training.backends.interface import LossAndGrads, TrainingBackend
from lstmbench.training.task import Array


class NumpyTraining(TrainingBackend):
    """The formulas of ``Optimizer``, in place."""

    def start(self, weights: Mapping[str, Array]) -> None:
        self.moments = {
            f"{moment}.{name}": np.zeros_like(w) for moment in "mv" for name, w in weights.items()
        }
        self.updates = 0

    def output_layer(self, y: Array, weight: Array, bias: Array) -> Array:
        return y @ weight.T + bias

    def loss_and_grads(self, y: Array, weight: Array, bias: Array, targets: Array) -> LossAndGrads:
        last = y[-len(targets) :].reshape(-1, y.shape[2])  # (S*B, H)
        outputs = self.output_layer(last, weight, bias)  # (S*B, K)
        if self.loss == "mse":
            d = outputs - targets.reshape(outputs.shape)
            loss = np.mean(d * d)
            d *= 2 / d.size
        else:
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
        self, weights: Mapping[str, Array], gradients: Mapping[str, Array], learning_rate: float
    ) -> dict[str, Array]:
        o = self.optimizer
        scale = 1.0
        if o.clip is not None:
            norm = np.sqrt(sum(np.vdot(d, d) for d in gradients.values()))
            scale = float(min(1.0, o.clip / norm)) if norm > 0 else 1.0
        self.updates += 1
        n = self.updates
        for name, w in weights.items():
            d = gradients[name] * scale
            m, v = self.moments[f"m.{name}"], self.moments[f"v.{name}"]
            if o.name == "sgd":
                m *= o.momentum
                m += d
                w -= learning_rate * m
            else:
                m *= o.b1
                m += (1 - o.b1) * d
                v *= o.b2
                v += (1 - o.b2) * d * d
                w -= learning_rate * (m / (1 - o.b1**n)) / (np.sqrt(v / (1 - o.b2**n)) + o.eps)
        return dict(weights)

    def state(self) -> dict[str, Array]:
        moments = {name: array.copy() for name, array in self.moments.items()}
        return moments | {"updates": np.array(self.updates)}

    def restore(self, state: Mapping[str, Array]) -> None:
        self.moments = {name: state[name].copy() for name in self.moments}
        self.updates = int(state["updates"])
