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


def check_array(
    value: ArrayLike, name: str, *shape: int | str, reason: str = "", in_letters: bool = False
) -> Array:
    """Return an array of real numbers, if it has this shape.

    Args:
        value: what to check.
        name: what the error calls it.
        shape: sizes; a letter is any size from 1 on, ``"4H"`` is four times ``"H"``.
        reason: why this shape is expected, as the error says it, with a space before it.
        in_letters: whether the error names the letters, and not the sizes that follow from H.

    Raises:
        LstmbenchError: if the value is anything else, or has another shape; both are named.
    """
    array = real_array(value, name)
    expected = list(shape)
    if "H" in shape and array.ndim == len(shape) and (H := array.shape[shape.index("H")]):
        expected = [{"4H": 4 * H, "H": H}.get(str(size), size) for size in shape]
    if array.ndim == len(shape) and all(
        actual >= 1 if isinstance(size, str) else actual == size
        for actual, size in zip(array.shape, expected, strict=True)
    ):
        return array
    named = shape if in_letters else expected
    sizes = ", ".join(map(str, named)) + "," * (len(shape) == 1)
    letters = [size for size in named if isinstance(size, str) and size.isalpha()]
    minimum = f" with {' and '.join(letters)} at least 1" if letters else ""
    raise LstmbenchError(
        f"{name} must have shape ({sizes}){minimum}{reason}, but it has shape {array.shape}."
    )


def check_state(
    state: ArrayPair | None, name: str, h_shape: tuple[int, ...], c_shape: tuple[int, ...]
) -> State:
    """Return a state, or a gradient of one, as two arrays of these shapes; zeros if None.

    Args:
        state: the pair (h, c), or (dh, dc).
        name: ``state`` or ``dstate``.
        h_shape: the shape of h, or dh.
        c_shape: the shape of c, or dc.

    Raises:
        LstmbenchError: if it is not a pair of arrays of real numbers, or a shape is another.
    """
    if state is None:
        return np.zeros(h_shape), np.zeros(c_shape)
    d = name.removesuffix("state")
    if not isinstance(state, tuple | list) or len(state) != 2:
        raise LstmbenchError(
            f"{name} must be a pair ({d}h, {d}c), of shapes {h_shape} and {c_shape}."
        )
    h, c = state
    return (
        check_array(h, f"{name}'s {d}h", *h_shape),
        check_array(c, f"{name}'s {d}c", *c_shape),
    )


def check_integer(name: str, number: object, minimum: int) -> None:
    """Do nothing if this is a whole number of at least ``minimum``.

    Raises:
        LstmbenchError: if it is not.
    """
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < minimum:
        raise LstmbenchError(
            f"{name} must be a whole number of at least {minimum}, but it is {number!r}."
        )


def seeded_generator(seed: int | np.random.Generator) -> np.random.Generator:
    """Return NumPy's default generator with this seed; a generator is returned as it is.

    Raises:
        LstmbenchError: if the seed is neither a generator nor a whole number of at least 0.
    """
    if not isinstance(seed, np.random.Generator):
        check_integer("seed", seed, 0)
    return np.random.default_rng(seed)


def map_nested(function: Callable[[Any], Any], nested: Any) -> Any:
    """Apply the function to every leaf of nested tuples."""
    if isinstance(nested, tuple):
        return tuple(map_nested(function, item) for item in nested)
    return function(nested)
