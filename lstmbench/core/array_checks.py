"""Checks of what users pass: arrays of real numbers of the right shape, and whole numbers."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmbench.errors import LstmbenchError, error_text

Array = NDArray[Any]
State = tuple[Array, Array]
ArrayPair = tuple[ArrayLike, ArrayLike]


def as_array(array: Any) -> Array:
    """Return ``np.asarray``; bfloat16 and narrower floats become float32, which holds them all."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        narrow = array.is_floating_point() and array.element_size() <= 2
        return np.asarray(array.float() if narrow else array)
    array = np.asarray(array)
    narrow = array.dtype.type.__module__ == "ml_dtypes" and "float" in array.dtype.name
    return array.astype(np.float32) if narrow else array


def real_array(value: ArrayLike, name: str) -> Array:
    """Return an array of real numbers.

    Raises:
        LstmbenchError: if the value is anything else.
    """
    expected = f"{name} must be an array of real numbers"
    try:
        array = as_array(value)
    except (TypeError, ValueError, RuntimeError) as error:
        # Ragged rows, or a torch tensor that is on a GPU or part of a graph
        raise LstmbenchError(f"{expected}: {error_text(error)}") from None
    if array.dtype.kind not in "fiub":
        raise LstmbenchError(f"{expected}, but its dtype is {array.dtype}.")
    return array


def check_shape(array: Array, name: str, *shape: int | str, reason: str = "") -> Array:
    """Return the array, if it has this shape.

    Args:
        array: what to check.
        name: what the error calls it.
        shape: sizes; a letter is any size from 1 on, ``"4H"`` is four times ``"H"``.
        reason: why this shape is expected, as the error says it, with a space before it.

    Raises:
        LstmbenchError: if the shape is another; both are named.
    """
    expected = list(shape)
    if "H" in shape and array.ndim == len(shape) and (H := array.shape[shape.index("H")]):
        expected = [{"4H": 4 * H, "H": H}.get(str(size), size) for size in shape]
    if array.ndim == len(shape) and all(
        actual >= 1 if isinstance(size, str) else actual == size
        for actual, size in zip(array.shape, expected, strict=True)
    ):
        return array
    sizes = ", ".join(map(str, expected)) + "," * (len(shape) == 1)
    letters = [size for size in expected if isinstance(size, str) and size.isalpha()]
    minimum = f" with {' and '.join(letters)} at least 1" if letters else ""
    raise LstmbenchError(
        f"{name} must have shape ({sizes}){minimum}{reason}, but it has shape {array.shape}."
    )


def check_state(
    state: ArrayPair | None,
    name: str,
    parts: tuple[str, str],
    h_shape: tuple[int, ...],
    c_shape: tuple[int, ...],
) -> State:
    """Return a state, or a gradient of one, as two arrays of these shapes; zeros if None.

    Raises:
        LstmbenchError: if it is not a pair of arrays of real numbers, or a shape is another.
    """
    if state is None:
        return np.zeros(h_shape), np.zeros(c_shape)
    if not isinstance(state, tuple | list) or len(state) != 2:
        raise LstmbenchError(
            f"{name} must be a pair ({', '.join(parts)}), of shapes {h_shape} and {c_shape}."
        )
    names = [f"{name}'s {part}" for part in parts]
    h, c = map(real_array, state, names)
    return check_shape(h, names[0], *h_shape), check_shape(c, names[1], *c_shape)


def check_integer(name: str, number: object, minimum: int) -> None:
    """Do nothing if this is a whole number of at least ``minimum``.

    Raises:
        LstmbenchError: if it is not.
    """
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < minimum:
        raise LstmbenchError(
            f"{name} must be a whole number of at least {minimum}, but it is {number!r}."
        )


def map_nested(function: Callable[[Any], Any], nested: Any) -> Any:
    """Apply the function to every leaf of nested tuples."""
    if isinstance(nested, tuple):
        return tuple(map_nested(function, item) for item in nested)
    return function(nested)
