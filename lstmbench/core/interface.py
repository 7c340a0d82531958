"""What an array backend and an implementation must offer, and the LSTM object that users hold.

An implementation works on its framework's own arrays, so that nothing else is timed. ``LSTM`` wraps
it: NumPy in, NumPy out, every shape checked.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol

from numpy.typing import ArrayLike

from lstmbench.core.array_checks import (
    Array,
    ArrayPair,
    State,
    check_array,
    check_state,
    map_nested,
)
from lstmbench.core.parameters import Gradients, LSTMParams
from lstmbench.errors import LstmbenchError

NativeFunction = Callable[..., Any]
"""A function of arrays of a framework."""

MODES = ("inference", "training")
STORAGE_DTYPES: Final = MappingProxyType({"tf32": "float32"})
"""The dtype in memory, where it is not the dtype's own name.

tf32 is float32 whose factors are rounded to 10 bits when they are multiplied: NVIDIA GPUs do that
with float32 by default, CPUs never."""


class ArrayBackend(Protocol):
    """One framework's arrays, on one device, in one dtype; each framework has one subclass.

    From ``compile`` on, the methods are what a stack needs besides slices, sums and products.
    Only ``add_rows`` may change its arguments.
    """

    name: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]]
    device: str
    dtype: str
    storage_dtype: str  # see STORAGE_DTYPES

    def __init__(self, device: str = "cpu", dtype: str = "float32") -> None:
        self.device, self.dtype = device, dtype
        self.storage_dtype = STORAGE_DTYPES.get(dtype, dtype)

    @staticmethod
    def devices() -> tuple[str, ...]:
        """Return the devices that this framework sees now, ``cpu`` first."""

    @staticmethod
    def preload() -> None:
        """Import what the framework imports at its first call, so that no timed call does."""

    def scope(self) -> AbstractContextManager[Any]:
        """Return the settings to create and use arrays of this dtype in; enter it around calls."""

    def from_numpy(self, array: Array) -> Any:
        """Copy a NumPy array to the device, in the dtype."""

    def to_numpy(self, native: Any) -> Array:
        """Copy a native array back; bfloat16 and float16 become float32."""

    def synchronize(self, outputs: Any) -> None:
        """Wait until every array in the nested tuple ``outputs`` has been computed."""

    def allocated_bytes(self, call: NativeFunction, *arguments: Any) -> int | None:
        """Return the peak memory of ``call(*arguments)`` beyond its arguments, outputs included.

        The framework's own accounting says it; None if it has none.
        """

    def device_profile(self, call: NativeFunction, *arguments: Any) -> dict[str, Any]:
        """Return what an accelerator did in ``call(*arguments)``; empty on a CPU, or if unknown.

        ``device_time_s``: seconds from its beginning to its end, by the device's own clock.
        ``kernels``: the names of the longest kernels with their shares, which show the algorithm
        that a library chose.
        """

    def compile(self, function: NativeFunction) -> NativeFunction:
        """Return the fastest form of a function of nested tuples of arrays, or None."""

    def to_device(self, array: Any) -> Any:
        """Move whole numbers or booleans to the arrays.

        They may be computed in a compiled function, from arguments that are NumPy arrays.
        """

    def zeros(self, shape: tuple[int, ...]) -> Any:
        """Return zeros of the dtype."""

    def concatenate(self, arrays: Sequence[Any], axis: int) -> Any:
        """Join arrays along an axis."""

    def flip(self, x: Any) -> Any:
        """Return x (T, B, F) in reversed time."""

    def where_valid(self, x: Any, valid: Any) -> Any:
        """Return x (T, B, F) where ``valid`` (T, B) is true, and 0 elsewhere, even for NaN."""

    def take_rows(self, x: Any, rows: Any) -> Any:
        """Return rows t*B + b of x (T, B, F), for ``rows`` (B,) or (T, B)."""

    def as_training_input(self, array: Any) -> Any:
        """Return an output of ``forward`` in a form that ``forward_backward`` accepts."""

    def add_rows(self, x: Any, rows: Any, values: Any) -> Any:
        """Return x (T, B, F) with values[k] added to row rows[k]; x may be overwritten.

        The rows are distinct.
        """


class Implementation(Protocol):
    """One way to compute the LSTM in one framework; all arrays are the framework's own.

    ``__init__`` takes the canonical parameters and the framework, and keeps the weights in native
    form: preparation that belongs to loading (packing, transposing) happens there, outside every
    timed call.

    An implementation may also offer:

    - ``forward_saving(x, h0, c0) -> ((y, h, c), saved)`` and ``backward(saved, dy, dh, dc)``, which
      returns the gradients as ``forward_backward`` does and is called once for each ``saved``. A
      stack then need not compute a layer's forward pass twice.
    - with that pair, ``takes_lengths = True``: ``forward`` and ``forward_saving`` take lengths (B,)
      from 1 to T after c0, a NumPy array (JAX: a traced one). Beyond its length a sequence's y is
      0, whatever x (finite) and dy hold there. h, c, dh and dc are those at the lengths.
    - ``feature_multiple: ClassVar[int]``, where training is fast only if the number of input
      features is a multiple of it: a stack that must add a feature then adds that many.
    - ``hides_memory = True``, where it allocates memory that the framework's accounting misses: no
      allocated bytes are recorded then.
    """

    def __init__(self, params: LSTMParams, framework: Any) -> None: ...

    def forward(self, x: Any, h0: Any, c0: Any) -> tuple[Any, Any, Any]:
        """Return y (T, B, H), h (B, H), c (B, H) for x (T, B, I), h0 and c0 (B, H).

        Timed in mode ``inference``.
        """

    def forward_backward(
        self, x: Any, h0: Any, c0: Any, dy: Any, dh: Any, dc: Any
    ) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any, Any, Any, Any]]:
        """Return (y, h, c) and the gradients of sum(y*dy) + sum(h*dh) + sum(c*dc).

        Timed in mode ``training``; omitted where an implementation is registered for inference
        only. The gradients have the order of ``Gradients``: weight_ih (4H, I), weight_hh (4H, H),
        bias (4H,), x (T, B, I), h0 (B, H), c0 (B, H). With peepholes, their gradient, (3, H), is a
        seventh.
        """


@dataclass(frozen=True, eq=False)
class LSTM:
    """One LSTM layer, computed by one implementation: NumPy in, NumPy out, time-major.

    ``lstmbench.load`` makes it. Results have the implementation's dtype; bfloat16 and float16
    become float32.

    Attributes:
        name: the implementation, ``backend.variant``.
        params: the canonical weights.
        framework: the framework's arrays on the chosen device, in the chosen dtype.
        implementation: the object that computes on native arrays.
        modes: ``inference``, and ``training`` where there is a backward.
    """

    name: str
    params: LSTMParams
    framework: ArrayBackend
    implementation: Implementation
    modes: tuple[str, ...] = MODES

    def __repr__(self) -> str:
        return f"LSTM({self.name}, {self.params.describe()}, {placement(self.framework)})"

    def forward(self, x: ArrayLike, state: ArrayPair | None = None) -> tuple[Array, State]:
        """Run over a sequence.

        Args:
            x: inputs, (T, B, I), T and B at least 1.
            state: initial (h, c), each (B, H); zeros if None.

        Returns:
            y (T, B, H) and the last state (h, c), each (B, H).

        Raises:
            LstmbenchError: if a shape is wrong; both shapes are named.
        """
        arrays = self._inputs(x, state)
        y, h, c = call_native(self.framework, self.implementation.forward, arrays)
        return y, (h, c)

    def step(self, x_t: ArrayLike, state: ArrayPair | None = None) -> State:
        """Run one time step and return the next (h, c).

        Args:
            x_t: input, (B, I).
            state: (h, c), each (B, H); zeros if None.
        """
        x_t = check_array(x_t, "x_t", "B", self.params.input_size)
        return self.forward(x_t[None], state)[1]

    def backward(
        self,
        x: ArrayLike,
        dy: ArrayLike,
        state: ArrayPair | None = None,
        dstate: ArrayPair | None = None,
    ) -> Gradients:
        """Return the gradients of sum(y*dy) + sum(h_T*dh) + sum(c_T*dc).

        The forward pass is computed again.

        Args:
            x: inputs, (T, B, I).
            dy: gradient of the loss with respect to the outputs, (T, B, H).
            state: initial (h, c), each (B, H); zeros if None.
            dstate: gradient with respect to the last state (dh, dc), each (B, H); zeros if None.

        Raises:
            LstmbenchError: if a shape is wrong, or the implementation has no backward.
        """
        check_has_backward(self.name, self.modes)
        x, h0, c0 = self._inputs(x, state)
        dy = check_array(dy, "dy", len(x), *h0.shape)
        dh, dc = check_state(dstate, "dstate", h0.shape, c0.shape)
        method = self.implementation.forward_backward
        _, gradients = call_native(self.framework, method, (x, h0, c0, dy, dh, dc))
        return Gradients(*gradients)

    def _inputs(self, x: ArrayLike, state: ArrayPair | None) -> tuple[Array, Array, Array]:
        x = check_array(x, "x", "T", "B", self.params.input_size)
        shape = x.shape[1], self.params.hidden_size
        return x, *check_state(state, "state", shape, shape)


def placement(framework: ArrayBackend) -> str:
    """Return dtype and device in words."""
    return f"{framework.dtype} on {framework.device}"


def check_has_backward(name: str, modes: tuple[str, ...]) -> None:
    """Do nothing if the implementation has a backward.

    Raises:
        LstmbenchError: if it has none.
    """
    if "training" not in modes:
        raise LstmbenchError(f"{name} has no backward: it is registered for inference only.")


def call_native(
    framework: ArrayBackend, method: NativeFunction, arrays: Iterable[Array], *others: Any
) -> Any:
    """Call a method on native copies of NumPy arrays; return its nested outputs as NumPy arrays.

    ``others`` are further arguments, passed as they are.
    """
    with framework.scope():
        native = map(framework.from_numpy, arrays)
        return map_nested(framework.to_numpy, method(*native, *others))
