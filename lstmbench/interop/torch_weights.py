"""PyTorch: ``nn.LSTM``, ``nn.LSTMCell``, state_dicts. Our order of gates; two biases, added."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmbench.errors import LstmbenchError
from lstmbench.interop.file_checks import refuse_file
from lstmbench.interop.torch_names import named_weights, read_layers
from lstmbench.interop.weight_checks import Layers, check_range, import_package, refuse_unsupported

_ACCEPTED = "an nn.LSTM or nn.LSTMCell, or the state_dict of one"
_OPTIONAL = (("bias_ih", "bias_hh"), ("weight_hr",))
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
        if not entries.keys().isdisjoint(("weight_ih", "weight_ih_l0")):
            break
    else:
        others = filter(None, map(_FIRST_NAME.fullmatch, named))
        if prefixes := sorted({match["prefix"] for match in others}):
            options = " or ".join(f"prefix={option!r}" for option in prefixes)
            raise LstmbenchError(f"{where} has no entry 'weight_ih_l0'; pass {options}.")
    return read_layers(entries, _OPTIONAL, where, prefix)


def write(layers: Layers, dtype: str = "float64", module: bool = False) -> Any:
    """Return a state_dict for nn.LSTM on the CPU; with ``module``, an nn.LSTM that holds it.

    The first bias is ours. The second is -0.0: adding it changes no bit, while +0.0 would change a
    -0.0.
    """
    torch = import_package("torch", "to_torch")
    refuse_unsupported(layers, "to_torch", "nn.LSTM", projection=True)
    state = {}
    for kind, suffix, array in named_weights(layers):
        parts = {kind: array}
        if kind == "bias":
            parts = {"bias_ih": array, "bias_hh": np.full_like(array, -0.0)}
        for name, part in parts.items():
            check_range(part, dtype, name + suffix)
            # torch rounds to float16 by way of float32, which may not give the nearest number
            source = part.astype(np.float16) if dtype == "float16" else part
            tensor = torch.tensor(source, dtype=getattr(torch, dtype), device="cpu")
            state[name + suffix] = tensor
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
