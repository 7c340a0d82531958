"""The one interface: what an implementation must offer, and the LSTM object that users hold.

An implementation works on its framework's own arrays, so that timing it times nothing else.
``LSTM`` stands in front
of it: NumPy in, NumPy out, every shape checked.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike

from lstmbench.core.array_checks import Array as Array
from lstmbench.core.array_checks import State, map_nested, numbers, shaped
from lstmbench.core.parameters import Gradients, LSTMParams
from lstmbench.errors import LstmbenchError

MODES = ("inference", "training")
STORAGE_DTYPES: Final = MappingProxyType({"tf32": "float32"})
"""How numbers of a dtype are stored, if not as its name says. tf32 is float32 whose factors are
rounded to 10 bits when
they are multiplied: what NVIDIA's GPUs do with float32 unless told otherwise. A CPU has none."""


class ArrayBackend(Protocol):
    """How one framework holds arrays, on one device, in one dtype. One subclass per framework; none
    is overridden.
    """

    name: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]]
    device: str
    dtype: str
    storage_dtype: str  # as, see STORAGE_DTYPES

    def __init__(self, device: str, dtype: str) -> None: ...

    @staticmethod
    def devices() -> tuple[str, ...]:
        """Return the devices that this framework sees now, ``cpu`` first."""
        ...

    @staticmethod
    def preload() -> None:
        """Import what the framework would import at its first call, so that no timed call pays for
        it.
        """
        ...

    def scope(self) -> AbstractContextManager[Any]:
        """Return the settings under which arrays of this dtype must be made and used (enter once,
        around calls).
        """
        ...

    def from_numpy(self, array: Array) -> Any:
        """Copy a NumPy array to the device, in the dtype."""
        ...

    def to_numpy(self, native: Any) -> Array:
        """Copy a native array back; bfloat16 and float16 come as float32."""
        ...

    def synchronize(self, outputs: Any) -> None:
        """Return once every array in the nested tuple ``outputs`` has been computed."""
        ...

    def allocated_bytes(self, call: Callable[..., Any], *arguments: Any) -> int | None:
        """Return the peak that ``call(*arguments)`` took beyond its arguments, by the framework's
        own accounting.

        Its outputs are counted. None if the framework does not tell.
        """
        ...

    def device_profile(self, call: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Return what the device did in ``call(*arguments)``, {} where there is none or the
        framework does not tell.

        ``device_time_s``: the seconds from its beginning to its end, by the device's own clock.
        ``kernels``: the names of those that took most of it, with their shares; of a library, they
        tell which algorithm it chose.
        """
        ...

    # What a stack needs besides slices, sums and products, which all arrays have; nothing here
    # changes its arguments, but for ``zero_padding`` and ``add_rows``

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as the framework runs it best; its arguments are nested tuples of
        arrays, or None.
        """
        ...

    def to_int_array(self, numbers: Array) -> Any:
        """Return whole numbers as a compiled function takes them; what it computes from them it
        places.
        """
        ...

    def arange(self, stop: int) -> Any:
        """Return the whole numbers below ``stop``, to compute with what ``to_int_array`` returned."""
        ...

    def to_device(self, array: Any) -> Any:
        """Bring whole numbers or truth values, computed from the two above, to where the arrays
        are.
        """
        ...

    def zeros(self, shape: tuple[int, ...]) -> Any:
        """Return zeros of the dtype."""
        ...

    def concatenate(self, arrays: Sequence[Any], axis: int) -> Any:
        """Join arrays along an axis."""
        ...

    def stack(self, arrays: Sequence[Any]) -> Any:
        """Join arrays along a new first axis."""
        ...

    def flip(self, x: Any) -> Any:
        """Return x (T, B, F) with the time running backwards."""
        ...

    def where_valid(self, x: Any, inside: Any) -> Any:
        """Return x (T, B, F) where ``inside`` (T, B) is true, and 0 elsewhere, whatever stands
        there.
        """
        ...

    def zero_padding(self, x: Any, inside: Any) -> Any:
        """Return what ``where_valid`` returns; x may be used up."""
        ...

    def take_rows(self, x: Any, rows: Any) -> Any:
        """Return those of the T*B rows of x (T, B, F), row t*B + b for x[t, b], for ``rows`` (B,)
        or (T, B).
        """
        ...

    def as_training_input(self, array: Any) -> Any:
        """Return an output of ``forward`` as an input of ``forward_backward``: some frameworks mark
        the former.
        """
        ...

    def add_rows(self, x: Any, rows: Any, values: Any) -> Any:
        """Return x (T, B, F) with values[k] added to its row rows[k], no two of them the same; x
        may be used up.
        """
        ...


class Implementation(Protocol):
    """One way to compute the LSTM in one framework; all arrays are the framework's own.

    ``__init__`` takes the canonical parameters and the framework, and keeps the weights in native
    form: preparation that belongs to loading (packing, transposing) happens there, outside every
    timed call.
    """

    def __init__(self, params: LSTMParams, framework: Any) -> None: ...

    def forward(self, x: Any, h0: Any, c0: Any) -> tuple[Any, Any, Any]:
        """Return y (T, B, H), h (B, H), c (B, H) for x (T, B, I), h0 and c0 (B, H). Timed in mode
        ``inference``.
        """
        ...

    def forward_backward(
        self, x: Any, h0: Any, c0: Any, dy: Any, dh: Any, dc: Any
    ) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any, Any, Any, Any]]:
        """Return (y, h, c) and the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc). Timed in mode
        ``training``.

        The gradients come in the order of ``Gradients``: weight_ih (4H, I), weight_hh (4H, H), bias
        (4H,), x (T, B, I), h0 (B, H), c0 (B, H). Left out where an implementation is registered for
        inference only. An implementation with peepholes returns their gradient, (3, H), as a
        seventh, where it was given any.
        """
        ...

    # It may offer this pair as well, so that a stack of layers need not compute a layer's forward
    # pass twice:
    #
    # def forward_saving(self, x, h0, c0) -> ((y, h, c), saved)
    # def backward(self, saved, dy, dh, dc) -> the gradients, as forward_backward returns them;
    # called once for a saved
    #
    # And, with that pair, to take lengths (B,), as the framework's ``to_int_array`` gives them, after c0
    # in ``forward`` and ``forward_saving``, from 1 to T, with ``takes_lengths = True``: beyond its
    # length a sequence's y is 0, whatever stands in x and dy there, h and c are those at the
    # length, and so are dh and dc. (x may be taken to be finite.)
    #
    # And where training is fast only if the number of an input's features is a multiple of some
    # number, that number as ``feature_multiple: ClassVar[int]``: a stack that has to add a feature then adds
    # so many.
    #
    # And where memory is allocated that the framework's accounting does not see, ``hides_memory =
    # True``: then no number of allocated bytes is better than a wrong one.


@dataclass(frozen=True, eq=False)
class LSTM:
    """One LSTM layer, computed by one implementation: NumPy in, NumPy out, time-major.

    Made by ``lstmbench.load``. Results come in the implementation's dtype; bfloat16 and float16
    come as float32.

    Attributes:
        name: the implementation, ``backend.variant``.
        params: the canonical weights.
        framework: arrays of the framework on the chosen device, in the chosen dtype.
        implementation: the object that computes on native arrays.
        modes: ``inference``, and ``training`` where there is a backward.
    """

    name: str
    params: LSTMParams
    framework: ArrayBackend
    implementation: Implementation
    modes: tuple[str, ...] = MODES

    def __repr__(self) -> str:
        return f"LSTM({self.name}, {self.params.describe()}, {self.framework.dtype} on {self.framework.device})"

    def forward(
        self, x: ArrayLike, state: tuple[ArrayLike, ArrayLike] | None = None
    ) -> tuple[Array, State]:
        """Run over a sequence.

        Args:
            x: inputs, (T, B, I), T and B at least 1.
            state: initial (h, c), each (B, H); zeros if None.

        Returns:
            y (T, B, H) and the last state (h, c), each (B, H).

        Raises:
            LstmbenchError: if a shape is wrong; both shapes are named.
        """
        x, (h0, c0) = self._inputs(x, state)
        with self.framework.scope():
            y, h, c = self._native(self.implementation.forward, x, h0, c0)
        return y, (h, c)

    def step(self, x_t: ArrayLike, state: tuple[ArrayLike, ArrayLike] | None = None) -> State:
        """Run one time step: x_t (B, I), state (h, c) each (B, H), zeros if None; return the next
        (h, c).
        """
        x_t = numbers(x_t, "x_t")
        if x_t.ndim != 2 or x_t.shape[1] != self.params.input_size or x_t.shape[0] == 0:
            wanted = f"(B, {self.params.input_size}) with B at least 1"
            raise LstmbenchError(f"x_t must have shape {wanted}, but it has shape {x_t.shape}.")
        _, state = self.forward(x_t[None], state)
        return state

    def backward(
        self,
        x: ArrayLike,
        dy: ArrayLike,
        state: tuple[ArrayLike, ArrayLike] | None = None,
        dstate: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Gradients:
        """Return the gradients of sum(y*dy) + sum(h_T*dh) + sum(c_T*dc); the forward pass is run
        again.

        Args:
            x: inputs, (T, B, I).
            dy: gradient of the loss with respect to the outputs, (T, B, H).
            state: initial (h, c), each (B, H); zeros if None.
            dstate: gradient with respect to the last state (dh, dc), each (B, H); zeros if None.

        Raises:
            LstmbenchError: if a shape is wrong, or the implementation has no backward.
        """
        if "training" not in self.modes:
            raise LstmbenchError(
                f"{self.name} has no backward: it is registered for inference only."
            )
        x, (h0, c0) = self._inputs(x, state)
        T, B, _ = x.shape
        dy = shaped(dy, "dy", (T, B, self.params.hidden_size))
        dh, dc = self._state(dstate, B, "dstate", ("dh", "dc"))
        with self.framework.scope():
            _, gradients = self._native(self.implementation.forward_backward, x, h0, c0, dy, dh, dc)
        return Gradients(*gradients)

    def _native(self, method: Callable[..., Any], *arrays: Array) -> Any:
        """Call a method of the implementation on NumPy arrays, and bring its nested tuple of
        outputs back to NumPy.
        """
        outputs = method(*(self.framework.from_numpy(array) for array in arrays))
        return map_nested(self.framework.to_numpy, outputs)

    def _inputs(
        self, x: ArrayLike, state: tuple[ArrayLike, ArrayLike] | None
    ) -> tuple[Array, State]:
        x = numbers(x, "x")
        if x.ndim != 3 or x.shape[2] != self.params.input_size or 0 in x.shape:
            wanted = f"(T, B, {self.params.input_size}) with T and B at least 1"
            raise LstmbenchError(f"x must have shape {wanted}, but it has shape {x.shape}.")
        return x, self._state(state, x.shape[1], "state", ("h", "c"))

    def _state(
        self,
        state: tuple[ArrayLike, ArrayLike] | None,
        batch: int,
        name: str,
        parts: tuple[str, str],
    ) -> tuple[Array, Array]:
        shape = (batch, self.params.hidden_size)
        if state is None:
            return np.zeros(shape), np.zeros(shape)
        if not isinstance(state, tuple | list) or len(state) != 2:
            raise LstmbenchError(
                f"{name} must be a pair ({parts[0]}, {parts[1]}), each of shape {shape}."
            )
        h, c = (
            shaped(array, f"{name}'s {part}", shape)
            for array, part in zip(state, parts, strict=True)
        )
        return h, c
