"""safetensors: our own files of weights, with torch's names, one bias, sizes as metadata."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import GATES, PEEPHOLES, LSTMParams
from lstmbench.errors import LstmbenchError, error_text
from lstmbench.files import write_atomically
from lstmbench.interop.file_checks import read_bytes
from lstmbench.interop.torch_weights import suffixes
from lstmbench.interop.weight_checks import (
    Layers,
    check_entries,
    import_package,
    round_to,
    short_repr,
    to_float64,
)

FORMAT = "lstmbench"
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_TORCH_NAMES = {"projection": "weight_hr"}
_FROM_1 = r"[1-9][0-9]{0,14}", "a whole number of at least 1"
_FROM_0 = r"0|[1-9][0-9]{0,14}", "a whole number of at least 0"
_FLAG = "false|true", "false or true"
_METADATA = {
    "format_version": ("1", "1"),
    "gates": (" ".join(GATES), " ".join(GATES)),
    "peepholes": (" ".join(PEEPHOLES), " ".join(PEEPHOLES)),
    "input_size": _FROM_1,
    "hidden_size": _FROM_1,
    "num_layers": _FROM_1,
    "num_directions": ("1|2", "1 or 2"),
    "proj_size": _FROM_0,
    "bias": _FLAG,
    "peephole": _FLAG,
}
"""The entries of the metadata besides ``format``: their pattern, and what it means."""


def write(layers: Layers, path: str | os.PathLike[str], dtype: str = "float64") -> None:
    """Write the weights to a file; float64 keeps every bit."""
    save = import_package("safetensors.numpy", "save").save
    first = layers[0][0]
    values = {name: pattern for name, (pattern, _) in _METADATA.items()}
    values |= {
        "format": FORMAT,
        "input_size": str(first.input_size),
        "hidden_size": str(first.hidden_size),
        "num_layers": str(len(layers)),
        "num_directions": str(len(layers[0])),
        "proj_size": str(first.proj_size),
        "bias": str(first.has_bias).lower(),
        "peephole": str(first.has_peephole).lower(),
    }
    arrays = {}
    for level, parts in zip(layers, suffixes(len(layers), len(layers[0])), strict=True):
        for params, suffix in zip(level, parts, strict=True):
            for kind, array in params.weights().items():
                name = _TORCH_NAMES.get(kind, kind) + suffix
                arrays[name] = round_to(array, dtype, name)
    write_atomically(path, _sort_metadata(save(arrays, metadata=values)))


def read(path: str | os.PathLike[str]) -> Layers:
    """Return the weights of a file that ``save`` wrote.

    Raises:
        LstmbenchError: if it is not such a file, is damaged, or an entry is missing, unexpected, or
            of another shape or dtype than its metadata say.
    """
    content = read_bytes(path, "a safetensors file")
    deserialize = import_package("safetensors", "open").deserialize
    try:
        entries = dict(deserialize(content))
        metadata = _split(content)[0].get("__metadata__") or {}
    except Exception as error:  # the library's own error, and all that malformed JSON may cause
        reason = error_text(error)
        raise LstmbenchError(f"{path} is no safetensors file, or is damaged: {reason}") from None
    _check_metadata(metadata, str(path))
    input_size, H, L, D, proj_size = (
        int(metadata[name])
        for name in ("input_size", "hidden_size", "num_layers", "num_directions", "proj_size")
    )
    P = proj_size or H
    shapes: dict[str, tuple[int, ...]] = {"weight_ih": (4 * H, input_size), "weight_hh": (4 * H, P)}
    shapes |= {"bias": (4 * H,)} if metadata["bias"] == "true" else {}
    shapes |= {"peephole": (3, H)} if metadata["peephole"] == "true" else {}
    shapes |= {"projection": (P, H)} if proj_size else {}
    parts = suffixes(min(L, len(entries) + 1), D)  # a damaged L may be huge
    names = {kind: _TORCH_NAMES.get(kind, kind) for kind in shapes}
    expected = (name + suffix for level in parts for suffix in level for name in names.values())
    check_entries(entries, expected, str(path))
    layers = []
    for level in parts:
        layers.append(
            tuple(
                LSTMParams(
                    **{
                        kind: _read_entry(entries, names[kind] + suffix, shape)
                        for kind, shape in shapes.items()
                    }
                )
                for suffix in level
            )
        )
        shapes["weight_ih"] = (4 * H, D * P)
    return tuple(layers)


def _check_metadata(metadata: Mapping[str, str], path: str) -> None:
    if metadata.get("format") != FORMAT:
        raise LstmbenchError(
            f"{path} has no metadata of lstmbench; if it holds the state_dict of an nn.LSTM, load "
            "it with safetensors.numpy.load_file and give that to from_torch."
        )
    for name, (pattern, meaning) in _METADATA.items():
        value = metadata.get(name, "")
        if not re.fullmatch(pattern, value):
            raise LstmbenchError(
                f"{path}: {name} must be {meaning} in its metadata, but it is {short_repr(value)}."
            )


def _read_entry(entries: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Array:
    entry = entries[name]
    if entry["dtype"] not in _DTYPES:
        raise LstmbenchError(
            f"{name} must hold numbers of dtype {', '.join(_DTYPES)}, "
            f"but its dtype is {entry['dtype']}."
        )
    numbers = np.frombuffer(entry["data"], dtype=_DTYPES[entry["dtype"]])
    return to_float64(numbers.reshape(entry["shape"]), name, *shape)


def _sort_metadata(content: bytes) -> bytes:
    """Return the file with sorted metadata: the library writes a new order each time."""
    header, arrays = _split(content)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + arrays


def _split(content: bytes) -> tuple[Any, bytes]:
    """Return the header and the arrays; the file begins with the header's length."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]
