"""What all formats share: conversion of arrays to float64 and back, and checks of entries."""

from collections.abc import Collection, Iterable
from importlib import import_module
from typing import Any

import numpy as np

from lstmbench.core.array_checks import Array, as_array, check_array
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError, error_text

Layers = tuple[tuple[LSTMParams, ...], ...]
"""Layers from the lowest to the highest, each with its directions, forward first."""

DTYPES = ("float64", "float32", "bfloat16", "float16")
BFLOAT16_OVERFLOW = (2 - 2.0**-8) * 2.0**127
"""The smallest magnitude that rounds to infinity: (2 - 2**-p) * 2**e, 8 bits of precision p, the
largest exponent e (IEEE 754, rounding to nearest). NumPy has no bfloat16, and so no such cast.
"""


def import_package(package: str, method: str) -> Any:
    """Import a package that ``method`` needs.

    Raises:
        LstmbenchError: if it is not installed, or its import fails.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        reason = f"{error.name or package}, which is not installed."
    except Exception as error:
        reason = f"{package}, which cannot be imported: {error_text(error)}"
    raise LstmbenchError(f"{method} needs the package {reason}")


def refuse_unless_ignored(name: str, ignore: Collection[str], problem: str) -> None:
    """Do nothing if the caller ignores what a source says and the weights alone cannot hold.

    Args:
        name: what is lost, as ``ignore`` names it.
        ignore: what the caller accepts to lose.
        problem: what the source says; without a full stop.

    Raises:
        LstmbenchError: if the name is not among those that are ignored.
    """
    if name not in ((ignore,) if isinstance(ignore, str) else ignore):
        raise LstmbenchError(f"{problem}; to read the weights without it, pass ignore=({name!r},).")


def refuse_unsupported(
    layers: Layers, method: str, target: str, *, projection: bool = False, peephole: bool = False
) -> None:
    """Do nothing if the target can hold the weights: with a projection or peepholes only if true.

    Raises:
        LstmbenchError: if it cannot.
    """
    params = layers[0][0]
    if params.has_peephole and not peephole:
        unsupported = "peepholes"
    elif params.proj_size and not projection:
        unsupported = "a projection"
    else:
        return
    raise LstmbenchError(
        f"{method}: these weights have {unsupported}, for which {target} has no place."
    )


def to_float64(value: Any, name: str, *shape: int | str) -> Array:
    """Return floating-point numbers of any framework as float64, exactly.

    Args:
        value: the array.
        name: what the error calls it.
        shape: what ``check_array`` takes; none for any shape.

    Raises:
        LstmbenchError: if it holds something else, or its shape is another.
    """
    try:  # a tensor of torch may be on a GPU, or part of a graph
        array = as_array(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception as error:  # a ragged list, a tensor without data, an array that was deleted
        raise LstmbenchError(f"{name} cannot be read as an array: {error_text(error)}") from None
    if array.dtype.name not in DTYPES:
        raise LstmbenchError(
            f"{name} must hold numbers of dtype {', '.join(DTYPES)}, "
            f"but its dtype is {array.dtype}."
        )
    with np.errstate(invalid="ignore"):  # signalling NaNs are allowed
        array = array.astype(np.float64)
    return check_array(array, name, *shape) if shape else array


def sum_biases(first: Array, second: Array) -> Array:
    """Return the sum of two biases, infinite or not."""
    with np.errstate(invalid="ignore"):
        return first + second


def check_entries(entries: Collection[Any], expected: Collection[str], where: str) -> None:
    """Do nothing if the entries have exactly the expected names.

    Raises:
        LstmbenchError: if one is missing, or one is too many; it is named.
    """
    for name in expected:
        if name not in entries:
            raise LstmbenchError(
                f"{where} has no entry {name!r}; its entries are {list_names(entries)}."
            )
    for name in entries:
        if name not in expected:
            raise LstmbenchError(
                f"{where} has an entry {short_repr(name)} too many; "
                f"its entries should be {list_names(expected)}."
            )


def short_repr(value: object) -> str:
    """Return the representation in one line of at most 80 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def list_names(names: Iterable[object]) -> str:
    """Return up to twelve names, sorted, for a sentence."""
    texts = sorted(
        name if isinstance(name, str) and name.isprintable() else short_repr(name) for name in names
    )
    more = f" and {len(texts) - 12} more" if len(texts) > 12 else ""
    return ", ".join(texts[:12]) + more or "none"


def reorder_gates(array: Array, order: str, new_order: str) -> Array:
    """Return the array with its blocks of rows, one for each letter, in another order."""
    blocks = dict(zip(order, np.split(array, len(order)), strict=True))
    return np.concatenate([blocks[letter] for letter in new_order])


def check_range(array: Array, dtype: str, name: str) -> Array:
    """Return the array itself, if no finite number in it overflows in that dtype.

    Raises:
        LstmbenchError: if one does, or there is no such dtype.
    """
    if dtype not in DTYPES:
        raise LstmbenchError(f"dtype must be one of {', '.join(DTYPES)}, but it is {dtype!r}.")
    narrow = dtype == "bfloat16"  # torch and JAX round to it by way of float32
    with np.errstate(all="ignore"):
        rounded = np.abs(array.astype("float32" if narrow else dtype))
    overflows = rounded >= (BFLOAT16_OVERFLOW if narrow else np.inf)
    large = array[np.isfinite(array) & overflows]
    if large.size:
        raise LstmbenchError(f"{name} holds {large[0]:.3g}, which is too large for {dtype}.")
    return array


def round_to(array: Array, dtype: str, name: str) -> Array:
    """Return a contiguous copy in a dtype of NumPy; see ``check_range``."""
    if dtype == "bfloat16":
        raise LstmbenchError(
            f"dtype must be float64, float32 or float16 for {name}, but it is {dtype!r}."
        )
    with np.errstate(invalid="ignore", under="ignore"):
        return np.array(check_range(array, dtype, name), dtype=dtype, order="C")
