"""Weights by torch's names of entries, such as ``weight_ih_l0`` and ``bias_ih_l1_reverse``."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.interop.weight_checks import Layers, check_entries, sum_biases, to_float64

_NAME = re.compile(
    r"(?P<kind>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh|bias|peephole)"
    r"(?:_l(?P<level>0|[1-9][0-9]{0,5})(?P<reverse>_reverse)?)?"
)


def read_layers(
    entries: Mapping[str, Any], optional: Collection[Collection[str]], where: str, prefix: str = ""
) -> Layers:
    """Return the weights of all layers, whose number and directions follow from the names.

    Args:
        entries: arrays by name; names without a suffix are those of a single cell.
        optional: kinds of entries besides ``weight_ih`` and ``weight_hh``, in groups: all layers
            have all of a group or none.
        where: what the entries are, for errors.
        prefix: what an error writes before a name.

    Raises:
        LstmbenchError: if an entry is missing, unexpected, or of the wrong shape or dtype.
    """
    matches = [match for match in map(_NAME.fullmatch, entries) if match]
    found = {match["kind"] for match in matches}
    kinds = ["weight_ih", "weight_hh"]
    kinds += [kind for group in optional if not found.isdisjoint(group) for kind in group]
    num_layers = len({match["level"] for match in matches} - {None})
    D = 2 if any(match["reverse"] for match in matches) else 1
    parts = [[""]] if matches and not num_layers else _suffixes(num_layers or 1, D)
    names = [f"{kind}{suffix}" for level in parts for suffix in level for kind in kinds]
    check_entries(entries, names, where)
    layers: list[tuple[LSTMParams, ...]] = []
    width: int | str = "I"
    for level in parts:
        layers.append(tuple(read_layer(entries, suffix, width, prefix) for suffix in level))
        width = len(level) * layers[-1][0].output_size
    return tuple(layers)


def read_layer(
    entries: Mapping[str, Any], suffix: str = "", width: int | str = "I", prefix: str = ""
) -> LSTMParams:
    """Return the weights of one layer in one direction, with ``width`` input features."""

    def read(kind: str, *shape: int | str) -> Array:
        name = f"{kind}{suffix}"
        return to_float64(entries[name], prefix + name, *shape)

    bias = projection = peephole = None
    if f"weight_hr{suffix}" in entries:
        projection = read("weight_hr", "P", "H")
        weight_hh = read("weight_hh", 4 * projection.shape[1], len(projection))
    else:
        weight_hh = read("weight_hh", "4H", "H")
    rows = len(weight_hh)
    if f"bias_ih{suffix}" in entries:
        bias = sum_biases(read("bias_ih", rows), read("bias_hh", rows))
    elif f"bias{suffix}" in entries:
        bias = read("bias", rows)
    if f"peephole{suffix}" in entries:
        peephole = read("peephole", 3, rows // 4)
    weight_ih = read("weight_ih", rows, width)
    return LSTMParams(weight_ih, weight_hh, bias, peephole=peephole, projection=projection)


def named_weights(layers: Layers) -> Iterator[tuple[str, str, Array]]:
    """Yield the kind of each weight by torch's name, the suffix of its layer, and the array."""
    for level, suffixes in zip(layers, _suffixes(len(layers), len(layers[0])), strict=True):
        for params, suffix in zip(level, suffixes, strict=True):
            for kind, array in params.weights().items():
                yield "weight_hr" if kind == "projection" else kind, suffix, array


def _suffixes(num_layers: int, num_directions: int) -> list[list[str]]:
    return [[f"_l{level}", f"_l{level}_reverse"][:num_directions] for level in range(num_layers)]
