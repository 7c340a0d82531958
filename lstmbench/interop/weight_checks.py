"""What all formats share: arrays of any framework in, float64 out, gates reordered; a wrong entry
is named.
"""

from collections.abc import Collection, Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.core.array_checks import as_array
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError, error_text

Array = NDArray[Any]
Layers = tuple[tuple[LSTMParams, ...], ...]
"""Layers from the lowest to the highest, each with its directions, forward first."""

# The largest magnitude that does not round to infinity: (2 - 2**-p) * 2**e with p bits before
# rounding
LIMITS = {
    "float64": np.inf,
    "float32": (2 - 2.0**-24) * 2.0**127,
    "bfloat16": (2 - 2.0**-8) * 2.0**127,
    "float16": (2 - 2.0**-11) * 2.0**15,
}


def needed(package: str, method: str) -> Any:
    """Import a package that is needed now, and only now.

    Raises:
        LstmbenchError: if it is not installed, or its import fails.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name or package
        raise LstmbenchError(
            f"{method} needs the package {missing}, which is not installed."
        ) from None
    except Exception as error:
        raise LstmbenchError(
            f"{method} needs the package {package}, which cannot be imported: {error_text(error)}"
        ) from None


def refuse_unless_ignored(name: str, ignore: Collection[str], sentence: str) -> None:
    """Do nothing if the caller ignores what a source says and the weights alone cannot hold.

    Args:
        name: what is lost, as ``ignore`` names it.
        ignore: what the caller gives up.
        sentence: what the source says; without a full stop.

    Raises:
        LstmbenchError: if the name is not among those that are ignored.
    """
    if name not in ((ignore,) if isinstance(ignore, str) else ignore):
        raise LstmbenchError(
            f"{sentence}; to read the weights without it, pass ignore=({name!r},)."
        )


def to_float64(value: object, name: str) -> Array:
    """Return an array of any framework, held as floating-point numbers, as float64: no bit is lost.

    Raises:
        LstmbenchError: if it is something else; ``name`` is named.
    """
    try:
        given = as_array(
            value.detach().cpu() if hasattr(value, "detach") else value
        )  # a tensor of torch
    except Exception as error:  # a ragged list, a tensor without data, an array that was deleted
        raise LstmbenchError(f"{name} cannot be read as an array: {error_text(error)}") from None
    if given.dtype.name not in LIMITS:
        raise LstmbenchError(
            f"{name} must hold numbers of dtype {', '.join(LIMITS)}, but its dtype is {given.dtype}."
        )
    with np.errstate(invalid="ignore"):  # a signalling NaN is a number to us
        return given.astype(np.float64)


def added(first: Array, second: Array) -> Array:
    """Return the sum of two biases, infinite or not."""
    with np.errstate(invalid="ignore"):
        return first + second


def shaped(value: object, name: str, *shape: int | str) -> Array:
    """Return ``to_float64`` of it, if it has that shape; a letter stands for any number from 1 on.

    Raises:
        LstmbenchError: if it has another.
    """
    array = to_float64(value, name)
    free = [isinstance(wanted, str) for wanted in shape]
    if array.ndim != len(shape) or not all(
        found >= 1 if any_ else found == wanted
        for found, wanted, any_ in zip(array.shape, shape, free, strict=True)
    ):
        wanted = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
        raise LstmbenchError(f"{name} must have shape {wanted}, but it has shape {array.shape}.")
    return array


def same_names(found: Mapping[Any, object], wanted: Iterable[str], where: str) -> None:
    """Do nothing if the entries have exactly the wanted names.

    Raises:
        LstmbenchError: if one is missing, or one is too many; it is named.
    """
    known = set()
    for name in wanted:  # ends at the first that is missing, however many are wanted
        if name not in found:
            raise LstmbenchError(f"{where} has no entry {name!r}; its entries are {listed(found)}.")
        known.add(name)
    extra = [name for name in found if name not in known]
    if extra:
        raise LstmbenchError(
            f"{where} has an entry {shown(extra[0])} too many; its entries should be {listed(known)}."
        )


def shown(value: object) -> str:
    """Return what a file holds in one line of bounded length, for a sentence."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def listed(names: Iterable[object]) -> str:
    """Return up to twelve names, in order, for a sentence."""
    texts = sorted(
        name if isinstance(name, str) and name.isprintable() else shown(name) for name in names
    )
    return (
        ", ".join(texts[:12]) + (f" and {len(texts) - 12} more" if len(texts) > 12 else "")
        if texts
        else "none"
    )


def reorder(array: Array, given: str, wanted: str, axis: int = 0) -> Array:
    """Return the array with its blocks along an axis, one a letter, in another order."""
    blocks = dict(zip(given, np.split(array, len(given), axis), strict=True))
    return np.concatenate([blocks[letter] for letter in wanted], axis)


def fits(array: Array, dtype: str, name: str) -> Array:
    """Return the array itself, if no finite number in it becomes infinite in that dtype.

    Raises:
        LstmbenchError: if one does, or there is no such dtype.
    """
    if dtype not in LIMITS:
        raise LstmbenchError(f"dtype must be one of {', '.join(LIMITS)}, but it is {dtype!r}.")
    with np.errstate(over="ignore"):  # torch and JAX round to bfloat16 by way of float32
        size = np.abs(array.astype(np.float32) if dtype == "bfloat16" else array)
    large = np.isfinite(array) & (size >= LIMITS[dtype])
    if large.any():
        raise LstmbenchError(f"{name} holds {array[large][0]:.3g}, which is too large for {dtype}.")
    return array


def rounded(array: Array, dtype: str, name: str) -> Array:
    """Return a contiguous copy in a dtype that NumPy has; see ``fits``."""
    if dtype == "bfloat16":
        raise LstmbenchError(
            f"dtype must be float64, float32 or float16 for {name}, but it is {dtype!r}."
        )
    with np.errstate(invalid="ignore", under="ignore"):
        return np.array(fits(array, dtype, name), dtype=dtype, order="C")


def plain(layers: Layers, method: str, whose: str, *, projection: bool = False) -> None:
    """Do nothing if the weights have a place in a format without peepholes, and without projection
    unless said.

    Raises:
        LstmbenchError: if they have none.
    """
    for params in (params for directions in layers for params in directions):
        if params.peephole is not None:
            raise LstmbenchError(
                f"{method}: these weights have peepholes, for which {whose} has no place."
            )
        if params.projection is not None and not projection:
            raise LstmbenchError(
                f"{method}: these weights have a projection, for which {whose} has no place."
            )
