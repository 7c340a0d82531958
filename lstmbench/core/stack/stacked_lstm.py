"""The stack that users hold: NumPy in, NumPy out, every shape checked."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lstmbench.core.array_checks import Array, ArrayPair, State, check_array, check_state
from lstmbench.core.interface import ArrayBackend, call_native, check_has_backward, placement
from lstmbench.core.registry import Registration
from lstmbench.core.stack.composed_stack import ComposedStack
from lstmbench.core.stack.dropout import draw_masks
from lstmbench.core.stack.interface import StackGradients, StackImplementation, stack_gradients
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.errors import LstmbenchError, error_text


@dataclass(frozen=True, eq=False)
class Stack:
    """LSTM layers in one or both directions, computed by one implementation.

    NumPy in, NumPy out, time-major. ``lstmbench.load`` makes it. Results have the implementation's
    dtype; bfloat16 and float16 become float32. L layers, D directions; P is H where there is no
    projection; index l*D + d of a state is layer l, direction d.

    Attributes:
        params: the canonical weights.
        framework: the framework's arrays on the chosen device, in the chosen dtype.
        registration: the implementation.
    """

    params: StackParams
    framework: ArrayBackend
    registration: Registration

    def __repr__(self) -> str:
        return f"Stack({self.name}, {self.params.describe()}, {placement(self.framework)})"

    @property
    def name(self) -> str:
        """The implementation, ``backend.variant``."""
        return self.registration.name

    @property
    def modes(self) -> tuple[str, ...]:
        """``inference``, and ``training`` where there is a backward."""
        return self.registration.modes

    @cached_property
    def implementation(self) -> StackImplementation:
        """What computes on native arrays: the implementation's own stack, or a composed one."""
        if self.registration.stack is None:
            return self._composed
        with self.framework.scope():
            native: StackImplementation = self.registration.stack(self.params, self.framework)
        return native

    @cached_property
    def _composed(self) -> ComposedStack:
        with self.framework.scope():
            return ComposedStack(self.params, self.framework, self.registration.cls)

    def forward(
        self,
        x: ArrayLike,
        state: ArrayPair | None = None,
        lengths: ArrayLike | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> tuple[Array, State]:
        """Run over a batch of sequences.

        Args:
            x: inputs, (T, B, I), T and B at least 1.
            state: initial (h, c), (L*D, B, P) and (L*D, B, H); zeros if None.
            lengths: of each sequence, (B,), whole numbers from 1 to T; all T if None. Inputs beyond
                them are ignored. The reverse direction starts at each sequence's own end.
            dropout: the probability of dropping an output of a layer below the last; for training.
            seed: of the dropout masks; the same seed drops the same outputs in every backend.

        Returns:
            y (T, B, D*P), 0 beyond the lengths, and the state (h, c) at the lengths.

        Raises:
            LstmbenchError: if an argument is of the wrong form; it is named with what was expected.
        """
        *arrays, lengths, masks = self._inputs(x, state, lengths, dropout, seed)
        y, h, c = self._call("forward", arrays, lengths, masks)
        return y, (h, c)

    def backward(
        self,
        x: ArrayLike,
        dy: ArrayLike,
        state: ArrayPair | None = None,
        dstate: ArrayPair | None = None,
        lengths: ArrayLike | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> StackGradients:
        """Return the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc).

        The forward pass is computed again.

        Args:
            x: inputs, (T, B, I).
            dy: gradient of the loss with respect to the outputs, (T, B, D*P); ignored beyond the
                lengths.
            state: initial (h, c), (L*D, B, P) and (L*D, B, H); zeros if None.
            dstate: gradient with respect to the state at the lengths (dh, dc), of its shapes; zeros
                if None.
            lengths: as in ``forward``.
            dropout: as in ``forward``.
            seed: as in ``forward``; with the same seed, the gradients are those of that pass.

        Raises:
            LstmbenchError: if an argument is of the wrong form, or the implementation has no
                backward.
        """
        check_has_backward(self.name, self.modes)
        x, h0, c0, lengths, masks = self._inputs(x, state, lengths, dropout, seed)
        width = self.params.num_directions * self.params.output_size
        dy = check_array(dy, "dy", *x.shape[:2], width)
        dh, dc = check_state(dstate, "dstate", h0.shape, c0.shape)
        _, gradients = self._call("forward_backward", (x, h0, c0, dy, dh, dc), lengths, masks)
        return stack_gradients(self.params, gradients)

    def _call(
        self,
        method: str,
        arrays: Iterable[Array],
        lengths: Array | None,
        masks: tuple[Array, ...],
    ) -> Any:
        """Call a method on NumPy arrays, and return its nested outputs as NumPy arrays.

        An implementation's own stack would draw its own masks, so dropout takes a composed one.
        """
        if not masks:
            implemented = getattr(self.implementation, method)
            return call_native(self.framework, implemented, arrays, lengths)
        with self.framework.scope():
            native = tuple(map(self.framework.from_numpy, masks))
        return call_native(self.framework, getattr(self._composed, method), arrays, lengths, native)

    def _inputs(
        self,
        x: ArrayLike,
        state: ArrayPair | None,
        lengths: ArrayLike | None,
        dropout: float,
        seed: int | None,
    ) -> tuple[Array, Array, Array, Array | None, tuple[Array, ...]]:
        """Return x, h0, c0, the lengths and the dropout masks, checked."""
        params = self.params
        x = check_array(x, "x", "T", "B", params.input_size)
        T, B, _ = x.shape
        rows = params.num_layers * params.num_directions, B
        h0, c0 = check_state(
            state, "state", (*rows, params.output_size), (*rows, params.hidden_size)
        )
        masks = draw_masks(params, T, B, dropout, seed)
        return x, h0, c0, check_lengths(lengths, T, B), masks


def check_lengths(lengths: ArrayLike | None, T: int, B: int) -> Array | None:
    """Return the lengths as int64, (B,); None stays None.

    Raises:
        LstmbenchError: if they are not B whole numbers from 1 to T.
    """
    if lengths is None:
        return None
    expected = f"lengths must be {B} whole numbers from 1 to T = {T}, one for each sequence"
    try:
        array = np.asarray(lengths)
    except (TypeError, ValueError, RuntimeError) as error:
        raise LstmbenchError(f"{expected}: {error_text(error)}") from None
    if array.shape != (B,):
        problem = f"they have shape {array.shape}"
    elif array.dtype.kind not in "iu":
        problem = f"their dtype is {array.dtype}"
    elif (wrong := array[(array < 1) | (array > T)]).size:
        problem = f"one of them is {wrong[0]}"
    else:
        return array.astype(np.int64)
    raise LstmbenchError(f"{expected}, but {problem}.")
