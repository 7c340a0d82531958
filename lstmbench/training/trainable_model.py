"""A model in training: a cell, an output layer, a loss and an optimiser, in one framework."""

from typing import Any

import numpy as np

from lstmbench.errors import LstmbenchError
from lstmbench.training.backends.interface import EPS, NativeArrays, training_backend
from lstmbench.training.checkpoint import ArrayGroups
from lstmbench.training.model import OUTPUT_LAYER, ModelSpec
from lstmbench.training.task import Array, ArraysByName, Loss, Recipe


class TrainableModel:
    """NumPy in, NumPy out; all between is the framework's.

    Use it within ``self.framework.scope()``, which sets what the framework's dtype needs.
    """

    def __init__(
        self,
        implementation: str,
        spec: ModelSpec,
        loss: Loss,
        recipe: Recipe,
        seed: int = 0,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        """Draw initial weights, and copy them to the device.

        Args:
            implementation: computes the LSTM, for example ``torch.fused``.
            spec: sizes and kind of cell.
            loss: ``mse`` or ``cross_entropy``.
            recipe: the optimiser; its other values are not used here.
            seed: of the initial weights.
            device: ``cpu`` or ``cuda``.
            dtype: that of weights and inputs.

        Raises:
            LstmbenchError: if something of it is not available here, or the implementation has no
                backward.
        """
        if dtype == "float16" and recipe.optimizer == "adam":
            raise LstmbenchError(
                f"Adam cannot train in float16, where its eps, {EPS:g}, is 0: "
                "use bfloat16 or float32."
            )
        self.spec = spec
        self.make_cell, self.framework = spec.open_cell(implementation, device, dtype)
        self.training_backend = training_backend(self.framework, loss, recipe)
        self.native_weights: NativeArrays = {}
        with self.framework.scope():
            self._start_from(spec.initial_weights(seed))

    def train_step(self, x: Array, targets: Array, learning_rate: float) -> Any:
        """Update the weights once; return the loss before it, a native number.

        Converting it to ``float`` waits until it has been computed.

        Args:
            x: inputs, (T, B, I).
            targets: of the last S steps: classes (S, B), or numbers (S, B, K).
            learning_rate: that of this update.
        """
        cell, x, zeros = self._cell_and_inputs(x)
        weight, bias = (self.native_weights[name] for name in OUTPUT_LAYER)
        (y, _, _), saved = cell.forward(x, zeros, zeros, save=True)
        loss, dy, *output_gradients = self.training_backend.loss_and_grads(
            y, weight, bias, self.training_backend.to_targets(targets)
        )
        gradients, *_ = cell.backward(saved, dy, zeros, zeros)
        gradients |= dict(zip(OUTPUT_LAYER, output_gradients, strict=True))
        self.native_weights = self.training_backend.update(
            self.native_weights, gradients, learning_rate
        )
        return loss

    def outputs(self, x: Array) -> Array:
        """Return the outputs at every step of x (T, B, I): (T, B, K)."""
        cell, x, zeros = self._cell_and_inputs(x)
        (y, _, _), _ = cell.forward(x, zeros, zeros, save=False)
        weight, bias = (self.native_weights[name] for name in OUTPUT_LAYER)
        return self.framework.to_numpy(self.training_backend.output_layer(y, weight, bias))

    def weights(self) -> ArraysByName:
        """Return the weights, in float64."""
        return {
            name: self.framework.to_numpy(array).astype(np.float64)
            for name, array in self.native_weights.items()
        }

    def state(self) -> ArrayGroups:
        """Return all that training continues from."""
        return {"weights": self.weights(), "optimizer": self.training_backend.state()}

    def restore(self, state: ArrayGroups) -> None:
        """Continue from what ``state`` returned.

        Raises:
            LstmbenchError: if it is that of another model.
        """
        weights = state.get("weights", {})
        for name, array in self.native_weights.items():
            if name not in weights or weights[name].shape != tuple(array.shape):
                raise LstmbenchError(
                    f"The checkpoint is of another model: its {name} does not fit. "
                    "Choose another file."
                )
        self._start_from(weights, state.get("optimizer"))

    def _start_from(self, weights: ArraysByName, state: ArraysByName | None = None) -> None:
        self.native_weights = {
            name: self.framework.from_numpy(array) for name, array in weights.items()
        }
        self.training_backend.start(self.native_weights, state)

    def _cell_and_inputs(self, x: Array) -> tuple[Any, Any, Any]:
        """Return the cell with the present weights, x on the device, and an initial state of 0."""
        cell = self.make_cell(self.weights())
        zeros = self.framework.zeros((x.shape[1], self.spec.hidden_size))
        return cell, self.framework.from_numpy(x), zeros
