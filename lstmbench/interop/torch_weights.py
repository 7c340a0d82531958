"""PyTorch: ``nn.LSTM``, ``nn.LSTMCell``, state_dicts. Gates in our order; two biases, added."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.model_files import no_file
from lstmbench.interop.weight_checks import (
    Array,
    Layers,
    added,
    fits,
    needed,
    plain,
    same_names,
    shaped,
)

_TAKES = "an nn.LSTM or nn.LSTMCell, or the state_dict of one"
_NAME = re.compile(
    r"(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)(?:_l(0|[1-9][0-9]{0,5})(_reverse)?)?"
)
# DataParallel, torch.compile, FSDP and activation checkpointing put these before names
_WRAPPER = re.compile(
    r"(?<![^.])(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)


def read(source: Any, prefix: str = "") -> Layers:
    """Return the weights of an nn.LSTM or nn.LSTMCell, or of its state_dict.

    Args:
        source: the module, or a mapping of names to arrays or tensors.
        prefix: what stands before the names, such as ``"encoder.lstm."``; entries without it are
            passed over. What DataParallel, torch.compile and FSDP put into the names may be left
            out.

    Raises:
        LstmbenchError: if an entry is missing, too many, or of the wrong shape or dtype; it is
            named.
    """
    no_file(source, "from_torch", _TAKES)
    if not isinstance(source, Mapping):
        if not callable(getattr(source, "state_dict", None)):
            kind = type(source).__name__
            raise LstmbenchError(f"from_torch takes {_TAKES}, but it was given a {kind}.")
        source = source.state_dict()
    entries, found = _below(source, prefix)
    bare = {
        _WRAPPER.sub("", name): value for name, value in source.items() if isinstance(name, str)
    }
    if not found and len(bare) == len(source):  # no two entries became one
        entries, found = _below(bare, _WRAPPER.sub("", prefix))
    where = f"the state_dict below {prefix!r}" if prefix else "the state_dict"
    if not found and (prefixes := _prefixes(source)):
        known = " or ".join(f"prefix={each!r}" for each in prefixes)
        raise LstmbenchError(f"{where} has no entry 'weight_ih_l0'; pass {known}.")
    kinds = {kind for kind, _, _ in found}
    wanted = ["weight_ih", "weight_hh"]
    wanted += ["bias_ih", "bias_hh"] if kinds & {"bias_ih", "bias_hh"} else []
    wanted += ["weight_hr"] if "weight_hr" in kinds else []
    numbers = {layer for _, layer, _ in found} - {None}
    both = any(reverse for *_, reverse in found)
    parts = [[""]] if found and not numbers else suffixes(len(numbers) or 1, 2 if both else 1)
    same_names(
        entries, [f"{kind}{part}" for pair in parts for part in pair for kind in wanted], where
    )
    layers: list[tuple[LSTMParams, ...]] = []
    for pair in parts:
        features: int | str = len(pair) * layers[-1][0].output_size if layers else "I"
        layers.append(tuple(_layer(entries, suffix, features, prefix) for suffix in pair))
    return tuple(layers)


def _below(source: Mapping[Any, Any], prefix: str) -> tuple[dict[str, Any], list[Any]]:
    """Return the entries below a prefix; kind, layer and direction of those that an LSTM has."""
    entries = {
        name.removeprefix(prefix): value
        for name, value in source.items()
        if isinstance(name, str) and name.startswith(prefix)
    }
    return entries, [match.groups() for match in map(_NAME.fullmatch, entries) if match]


def _layer(
    entries: Mapping[str, object], suffix: str, features: int | str, prefix: str
) -> LSTMParams:
    def take(kind: str, *shape: int | str) -> Array:
        name = f"{kind}{suffix}"
        return shaped(entries[name], prefix + name, *shape)

    projection = take("weight_hr", "P", "H") if f"weight_hr{suffix}" in entries else None
    P, H = (
        projection.shape if projection is not None else take("weight_hh", "4H", "H").shape[1:] * 2
    )
    weight_hh = take("weight_hh", 4 * H, P)
    bias = None
    if f"bias_ih{suffix}" in entries:
        bias = added(take("bias_ih", 4 * H), take("bias_hh", 4 * H))
    return LSTMParams(take("weight_ih", 4 * H, features), weight_hh, bias, projection=projection)


def write(layers: Layers, dtype: str = "float64", module: bool = False) -> Any:
    """Return a state_dict for nn.LSTM in that dtype, on the CPU; or, with ``module``, an nn.LSTM
    that holds it.

    The first bias is ours. The second is -0.0 everywhere: adding it changes no bit, where +0.0
    would change a -0.0.
    """
    torch = needed("torch", "to_torch")
    plain(layers, "to_torch", "nn.LSTM", projection=True)
    state = {}
    for directions, parts in zip(layers, suffixes(len(layers), len(layers[0])), strict=True):
        for params, suffix in zip(directions, parts, strict=True):
            arrays = {"weight_ih": params.weight_ih, "weight_hh": params.weight_hh}
            if params.has_bias:
                arrays |= {"bias_ih": params.bias, "bias_hh": np.full_like(params.bias, -0.0)}
            if params.projection is not None:
                arrays["weight_hr"] = params.projection
            for kind, array in arrays.items():
                name = f"{kind}{suffix}"
                fits(array, dtype, name)
                # Torch would round to float16 by way of float32, which is not always the nearest
                # number
                plainly = array.astype(np.float16) if dtype == "float16" else array
                state[name] = torch.tensor(plainly, dtype=getattr(torch, dtype), device="cpu")
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
        device="meta",  # nothing is drawn: the global generator stays where it was
    ).to_empty(device="cpu")
    lstm.load_state_dict(state)
    return lstm


def suffixes(num_layers: int, num_directions: int) -> list[list[str]]:
    """Return what torch writes after the names of a layer's entries, for each layer and direction."""
    return [[f"_l{layer}", f"_l{layer}_reverse"][:num_directions] for layer in range(num_layers)]


def _prefixes(names: Iterable[object]) -> list[str]:
    found = (
        re.fullmatch(r"(.*\.)weight_ih(_l0)?", name) for name in names if isinstance(name, str)
    )
    return sorted({match[1] for match in found if match})
