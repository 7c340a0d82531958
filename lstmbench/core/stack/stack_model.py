"""The stack that users hold: NumPy in, NumPy out, every shape checked."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmbench.core.array_checks import Array, State, map_nested, numbers, shaped
from lstmbench.core.interface import ArrayBackend
from lstmbench.core.registry import Registration
from lstmbench.core.stack.composed_stack import ComposedStack
from lstmbench.core.stack.dropout import draw_masks
from lstmbench.core.stack.interface import NativeStack, StackGradients, stack_gradients
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.errors import LstmbenchError, error_text

Pair = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, eq=False)
class Stack:
    """Several LSTM layers in one or both directions, computed by one implementation: NumPy in,
    NumPy out, time-major.

    Made by ``lstmbench.load``. Results come in the implementation's dtype; bfloat16 and float16
    come as float32. L layers, D directions; P stands for H where there is no projection; index l*D
    + d of a state is layer l, direction d.

    Attributes:
        params: the canonical weights.
        framework: arrays of the framework on the chosen device, in the chosen dtype.
        registration: the implementation.
    """

    params: StackParams
    framework: ArrayBackend
    registration: Registration

    def __repr__(self) -> str:
        return f"Stack({self.name}, {self.params.describe()}, {self.framework.dtype} on {self.framework.device})"

    @property
    def name(self) -> str:
        """The implementation, ``backend.variant``."""
        return self.registration.name

    @property
    def modes(self) -> tuple[str, ...]:
        """``inference``, and ``training`` where there is a backward."""
        return self.registration.modes

    @cached_property
    def implementation(self) -> NativeStack:
        """The object that computes on native arrays: the implementation's own stack, or one
        composed of its layers.
        """
        if self.registration.stack is None:
            return self._composed
        with self.framework.scope():
            native: NativeStack = self.registration.stack(self.params, self.framework)
        return native

    @cached_property
    def _composed(self) -> ComposedStack:
        with self.framework.scope():
            single = self.registration.cls
            lanes = getattr(single, "feature_multiple", 1)
            return ComposedStack(
                self.params, self.framework, lambda each: single(each, self.framework), lanes
            )

    def forward(
        self,
        x: ArrayLike,
        state: Pair | None = None,
        lengths: ArrayLike | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> tuple[Array, State]:
        """Run over a batch of sequences.

        Args:
            x: inputs, (T, B, I), T and B at least 1.
            state: initial (h, c), (L*D, B, P) and (L*D, B, H); zeros if None.
            lengths: of each sequence, (B,), whole numbers from 1 to T; all T if None. What stands
                in x beyond them has no influence. The reverse direction starts at each sequence's
                own end.
            dropout: the probability that an output of a layer below the last is dropped; 0 but in
                training.
            seed: what drops which; the same seed drops the same outputs, whatever computes them.

        Returns:
            y (T, B, D*P), 0 beyond the lengths, and the state (h, c) at the lengths.

        Raises:
            LstmbenchError: if something is of the wrong form; what was found and what was expected
                are named.
        """
        x, (h0, c0), lengths = self._inputs(x, state, lengths)
        T, B, _ = x.shape
        masks = draw_masks(self.params, T, B, dropout, seed)
        y, h, c = self._native("forward", (x, h0, c0), lengths, masks)
        return y, (h, c)

    def backward(
        self,
        x: ArrayLike,
        dy: ArrayLike,
        state: Pair | None = None,
        dstate: Pair | None = None,
        lengths: ArrayLike | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> StackGradients:
        """Return the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc); the forward pass is run again.

        Args:
            x: inputs, (T, B, I).
            dy: gradient of the loss with respect to the outputs, (T, B, D*P); has no influence
                beyond the lengths.
            state: initial (h, c), (L*D, B, P) and (L*D, B, H); zeros if None.
            dstate: gradient with respect to the state at the lengths (dh, dc), shaped as it is;
                zeros if None.
            lengths: as in ``forward``.
            dropout: as in ``forward``.
            seed: as in ``forward``; with the same one, these are the gradients of that very pass.

        Raises:
            LstmbenchError: if something is of the wrong form, or the implementation has no
                backward.
        """
        if "training" not in self.modes:
            raise LstmbenchError(
                f"{self.name} has no backward: it is registered for inference only."
            )
        x, (h0, c0), lengths = self._inputs(x, state, lengths)
        T, B, _ = x.shape
        dy = shaped(dy, "dy", (T, B, self.params.num_directions * self.params.output_size))
        dh, dc = self._state(dstate, B, "dstate", ("dh", "dc"))
        masks = draw_masks(self.params, T, B, dropout, seed)
        _, gradients = self._native("forward_backward", (x, h0, c0, dy, dh, dc), lengths, masks)
        return stack_gradients(self.params, gradients)

    def _native(
        self,
        method: str,
        arrays: tuple[Array, ...],
        lengths: NDArray[Any] | None,
        masks: tuple[Array, ...],
    ) -> Any:
        """Call a method on NumPy arrays, and bring its nested tuple of outputs back to NumPy.

        A stack of the implementation's own would draw its own masks, so with dropout its single
        layers are composed.
        """
        with self.framework.scope():
            given = [self.framework.from_numpy(array) for array in arrays]
            if masks:
                native = tuple(self.framework.from_numpy(mask) for mask in masks)
                outputs = getattr(self._composed, method)(*given, lengths, native)
            else:
                outputs = getattr(self.implementation, method)(*given, lengths)
            return map_nested(self.framework.to_numpy, outputs)

    def _inputs(
        self, x: ArrayLike, state: Pair | None, lengths: ArrayLike | None
    ) -> tuple[Array, State, NDArray[Any] | None]:
        x = numbers(x, "x")
        if x.ndim != 3 or x.shape[2] != self.params.input_size or 0 in x.shape:
            wanted = f"(T, B, {self.params.input_size}) with T and B at least 1"
            raise LstmbenchError(f"x must have shape {wanted}, but it has shape {x.shape}.")
        return (
            x,
            self._state(state, x.shape[1], "state", ("h", "c")),
            check_lengths(lengths, *x.shape[:2]),
        )

    def _state(self, state: Pair | None, batch: int, name: str, parts: tuple[str, str]) -> State:
        params = self.params
        count = params.num_layers * params.num_directions
        shapes = (count, batch, params.output_size), (count, batch, params.hidden_size)
        if state is None:
            return np.zeros(shapes[0]), np.zeros(shapes[1])
        if not isinstance(state, tuple | list) or len(state) != 2:
            raise LstmbenchError(
                f"{name} must be a pair ({parts[0]}, {parts[1]}), of shapes {shapes[0]} and {shapes[1]}."
            )
        h, c = (
            shaped(*each)
            for each in zip(state, (f"{name}'s {part}" for part in parts), shapes, strict=True)
        )
        return h, c


def check_lengths(lengths: ArrayLike | None, T: int, B: int) -> NDArray[Any] | None:
    """Return the lengths as an array of NumPy's, (B,); None stays None.

    Raises:
        LstmbenchError: if they are not B whole numbers from 1 to T.
    """
    if lengths is None:
        return None
    wanted = f"lengths must be {B} whole numbers from 1 to T = {T}, one for each sequence"
    try:
        given = np.asarray(lengths)
    except (TypeError, ValueError, RuntimeError) as error:
        raise LstmbenchError(f"{wanted}: {error_text(error)}") from None
    if given.shape != (B,):
        raise LstmbenchError(f"{wanted}, but they have shape {given.shape}.")
    if given.dtype.kind not in "iu":
        raise LstmbenchError(f"{wanted}, but their dtype is {given.dtype}.")
    wrong = given[(given < 1) | (given > T)]
    if wrong.size:
        raise LstmbenchError(f"{wanted}, but one of them is {wrong[0]}.")
    return given.astype(np.int64)
