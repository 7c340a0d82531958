"""PyTorch: ``nn.LSTM``, ``nn.LSTMCell``, state_dicts. Our order of gates; two biases, added."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.file_checks import refuse_file
from lstmbench.interop.weight_checks import (
    Layers,
    check_entries,
    check_range,
    import_package,
    refuse_unsupported,
    sum_biases,
    to_float64,
)

_ACCEPTED = "an nn.LSTM or nn.LSTMCell, or the state_dict of one"
_NAME = re.compile(
    r"(?P<kind>weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)"
    r"(?:_l(?P<level>0|[1-9][0-9]{0,5})(?P<reverse>_reverse)?)?"
)
_FIRST_NAME = re.compile(r"(?P<prefix>.*\.)weight_ih(_l0)?")
# DataParallel, torch.compile, FSDP and activation checkpointing add these to names
_WRAPPER = re.compile(
    r"(?<![^.])(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)


def read(source: Any, prefix: str = "") -> Layers:
    """Return the weights of an nn.LSTM or nn.LSTMCell, or of its state_dict.

    Args:
        source: the module, or a mapping of names to arrays or tensors.
        prefix: what the names begin with, such as ``"encoder.lstm."``; other entries are skipped.
            What DataParallel, torch.compile and FSDP add to the names may be left out.

    Raises:
        LstmbenchError: if an entry is missing, unexpected, or of the wrong shape or dtype; it is
            named.
    """
    refuse_file(source, "from_torch", _ACCEPTED)
    if not isinstance(source, Mapping):
        if not callable(getattr(source, "state_dict", None)):
            kind = type(source).__name__
            raise LstmbenchError(f"from_torch takes {_ACCEPTED}, but it was given a {kind}.")
        source = source.state_dict()
    where = f"the state_dict below {prefix!r}" if prefix else "the state_dict"
    named = {name: value for name, value in source.items() if isinstance(name, str)}
    unwrapped = {_WRAPPER.sub("", name): value for name, value in named.items()}
    candidates = [(named, prefix)]
    if len(unwrapped) == len(source):  # no two entries became one
        candidates.append((unwrapped, _WRAPPER.sub("", prefix)))
    for values, start in candidates:
        entries = {
            name.removeprefix(start): value
            for name, value in values.items()
            if name.startswith(start)
        }
        matches = [match for match in map(_NAME.fullmatch, entries) if match]
        if matches:
            break
    others = [match for match in map(_FIRST_NAME.fullmatch, named) if match]
    if others and not matches:
        prefixes = sorted({match["prefix"] for match in others})
        options = " or ".join(f"prefix={option!r}" for option in prefixes)
        raise LstmbenchError(f"{where} has no entry 'weight_ih_l0'; pass {options}.")
    kinds = {match["kind"] for match in matches}
    expected = ["weight_ih", "weight_hh"]
    expected += ["bias_ih", "bias_hh"] if kinds & {"bias_ih", "bias_hh"} else []
    expected += ["weight_hr"] if "weight_hr" in kinds else []
    num_layers = len({match["level"] for match in matches} - {None})
    D = 2 if any(match["reverse"] for match in matches) else 1
    parts = [[""]] if matches and not num_layers else suffixes(num_layers or 1, D)
    names = [f"{kind}{suffix}" for level in parts for suffix in level for kind in expected]
    check_entries(entries, names, where)
    layers: list[tuple[LSTMParams, ...]] = []
    width: int | str = "I"
    for level in parts:
        layers.append(tuple(_read_layer(entries, suffix, width, prefix) for suffix in level))
        width = len(level) * layers[-1][0].output_size
    return tuple(layers)


def _read_layer(
    entries: Mapping[str, Any], suffix: str, width: int | str, prefix: str
) -> LSTMParams:
    def read_entry(kind: str, *shape: int | str) -> Array:
        name = f"{kind}{suffix}"
        return to_float64(entries[name], prefix + name, *shape)

    projection = None
    if f"weight_hr{suffix}" in entries:
        projection = read_entry("weight_hr", "P", "H")
        weight_hh = read_entry("weight_hh", 4 * projection.shape[1], len(projection))
    else:
        weight_hh = read_entry("weight_hh", "4H", "H")
    rows, bias = len(weight_hh), None
    if f"bias_ih{suffix}" in entries:
        bias = sum_biases(read_entry("bias_ih", rows), read_entry("bias_hh", rows))
    return LSTMParams(read_entry("weight_ih", rows, width), weight_hh, bias, projection=projection)


def write(layers: Layers, dtype: str = "float64", module: bool = False) -> Any:
    """Return a state_dict for nn.LSTM on the CPU; with ``module``, an nn.LSTM that holds it.

    The first bias is ours. The second is -0.0: adding it changes no bit, while +0.0 would change a
    -0.0.
    """
    torch = import_package("torch", "to_torch")
    refuse_unsupported(layers, "to_torch", "nn.LSTM", projection=True)
    state = {}
    for level, parts in zip(layers, suffixes(len(layers), len(layers[0])), strict=True):
        for params, suffix in zip(level, parts, strict=True):
            arrays = {"weight_ih": params.weight_ih, "weight_hh": params.weight_hh}
            if params.has_bias:
                arrays |= {"bias_ih": params.bias, "bias_hh": np.full_like(params.bias, -0.0)}
            if params.projection is not None:
                arrays["weight_hr"] = params.projection
            for kind, array in arrays.items():
                check_range(array, dtype, f"{kind}{suffix}")
                # torch rounds to float16 by way of float32, which may not give the nearest number
                source = array.astype(np.float16) if dtype == "float16" else array
                tensor = torch.tensor(source, dtype=getattr(torch, dtype), device="cpu")
                state[f"{kind}{suffix}"] = tensor
    if not module:
        return state
    first = layers[0][0]
    lstm = torch.nn.LSTM(
        first.input_size,
        first.hidden_size,
        num_layers=len(layers),
        bidirectional=len(layers[0]) == 2,
        bias=first.has_bias,
        proj_size=first.proj_size,
        dtype=getattr(torch, dtype),
        device="meta",  # draws nothing, so the global generator is unchanged
    ).to_empty(device="cpu")
    lstm.load_state_dict(state)
    return lstm


def suffixes(num_layers: int, num_directions: int) -> list[list[str]]:
    """Return torch's suffixes of the names of entries, for each layer and direction."""
    return [[f"_l{level}", f"_l{level}_reverse"][:num_directions] for level in range(num_layers)]
