"""JAX's arrays: CPU and CUDA; every call is asynchronous until its outputs are waited for."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lstmbench.core.array_checks import Array as NumpyArray
from lstmbench.core.interface import ArrayBackend, NativeFunction

DEFAULTS = {
    "debug_infs": False,
    "debug_nans": False,
    "default_device": None,
    "disable_jit": False,
    "numpy_dtype_promotion": "standard",
    "numpy_rank_promotion": "allow",
    "transfer_guard": "allow",
}
"""JAX's defaults of settings that a session may change, and that must not reach implementations."""


class JaxBackend(ArrayBackend):
    """JAX on ``cpu`` or ``cuda``, in float32, float64, bfloat16, float16, on ``cuda`` also tf32.

    JAX has float64 only under ``enable_x64``; ``scope`` sets it for the calling thread, not for the
    process. On CUDA it also keeps float32 products in float32: by default XLA rounds their factors
    to TF32's 10 bits, as it may in tf32.
    """

    name: ClassVar[str] = "jax"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64", "bfloat16", "float16", "tf32")

    @staticmethod
    def devices() -> tuple[str, ...]:
        try:
            jax.devices("cuda")
        except RuntimeError:
            return ("cpu",)
        return ("cpu", "cuda")

    @contextmanager
    def scope(self) -> Iterator[None]:
        precision = "tensorfloat32" if self.dtype == "tf32" else "highest"
        with ExitStack() as settings:
            own = {
                "default_matmul_precision": precision if self.device == "cuda" else None,
                "enable_x64": self.dtype == "float64",
            }
            for name, value in (DEFAULTS | own).items():
                settings.enter_context(getattr(jax, name)(value))
            settings.enter_context(np.errstate(all="ignore"))
            yield

    def from_numpy(self, array: NumpyArray) -> Array:
        # A copy: on the CPU, device_put may share the caller's memory
        native = jnp.array(
            np.asarray(array, dtype=np.float64).astype(jnp.dtype(self.storage_dtype)), copy=True
        )
        return jax.device_put(native, jax.devices(self.device)[0])

    def to_numpy(self, native: Array) -> NumpyArray:
        array = np.array(native)
        return array.astype(np.float32) if self.dtype in ("bfloat16", "float16") else array

    def synchronize(self, outputs: Any) -> None:
        jax.block_until_ready(outputs)

    def compile(self, function: NativeFunction) -> NativeFunction:
        return _Compiled(function)

    def to_device(self, array: Array) -> Array:
        return array

    def zeros(self, shape: tuple[int, ...]) -> Array:
        return jnp.zeros(shape, dtype=self.storage_dtype)

    def concatenate(self, arrays: Sequence[Array], axis: int) -> Array:
        return jnp.concatenate(arrays, axis=axis)

    def flip(self, x: Array) -> Array:
        return jnp.flip(x, axis=0)

    def as_training_input(self, array: Array) -> Array:
        return array

    def where_valid(self, x: Array, valid: Array) -> Array:
        return jnp.where(valid[:, :, None], x, 0)

    def take_rows(self, x: Array, rows: Array) -> Array:
        return x.reshape(-1, x.shape[2])[rows]

    def add_rows(self, x: Array, rows: Array, values: Array) -> Array:
        B = x.shape[1]
        return x.at[rows // B, rows % B].add(values)

    def device_profile(self, call: NativeFunction, *arguments: Any) -> dict[str, Any]:
        return {}

    def allocated_bytes(self, call: NativeFunction, *arguments: Any) -> int:
        """Return the peak that XLA plans: outputs and temporaries of the whole call.

        XLA assigns every buffer at compile time; the CPU client has no statistics at run time. The
        plan leaves out what a library that XLA calls (oneDNN, cuDNN) allocates itself. Arguments
        that are not JAX's own, such as lengths, become constants of the program.
        """
        native = {k: array for k, array in enumerate(arguments) if isinstance(array, Array)}

        def call_with(native: dict[int, Array]) -> Any:
            return call(*(native.get(k, argument) for k, argument in enumerate(arguments)))

        plan = jax.jit(call_with).lower(native).compile().memory_analysis()
        return int(plan.output_size_in_bytes + plan.temp_size_in_bytes)


class _Compiled:
    """``jax.jit`` of a function that closes over arrays, such as weights.

    They become arguments of the program; ``jit`` itself would copy them into the program, once for
    every shape of the arguments.
    """

    def __init__(self, function: NativeFunction) -> None:
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
