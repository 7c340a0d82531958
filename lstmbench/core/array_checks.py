"""Arrays as users hand them in: taken if they are numbers of the right shape, else answered with
one sentence.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmbench.errors import LstmbenchError, error_text

Array = NDArray[Any]
State = tuple[Array, Array]


def as_array(array: Any) -> Array:
    """Return ``np.asarray`` of it; bfloat16 and narrower floats become float32, which holds them
    all.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        narrow = array.is_floating_point() and array.element_size() <= 2
        return np.asarray(array.float() if narrow else array)
    given = np.asarray(array)
    narrow = given.dtype.type.__module__ == "ml_dtypes" and "float" in given.dtype.name
    return given.astype(np.float32) if narrow else given


def numbers(array: ArrayLike, name: str) -> Array:
    """Return it as an array of real numbers.

    Raises:
        LstmbenchError: if it is none.
    """
    try:
        given = as_array(array)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # ragged rows; a tensor on a GPU, or one with a graph
        raise LstmbenchError(
            f"{name} must be an array of real numbers: {error_text(error)}"
        ) from None
    if given.dtype.kind not in "fiub":
        raise LstmbenchError(
            f"{name} must be an array of real numbers, but its dtype is {given.dtype}."
        )
    return given


def shaped(array: ArrayLike, name: str, shape: tuple[int, ...]) -> Array:
    """Return it as an array of real numbers of that shape.

    Raises:
        LstmbenchError: if it is none; both shapes are named.
    """
    given = numbers(array, name)
    if given.shape != shape:
        raise LstmbenchError(f"{name} must have shape {shape}, but it has shape {given.shape}.")
    return given


def map_nested(function: Callable[[Any], Any], nested: Any) -> Any:
    """Apply the function to every leaf of nested tuples."""
    if isinstance(nested, tuple):
        return tuple(map_nested(function, item) for item in nested)
    return function(nested)
