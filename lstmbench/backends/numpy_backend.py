"""NumPy's arrays: no device but the CPU, nothing asynchronous; tracemalloc sees every allocation of
an array.
"""

import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lstmbench.core.interface import ArrayBackend


class NumpyBackend(ArrayBackend):
    """NumPy on the CPU, in float32 or float64 (NumPy has no bfloat16)."""

    name: ClassVar[str] = "numpy"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64")

    def __init__(self, device: str = "cpu", dtype: str = "float32") -> None:
        self.device, self.dtype, self.storage_dtype = device, dtype, dtype

    @staticmethod
    def devices() -> tuple[str, ...]:
        return ("cpu",)

    @staticmethod
    def preload() -> None:
        pass

    def scope(self) -> AbstractContextManager[Any]:
        return np.errstate(
            all="ignore"
        )  # a session may have them raise; infinity and NaN are numbers here

    def from_numpy(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.array(array, dtype=self.dtype, order="C")

    def to_numpy(self, native: NDArray[Any]) -> NDArray[Any]:
        return np.array(native)

    def synchronize(self, outputs: Any) -> None:
        pass

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def to_int_array(self, numbers: NDArray[Any]) -> NDArray[Any]:
        return numbers.astype(np.int64)

    def to_device(self, array: NDArray[Any]) -> NDArray[Any]:
        return array

    def zeros(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return np.zeros(shape, dtype=self.dtype)

    def concatenate(self, arrays: Sequence[NDArray[Any]], axis: int) -> NDArray[Any]:
        return np.concatenate(arrays, axis=axis)

    def flip(self, x: NDArray[Any]) -> NDArray[Any]:
        return x[::-1].copy()

    def as_training_input(self, array: NDArray[Any]) -> NDArray[Any]:
        return array

    def where_valid(self, x: NDArray[Any], inside: NDArray[Any]) -> NDArray[Any]:
        return self.zero_padding(x.copy(), inside)

    def zero_padding(self, x: NDArray[Any], inside: NDArray[Any]) -> NDArray[Any]:
        x[~inside] = 0
        return x

    def take_rows(self, x: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
        return np.take(x.reshape(-1, x.shape[2]), rows, axis=0)

    def add_rows(self, x: NDArray[Any], rows: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        x[np.divmod(rows, x.shape[1])] += values
        return x

    def device_profile(self, call: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        return {}

    def allocated_bytes(self, call: Callable[..., Any], *arguments: Any) -> int:
        """Peak of what NumPy allocated during the call, from tracemalloc (Python's own objects are
        counted too).
        """
        traced_already = tracemalloc.is_tracing()
        tracemalloc.start()
        try:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            outputs = call(*arguments)
            peak = tracemalloc.get_traced_memory()[1]
            del outputs
        finally:
            if not traced_already:
                tracemalloc.stop()
        return peak - before
