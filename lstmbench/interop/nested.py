"""Cells given one by one: a single cell, a sequence of layers, or a sequence of pairs forward and
reverse.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.weight_checks import Layers

Read = Callable[[object, str, int], tuple[LSTMParams, ...]]


def read_nested(source: object, read: Read) -> Layers:
    """Return the layers of what ``read(cell, where, direction)`` makes of each cell."""
    if not _several(source):
        return (read(source, "the cell", 0),)
    layers = []
    for layer, cells in enumerate(source):
        pair = list(cells) if _several(cells) else [cells]
        found = [
            read(cell, f"the cell of layer {layer}, direction {d}", d)
            for d, cell in enumerate(pair)
        ]
        layers.append(sum(found, ()))
        if len(layers[-1]) not in (1, 2):
            raise LstmbenchError(
                f"layer {layer} must have one or two cells, but it has {len(layers[-1])}."
            )
    if not layers:
        raise LstmbenchError("There must be at least one cell, but the sequence is empty.")
    return tuple(layers)


def _several(source: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(source, Sequence) and not isinstance(source, str | bytes)
