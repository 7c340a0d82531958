"""NumPy's arrays: the CPU alone, nothing asynchronous; tracemalloc sees every allocation."""

import tracemalloc
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.interface import ArrayBackend, NativeFunction


class NumpyBackend(ArrayBackend):
    """NumPy on the CPU, in float32 or float64 (NumPy has no bfloat16)."""

    name: ClassVar[str] = "numpy"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64")

    @staticmethod
    def devices() -> tuple[str, ...]:
        return ("cpu",)

    def scope(self) -> AbstractContextManager[Any]:
        # A session may have NumPy raise on infinity and NaN; here they are numbers
        return np.errstate(all="ignore")

    def from_numpy(self, array: Array) -> Array:
        return np.array(array, dtype=self.dtype, order="C")

    def to_numpy(self, native: Array) -> Array:
        return np.array(native)

    def compile(self, function: NativeFunction) -> NativeFunction:
        return function

    def to_device(self, array: Array) -> Array:
        return array

    def zeros(self, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape, dtype=self.dtype)

    def concatenate(self, arrays: Sequence[Array], axis: int) -> Array:
        return np.concatenate(arrays, axis=axis)

    def flip(self, x: Array) -> Array:
        return x[::-1].copy()

    def as_training_input(self, array: Array) -> Array:
        return array

    def where_valid(self, x: Array, valid: Array) -> Array:
        x = x.copy()
        x[~valid] = 0
        return x

    def take_rows(self, x: Array, rows: Array) -> Array:
        return np.take(x.reshape(-1, x.shape[2]), rows, axis=0)

    def add_rows(self, x: Array, rows: Array, values: Array) -> Array:
        x[np.divmod(rows, x.shape[1])] += values
        return x

    def device_profile(self, call: NativeFunction, *arguments: Any) -> dict[str, Any]:
        return {}

    def allocated_bytes(self, call: NativeFunction, *arguments: Any) -> int:
        """Return the peak that tracemalloc sees: NumPy's arrays, and Python's own objects."""
        already_tracing = tracemalloc.is_tracing()
        tracemalloc.start()
        try:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            outputs = call(*arguments)
            peak = tracemalloc.get_traced_memory()[1]
            del outputs
        finally:
            if not already_tracing:
                tracemalloc.stop()
        return peak - before
