"""safetensors: the weights as a file of ours. Names as torch gives them, one bias, and the sizes as
metadata.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmbench.core.parameters import GATES, PEEPHOLES, LSTMParams
from lstmbench.errors import LstmbenchError, error_text
from lstmbench.files import write_atomically
from lstmbench.interop.model_files import read_bytes
from lstmbench.interop.torch_weights import suffixes
from lstmbench.interop.weight_checks import (
    Array,
    Layers,
    needed,
    rounded,
    same_names,
    shaped,
    shown,
)

FORMAT = "lstmbench"
VERSION = "1"
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_SIZES = {"input_size": 1, "hidden_size": 1, "num_layers": 1, "num_directions": 1, "proj_size": 0}
_FLAGS = {"bias": "bias", "peephole": "peephole"}


def write(layers: Layers, path: str | os.PathLike[str], dtype: str = "float64") -> None:
    """Write the weights to a file; float64 keeps every bit."""
    save = needed("safetensors.numpy", "save").save
    first = layers[0][0]
    sizes = (first.input_size, first.hidden_size, len(layers), len(layers[0]), first.proj_size)
    metadata = {
        "format": FORMAT,
        "format_version": VERSION,
        "gates": " ".join(GATES),
        "peepholes": " ".join(PEEPHOLES),
    }
    metadata |= dict(zip(_SIZES, map(str, sizes), strict=True))
    metadata |= {"bias": _word(first.has_bias), "peephole": _word(first.peephole is not None)}
    arrays = {}
    for directions, parts in zip(layers, suffixes(len(layers), len(layers[0])), strict=True):
        for params, suffix in zip(directions, parts, strict=True):
            for kind, array in _kinds(params).items():
                arrays[f"{kind}{suffix}"] = rounded(array, dtype, f"{kind}{suffix}")
    content = _sorted(save(arrays, metadata=metadata))
    write_atomically(path, content)


def read(path: str | os.PathLike[str]) -> Layers:
    """Return the weights of a file that ``save`` wrote.

    Raises:
        LstmbenchError: if it is no such file, is damaged, or an entry is missing, too many, or of
            another shape or dtype than its metadata say.
    """
    data = read_bytes(path, "a safetensors file")
    deserialize = needed("safetensors", "open").deserialize
    try:
        entries = dict(deserialize(data))
        metadata = _split(data)[0].get("__metadata__") or {}
    except Exception as error:  # the library's own error, and all that strange JSON may cause
        raise LstmbenchError(
            f"{path} is no safetensors file, or is damaged: {error_text(error)}"
        ) from None
    sizes, flags = _checked(metadata, str(path))
    parts = suffixes(min(sizes["num_layers"], len(entries) + 1), sizes["num_directions"])
    kinds = ["weight_ih", "weight_hh", *(kind for kind in _FLAGS if flags[kind])]
    kinds += ["weight_hr"] if sizes["proj_size"] else []
    wanted = [f"{kind}{suffix}" for pair in parts for suffix in pair for kind in kinds]
    same_names(entries, wanted, str(path))
    H, P = sizes["hidden_size"], sizes["proj_size"] or sizes["hidden_size"]
    layers: list[tuple[LSTMParams, ...]] = []
    for pair in parts:
        features = len(pair) * P if layers else sizes["input_size"]
        shapes = {
            "weight_ih": (4 * H, features),
            "weight_hh": (4 * H, P),
            "bias": (4 * H,),
            "peephole": (3, H),
            "weight_hr": (P, H),
        }
        found = [
            {kind: _array(entries, f"{kind}{suffix}", shapes[kind]) for kind in kinds}
            for suffix in pair
        ]
        layers.append(tuple(_params(arrays) for arrays in found))
    return tuple(layers)


def _sorted(data: bytes) -> bytes:
    """Return the file with its metadata in order: the library writes them in another one each time."""
    header, rest = _split(data)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + rest


def _split(data: bytes) -> tuple[Any, bytes]:
    """Return the header and the numbers; the header's length stands before it."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def _kinds(params: LSTMParams) -> dict[str, Array]:
    arrays = {"weight_ih": params.weight_ih, "weight_hh": params.weight_hh}
    optional = (("bias", params.bias if params.has_bias else None), ("peephole", params.peephole))
    for kind, array in (*optional, ("weight_hr", params.projection)):
        if array is not None:
            arrays[kind] = array
    return arrays


def _params(arrays: dict[str, Array]) -> LSTMParams:
    projection = arrays.pop("weight_hr", None)
    return LSTMParams(**arrays, projection=projection)


def _array(entries: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Array:
    entry = entries[name]
    if entry["dtype"] not in _DTYPES:
        kept = ", ".join(_DTYPES)
        raise LstmbenchError(
            f"{name} must hold numbers of dtype {kept}, but its dtype is {entry['dtype']}."
        )
    numbers = np.frombuffer(entry["data"], dtype=_DTYPES[entry["dtype"]])
    return shaped(numbers.reshape(entry["shape"]), name, *shape)


def _checked(metadata: Any, path: str) -> tuple[dict[str, int], dict[str, bool]]:
    if metadata.get("format") != FORMAT:
        raise LstmbenchError(
            f"{path} has no metadata of lstmbench; if it holds the state_dict of an nn.LSTM, load it with "
            "safetensors.numpy.load_file and give that to from_torch."
        )
    known = {
        "format_version": (VERSION,),
        "gates": (" ".join(GATES),),
        "peepholes": (" ".join(PEEPHOLES),),
        "num_directions": ("1", "2"),
        **dict.fromkeys(_FLAGS, ("false", "true")),
    }
    for name, texts in known.items():
        if metadata.get(name) not in texts:
            found = metadata.get(name)
            raise LstmbenchError(
                f"{path}: {name} must be {' or '.join(texts)} in its metadata, but it is {shown(found)}."
            )
    sizes = {}
    for name, least in _SIZES.items():
        text = metadata.get(name, "")
        if not (text.isascii() and text.isdigit() and len(text) <= 15 and int(text) >= least):
            raise LstmbenchError(
                f"{path}: {name} must be a whole number of at least {least} in its metadata, but it is {shown(text)}."
            )
        sizes[name] = int(text)
    return sizes, {name: metadata[name] == "true" for name in _FLAGS}


def _word(flag: bool) -> str:
    return "true" if flag else "false"
