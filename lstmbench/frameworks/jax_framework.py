"""JAX's arrays: CPU and CUDA; every call is asynchronous until its outputs are waited for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from lstmbench.cell.interface import Framework


class JaxFramework(Framework):
    """JAX on ``cpu`` or ``cuda``, in float32, float64 or bfloat16.

    Float64 exists in JAX only under ``enable_x64``; ``scope`` sets it for the calling thread, and leaves the
    process-wide setting as it is. On CUDA it also keeps float32 products float32: XLA rounds their factors to TF32's
    10 bits unless told not to.
    """

    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64", "bfloat16")

    def __init__(self, device: str = "cpu", dtype: str = "float32") -> None:
        self.device, self.dtype = device, dtype

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
        products = jax.default_matmul_precision("highest") if self.device == "cuda" else nullcontext()
        with jax.enable_x64(self.dtype == "float64"), products:
            yield

    def from_numpy(self, array: NDArray[Any]) -> jax.Array:
        # A copy: on the CPU, device_put may share the caller's memory
        native = jnp.array(np.asarray(array, dtype=np.float64).astype(jnp.dtype(self.dtype)), copy=True)
        return jax.device_put(native, jax.devices(self.device)[0])

    def to_numpy(self, native: jax.Array) -> NDArray[Any]:
        array = np.array(native)
        return array.astype(np.float32) if self.dtype == "bfloat16" else array

    def synchronize(self, outputs: Any) -> None:
        jax.block_until_ready(outputs)

    def allocated_bytes(self, call: Callable[..., Any], *arguments: Any) -> int:
        """Peak beyond the arguments, from XLA's own plan of its buffers: outputs and temporaries of the whole call.

        XLA assigns every buffer at compile time; the CPU client keeps no statistics that could be read at run time.
        What a library that XLA calls (oneDNN, cuDNN) takes for itself is not in the plan.
        """
        plan = jax.jit(call).lower(*arguments).compile().memory_analysis()
        return int(plan.output_size_in_bytes + plan.temp_size_in_bytes)
