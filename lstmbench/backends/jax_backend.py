"""JAX's arrays: CPU and CUDA; every call is asynchronous until its outputs are waited for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from lstmbench.core.interface import STORAGE_DTYPES, ArrayBackend

DEFAULTS = {
    "debug_infs": False,
    "debug_nans": False,
    "default_device": None,
    "disable_jit": False,
    "numpy_dtype_promotion": "standard",
    "numpy_rank_promotion": "allow",
    "transfer_guard": "allow",
}
"""JAX's defaults of what a session may set (``jax.disable_jit`` and so on), and must not reach an
implementation.
"""


class JaxBackend(ArrayBackend):
    """JAX on ``cpu`` or ``cuda``, in float32, float64, bfloat16 or float16; on ``cuda`` in tf32
    too.

    Float64 exists in JAX only under ``enable_x64``; ``scope`` sets it for the calling thread, and
    leaves the process-wide setting as it is. On CUDA it also keeps float32 products float32: XLA
    rounds their factors to TF32's 10 bits unless told not to, as in tf32 it may.
    """

    name: ClassVar[str] = "jax"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64", "bfloat16", "float16", "tf32")

    def __init__(self, device: str = "cpu", dtype: str = "float32") -> None:
        self.device, self.dtype, self.storage_dtype = (
            device,
            dtype,
            STORAGE_DTYPES.get(dtype, dtype),
        )

    @staticmethod
    def devices() -> tuple[str, ...]:
        try:
            jax.devices("cuda")
        except RuntimeError:
            return ("cpu",)
        return ("cpu", "cuda")

    @staticmethod
    def preload() -> None:
        pass

    @contextmanager
    def scope(self) -> Iterator[None]:
        precision = {"cpu": None, "cuda": "tensorfloat32" if self.dtype == "tf32" else "highest"}[
            self.device
        ]
        with ExitStack() as settings:
            for name, value in DEFAULTS.items():
                settings.enter_context(getattr(jax, name)(value))
            settings.enter_context(jax.default_matmul_precision(precision))
            settings.enter_context(jax.enable_x64(self.dtype == "float64"))
            settings.enter_context(np.errstate(all="ignore"))
            yield

    def from_numpy(self, array: NDArray[Any]) -> jax.Array:
        # A copy: on the CPU, device_put may share the caller's memory
        native = jnp.array(
            np.asarray(array, dtype=np.float64).astype(jnp.dtype(self.storage_dtype)), copy=True
        )
        return jax.device_put(native, jax.devices(self.device)[0])

    def to_numpy(self, native: jax.Array) -> NDArray[Any]:
        array = np.array(native)
        return array.astype(np.float32) if self.dtype in ("bfloat16", "float16") else array

    def synchronize(self, outputs: Any) -> None:
        jax.block_until_ready(outputs)

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _Compiled(function)

    def to_int_array(self, numbers: NDArray[Any]) -> NDArray[Any]:
        return numbers.astype(np.int32)  # a program takes it as it is

    def to_device(self, array: jax.Array) -> jax.Array:
        return array

    def zeros(self, shape: tuple[int, ...]) -> jax.Array:
        return jnp.zeros(shape, dtype=self.storage_dtype)

    def concatenate(self, arrays: Sequence[jax.Array], axis: int) -> jax.Array:
        return jnp.concatenate(arrays, axis=axis)

    def flip(self, x: jax.Array) -> jax.Array:
        return jnp.flip(x, axis=0)

    def as_training_input(self, array: jax.Array) -> jax.Array:
        return array

    def where_valid(self, x: jax.Array, inside: jax.Array) -> jax.Array:
        return jnp.where(inside[:, :, None], x, 0)

    def zero_padding(self, x: jax.Array, inside: jax.Array) -> jax.Array:
        return self.where_valid(x, inside)

    def take_rows(self, x: jax.Array, rows: jax.Array) -> jax.Array:
        return x.reshape(-1, x.shape[2])[rows]

    def add_rows(self, x: jax.Array, rows: jax.Array, values: jax.Array) -> jax.Array:
        B = x.shape[1]
        return x.at[rows // B, rows % B].add(values)

    def device_profile(self, call: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        return {}

    def allocated_bytes(self, call: Callable[..., Any], *arguments: Any) -> int:
        """Peak beyond the arguments, from XLA's own plan of its buffers: outputs and temporaries of
        the whole call.

        XLA assigns every buffer at compile time; the CPU client keeps no statistics that could be
        read at run time. What a library that XLA calls (oneDNN, cuDNN) takes for itself is not in
        the plan. Arguments that are not JAX's own (lengths, on the host) are part of the program.
        """
        native = [isinstance(argument, jax.Array) for argument in arguments]

        def call_with(*given: jax.Array) -> Any:
            rest = iter(given)
            pairs = zip(arguments, native, strict=True)
            return call(*(next(rest) if own else argument for argument, own in pairs))

        given = [argument for argument, own in zip(arguments, native, strict=True) if own]
        plan = jax.jit(call_with).lower(*given).compile().memory_analysis()
        return int(plan.output_size_in_bytes + plan.temp_size_in_bytes)


class _Compiled:
    """``jax.jit`` of a function that closes over arrays: these become arguments of the program, as
    weights should be.

    ``jit`` itself would write them into the program as constants, once for every shape of the
    arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.programs: dict[Any, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        key = (structure, *((leaf.shape, leaf.dtype) for leaf in leaves))
        if key not in self.programs:
            self.programs[key] = self._trace(*arguments)
        program, closed_over, outputs = self.programs[key]
        return jax.tree.unflatten(outputs, program(closed_over, leaves))

    def _trace(self, *arguments: Any) -> Any:
        closed, shapes = jax.make_jaxpr(self.function, return_shape=True)(*arguments)
        program = jax.jit(
            lambda closed_over, leaves: jax.core.eval_jaxpr(closed.jaxpr, closed_over, *leaves)
        )
        return program, closed.consts, jax.tree.structure(shapes)
