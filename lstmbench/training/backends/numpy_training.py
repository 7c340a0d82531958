"""Read-out, losses, Adam and SGD in NumPy, by hand."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.core.interface import ArrayBackend
from lstmbench.training.backends.interface import Loss, LossAndGrads, TrainingBackend
from lstmbench.training.optimizer import Optimizer

Array = NDArray[Any]


class NumpyTraining(TrainingBackend):
    """The formulas of ``Optimizer``, in place."""

    def __init__(
        self,
        framework: ArrayBackend,
        loss: Loss,
        optimizer: Optimizer,
        weights: Mapping[str, Array],
    ) -> None:
        self.dtype, self.loss, self.optimizer = framework.dtype, loss, optimizer
        self.updates = 0
        self.m = {name: np.zeros_like(array) for name, array in weights.items()}
        self.v = {name: np.zeros_like(array) for name, array in weights.items()}

    def targets(self, targets: Array) -> Array:
        return targets.astype(np.int64 if self.loss == "cross_entropy" else self.dtype)

    def read_out(self, y: Array, weight: Array, bias: Array) -> Array:
        return y @ weight.T + bias

    def slopes(self, y: Array, weight: Array, bias: Array, targets: Array) -> LossAndGrads:
        last = y[-len(targets) :].reshape(-1, y.shape[2])  # (S*B, H)
        outputs = self.read_out(last, weight, bias)  # (S*B, K)
        if self.loss == "mse":
            d = outputs - targets.reshape(outputs.shape)
            loss = np.mean(d * d)
            d *= 2 / d.size
        else:
            rows = np.arange(len(outputs)), targets.reshape(-1)
            outputs -= outputs.max(axis=1, keepdims=True)
            d = np.exp(outputs)
            sums = d.sum(axis=1, keepdims=True)
            loss = np.mean(np.log(sums[:, 0]) - outputs[rows])
            d /= sums
            d[rows] -= 1
            d /= len(d)
        dy = np.zeros_like(y)
        dy[-len(targets) :] = (d @ weight).reshape(len(targets), *y.shape[1:])
        return LossAndGrads(loss, dy, d.T @ last, d.sum(axis=0))

    def update(
        self, weights: Mapping[str, Array], gradients: Mapping[str, Array], rate: float
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
            m, v = self.m[name], self.v[name]
            if o.name == "sgd":
                m *= o.momentum
                m += d
                w -= rate * m
            else:
                m *= o.b1
                m += (1 - o.b1) * d
                v *= o.b2
                v += (1 - o.b2) * d * d
                w -= rate * (m / (1 - o.b1**n)) / (np.sqrt(v / (1 - o.b2**n)) + o.eps)
        return dict(weights)

    def put(self, weights: Mapping[str, Array], values: Mapping[str, Array]) -> dict[str, Array]:
        return {**weights, **values}

    def state(self) -> dict[str, Array]:
        kept = {f"m.{name}": array.copy() for name, array in self.m.items()}
        kept |= {f"v.{name}": array.copy() for name, array in self.v.items()}
        return kept | {"updates": np.array(self.updates)}

    def restore(self, state: Mapping[str, Array]) -> None:
        self.updates = int(state["updates"])
        for name in self.m:
            self.m[name][...] = state[f"m.{name}"]
            self.v[name][...] = state[f"v.{name}"]
