"""What Flax and Equinox share: cells given one by one, and arrays of JAX."""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.weight_checks import Layers, check_range, import_package

ReadCell = Callable[[object, str, int], tuple[LSTMParams, ...]]


def read_cells(source: object, read_cell: ReadCell) -> Layers:
    """Return the layers of a cell, a sequence of layers, or one of pairs forward and reverse.

    Args:
        source: the cells.
        read_cell: ``read_cell(cell, where, direction)`` returns its weights, one or two.
    """
    if not _is_sequence(source):
        return (read_cell(source, "the cell", 0),)
    layers = []
    for level, cells in enumerate(source):
        directions: list[LSTMParams] = []
        for d, cell in enumerate(cells if _is_sequence(cells) else [cells]):
            directions += read_cell(cell, f"the cell of layer {level}, direction {d}", d)
        if len(directions) not in (1, 2):
            raise LstmbenchError(
                f"layer {level} must have one or two cells, but it has {len(directions)}."
            )
        layers.append(tuple(directions))
    if not layers:
        raise LstmbenchError("There must be at least one cell, but the sequence is empty.")
    return tuple(layers)


def _is_sequence(source: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(source, Sequence) and not isinstance(source, str | bytes)


def jax_array(array: Array, dtype: str | None, method: str, name: str) -> Any:
    """Return a copy as a JAX array, in this dtype or, if None, in JAX's current default.

    Raises:
        LstmbenchError: if JAX has no float64 here, or a number is too large for the dtype.
    """
    jnp = import_package("jax.numpy", method)
    default = jnp.zeros(()).dtype.name
    dtype = dtype or default
    if dtype == "float64" and default != "float64":
        raise LstmbenchError(
            f"{method}: JAX has no float64 here; set jax_enable_x64, or take dtype='float32'."
        )
    checked = check_range(np.ascontiguousarray(array), dtype, name)
    return jnp.array(checked.astype(jnp.dtype(dtype)), copy=True)
