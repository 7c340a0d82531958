"""One model in training: an implementation of the cell, a read-out, a loss and an optimiser, in one
framework.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from lstmbench.errors import LstmbenchError
from lstmbench.training.backends.interface import Loss, arithmetic
from lstmbench.training.model import READ_OUT, Array, Model, Weights
from lstmbench.training.optimizer import Optimizer


class Learner:
    """NumPy in, NumPy out; all between is the framework's.

    Enter it before use: it sets what the framework's dtype needs.
    """

    def __init__(
        self,
        implementation: str,
        model: Model,
        weights: Weights,
        loss: Loss,
        optimizer: Optimizer,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        """Bring the weights to the device.

        Args:
            implementation: what computes the LSTM, for example ``torch.fused``.
            model: sizes and kind of cell.
            weights: initial ones, as ``model.draw`` gives them.
            loss: ``mse`` or ``cross_entropy``.
            optimizer: how the weights are updated.
            device: where.
            dtype: in what.

        Raises:
            LstmbenchError: if something of it is not available here, or the implementation has no
                backward.
        """
        if dtype == "float16" and optimizer.name == "adam" and np.float16(optimizer.eps) == 0:
            raise LstmbenchError(
                f"Adam cannot train in float16, where its eps, {optimizer.eps:g}, is 0: use bfloat16 or float32."
            )
        self.model = model
        self.make, self.framework = model.cell_from(implementation, device, dtype)
        self.rate = optimizer.learning_rate
        self._scope = ExitStack()
        with self.framework.scope():
            self.native = {
                name: self.framework.from_numpy(array) for name, array in weights.items()
            }
            self.arithmetic = arithmetic(self.framework, loss, optimizer, self.native)

    def __enter__(self) -> "Learner":
        self._scope.enter_context(self.framework.scope())
        return self

    def __exit__(self, *_: object) -> None:
        self._scope.close()

    def step(self, x: Array, targets: Array, rate: float | None = None) -> Any:
        """Update the weights once; return the loss before it, a native number (``float`` waits for
        it).

        Args:
            x: inputs, (T, B, I).
            targets: of the last S steps: classes (S, B), or numbers (S, B, K).
            rate: the learning rate; the optimiser's if None.
        """
        native, zeros = self._inputs(x)
        V, v = (self.native[name] for name in READ_OUT)
        cell = self.make(self.native)
        (y, _, _), saved = cell.forward(native, zeros, zeros, save=True)
        above = self.arithmetic.slopes(y, V, v, self.arithmetic.targets(targets))
        gradients, *_ = cell.backward(saved, above.y, zeros, zeros)
        gradients |= dict(zip(READ_OUT, (above.weight, above.bias), strict=True))
        self.native = self.arithmetic.update(self.native, gradients, rate or self.rate)
        return above.loss

    def outputs(self, x: Array) -> Array:
        """Return the read-out of every step of x (T, B, I): (T, B, K)."""
        native, zeros = self._inputs(x)
        (y, _, _), _ = self.make(self.native).forward(native, zeros, zeros, save=False)
        V, v = (self.native[name] for name in READ_OUT)
        return self.framework.to_numpy(self.arithmetic.read_out(y, V, v))

    def weights(self) -> Weights:
        """Return the weights, in float64."""
        return {
            name: self.framework.to_numpy(array).astype(np.float64)
            for name, array in self.native.items()
        }

    def state(self) -> dict[str, Array]:
        """Return all that training goes on from: the weights and what the optimiser has learnt."""
        return self.weights() | {
            f"optimizer.{name}": array for name, array in self.arithmetic.state().items()
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what ``state`` returned.

        Raises:
            LstmbenchError: if it is that of another model.
        """
        for name, array in self.native.items():
            if name not in state or state[name].shape != tuple(array.shape):
                raise LstmbenchError(f"What was kept is of another model: its {name} does not fit.")
        kept = {
            name.removeprefix("optimizer."): a
            for name, a in state.items()
            if name.startswith("optimizer.")
        }
        self.load({name: state[name] for name in self.native})
        self.arithmetic.restore(kept)

    def load(self, weights: Weights) -> None:
        """Take these weights; the optimiser stays as it is."""
        given = {name: self.framework.from_numpy(array) for name, array in weights.items()}
        self.native = self.arithmetic.put(self.native, given)

    def _inputs(self, x: Array) -> tuple[Any, Any]:
        return self.framework.from_numpy(x), self.framework.zeros(
            (x.shape[1], self.model.hidden_size)
        )
