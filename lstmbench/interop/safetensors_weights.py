"""safetensors: our own files of weights, with torch's names, one bias, sizes as metadata."""

import json
import os
from collections.abc import Mapping
from typing import Any

from lstmbench.core.parameters import GATES, PEEPHOLES
from lstmbench.errors import LstmbenchError, error_text
from lstmbench.files import write_atomically
from lstmbench.interop.file_checks import read_bytes
from lstmbench.interop.torch_names import named_weights, read_layers
from lstmbench.interop.weight_checks import Layers, import_package, round_to, short_repr

FORMAT = "lstmbench"
FORMAT_VERSION = "1"
_OPTIONAL = (("bias",), ("weight_hr",), ("peephole",))
_ORDERS = {"gates": " ".join(GATES), "peepholes": " ".join(PEEPHOLES)}
"""Metadata: in which order gates and peepholes are stacked."""


def write(layers: Layers, path: str | os.PathLike[str], dtype: str = "float64") -> None:
    """Write the weights to a file; float64 keeps every bit."""
    save = import_package("safetensors.numpy", "save").save
    arrays = {
        kind + suffix: round_to(array, dtype, kind + suffix)
        for kind, suffix, array in named_weights(layers)
    }
    metadata = {"format": FORMAT, "format_version": FORMAT_VERSION} | _ORDERS | _sizes(layers)
    write_atomically(path, _sort_metadata(save(arrays, metadata=metadata)))


def read(path: str | os.PathLike[str]) -> Layers:
    """Return the weights of a file that ``save`` wrote.

    Raises:
        LstmbenchError: if it is not such a file, is damaged, or an entry is missing, unexpected, or
            of another shape or dtype than its metadata say.
    """
    content = read_bytes(path, "a safetensors file")
    load = import_package("safetensors.numpy", "open").load
    try:
        entries = load(content)
        metadata = _split(content)[0].get("__metadata__") or {}
    except Exception as error:  # the library's own error, and all that malformed JSON may cause
        reason = error_text(error)
        raise LstmbenchError(f"{path} is no safetensors file, or is damaged: {reason}") from None
    if metadata.get("format") != FORMAT:
        raise LstmbenchError(
            f"{path} has no metadata of lstmbench; if it holds the state_dict of an nn.LSTM, load "
            "it with safetensors.numpy.load_file and give that to from_torch."
        )
    _check_metadata(metadata, {"format_version": FORMAT_VERSION} | _ORDERS, str(path))
    layers = read_layers(entries, _OPTIONAL, str(path))
    _check_metadata(metadata, _sizes(layers), str(path))
    return layers


def _sizes(layers: Layers) -> dict[str, str]:
    """Return what the metadata say of the arrays."""
    first = layers[0][0]
    return {
        "input_size": str(first.input_size),
        "hidden_size": str(first.hidden_size),
        "num_layers": str(len(layers)),
        "num_directions": str(len(layers[0])),
        "proj_size": str(first.proj_size),
        "bias": str(first.has_bias).lower(),
        "peephole": str(first.has_peephole).lower(),
    }


def _check_metadata(metadata: Mapping[str, str], expected: Mapping[str, str], path: str) -> None:
    for name, value in expected.items():
        actual = metadata.get(name, "")
        if actual != value:
            raise LstmbenchError(
                f"{path}: {name} must be {value} in its metadata, but it is {short_repr(actual)}."
            )


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
