"""Flax: LSTMCell and OptimizedLSTMCell, alone or in an RNN or Bidirectional; of linen or nnx.

Kernels are transposed: (I, H) and (H, H) for each gate, or (I, 4H) and (H, 4H) with gates i, f, g,
o side by side. The bias belongs to the recurrent kernel, and is always there.
"""

import sys
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import GATES, LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.file_checks import refuse_file
from lstmbench.interop.jax_common import jax_array, read_cells
from lstmbench.interop.weight_checks import (
    Layers,
    check_entries,
    import_package,
    refuse_unless_ignored,
    refuse_unsupported,
    round_to,
    to_float64,
)

FORMS = ("linen", "nnx.LSTMCell", "nnx.OptimizedLSTMCell")
_ACCEPTED = (
    "an LSTMCell or OptimizedLSTMCell of Flax, an RNN or Bidirectional of these (a module of nnx, "
    "a bound module of linen, or its parameters), or a sequence of these"
)
_PARTS = ("i kernel", "h kernel", "h bias")
"""What a cell holds: i acts on the input, h on the hidden state."""
_PER_GATE = {part: [f"{part[0]}{gate}{part[1:]}" for gate in GATES] for part in _PARTS}
_DENSE = {part: [f"dense_{part}"] for part in _PARTS}
"""The entries of a cell for each part, by layer and array, such as ``ii kernel``."""
_FUNCTIONS = {"gate_fn": "sigmoid", "activation_fn": "tanh", "carry_init": "zeros"}


def read(source: Any, ignore: Collection[str] = ()) -> Layers:
    """Return the weights of Flax cells: one, a sequence of layers, or of pairs.

    Args:
        source: cells, or RNNs and Bidirectionals of them.
        ignore: what may be lost: ``reverse``, ``merge_fn``, ``gate_fn``, ``activation_fn``,
            ``carry_init``.

    Raises:
        LstmbenchError: if something else is given, an entry is missing, unexpected, or of the wrong
            shape or dtype, or a module says what the weights alone cannot hold.
    """
    refuse_file(source, "from_flax", _ACCEPTED)
    return read_cells(source, partial(_read_module, ignore=ignore))


def _read_module(
    source: Any, where: str, direction: int, ignore: Collection[str]
) -> tuple[LSTMParams, ...]:
    """Return the weights of a cell, of an RNN over one, or of a Bidirectional of two of these."""
    forward, backward = _child(source, "forward_rnn"), _child(source, "backward_rnn")
    if forward is not None and backward is not None:
        if not isinstance(source, Mapping) and not _concatenates(source.merge_fn):
            refuse_unless_ignored(
                "merge_fn", ignore, f"{where}: merge_fn must concatenate the outputs"
            )
        # Direction 1: a Bidirectional ignores the flags of its RNNs
        return (
            *_read_module(forward, f"{where}, direction 0", 1, ignore),
            *_read_module(backward, f"{where}, direction 1", 1, ignore),
        )
    cell = _child(source, "cell")
    if cell is None:
        return (_read_cell(source, where, ignore),)
    if getattr(source, "reverse", False) and direction == 0:
        refuse_unless_ignored(
            "reverse", ignore, f"{where}: reverse must be False here, but it is True"
        )
    return (_read_cell(cell, where, ignore),)


def _child(source: Any, name: str) -> Any:
    """Return a submodule, or its parameters; None if there is none."""
    if isinstance(source, Mapping):
        return _parameters(source).get(name)
    return getattr(source, name, None)


def _parameters(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the mapping in the entry ``params``, if there is no other entry."""
    inner = tree.get("params")
    return inner if len(tree) == 1 and isinstance(inner, Mapping) else tree


def _concatenates(merge: Any) -> bool:
    try:
        return bool(np.array_equal(merge(np.zeros((1, 1), "f4"), np.ones((1, 1), "f4")), [[0, 1]]))
    except Exception:  # the user's own function may raise anything
        return False


def _read_cell(source: Any, where: str, ignore: Collection[str]) -> LSTMParams:
    is_tree = isinstance(source, Mapping)
    tree = _parameters(source) if is_tree else _module_parameters(source, where, ignore)
    entries: dict[str, Any] = {}
    for name, layer in tree.items():
        # The forget gate's layer is if_ in nnx, since if is a keyword of Python
        name = "if" if name == "if_" else name
        arrays = layer.items() if isinstance(layer, Mapping) else ()
        entries |= {f"{name} {part}": array for part, array in arrays} or {name: layer}
    dense = not tree.keys().isdisjoint(("dense_i", "dense_h"))
    layout = _DENSE if dense else _PER_GATE
    check_entries(entries, [name for names in layout.values() for name in names], where)

    def stacked(part: str, *shape: int | str) -> Array:
        arrays: list[Array] = []
        for name in layout[part]:
            arrays.append(to_float64(entries[name], f"{where}: {name}", *shape))
            shape = arrays[0].shape
        return np.concatenate(arrays, axis=-1).T

    weight_hh = stacked("h kernel", "H", "4H" if dense else "H")
    columns = len(weight_hh) // len(layout["h kernel"])
    return LSTMParams(stacked("i kernel", "I", columns), weight_hh, stacked("h bias", columns))


def _module_parameters(source: Any, where: str, ignore: Collection[str]) -> Mapping[str, Any]:
    """Return the parameters of a cell, which must compute our LSTM."""
    linen, nnx = (sys.modules.get(f"flax.{name}") for name in ("linen", "nnx"))
    if linen is not None and isinstance(source, linen.Module):
        if source.scope is None:
            raise LstmbenchError(
                f"{where} holds no parameters: give module.bind(variables), or the variables alone."
            )
        tree = source.variables.get("params", {})
    elif nnx is not None and isinstance(source, nnx.Module):
        tree = nnx.state(source, nnx.Param)
    else:
        kind = type(source).__name__
        raise LstmbenchError(f"from_flax takes {_ACCEPTED}, but {where} is a {kind}.")
    for name, expected in _FUNCTIONS.items():
        function = getattr(source, name, None)  # nnx has no carry_init by default
        actual = getattr(function, "__name__", function)
        if function is not None and actual != expected:
            problem = f"{where}: {name} must be {expected}, but it is {actual}"
            refuse_unless_ignored(name, ignore, problem)
    return tree


def write(layers: Layers, dtype: str | None = None, form: str = "linen") -> list[list[Any]]:
    """Return one cell for each layer and direction.

    Args:
        layers: the weights; where there is no bias, Flax's is zero.
        dtype: if None, float64 for ``linen``, and JAX's current default for a module.
        form: ``linen``, nested dicts of NumPy arrays, which fit both cells; or the name of a module
            of nnx.
    """
    if form not in FORMS:
        raise LstmbenchError(f"form must be one of {', '.join(FORMS)}, but it is {form!r}.")
    refuse_unsupported(layers, "to_flax", "Flax's LSTM")
    write_cell = _write_linen if form == "linen" else partial(_write_nnx, form=form)
    return [[write_cell(params, dtype) for params in directions] for directions in layers]


def _entries(params: LSTMParams, layout: Mapping[str, list[str]]) -> dict[str, Array]:
    """Return Flax's arrays by their entries."""
    arrays = zip(layout.values(), (params.weight_ih, params.weight_hh, params.bias), strict=True)
    return {
        name: block.T
        for names, array in arrays
        for name, block in zip(names, np.split(array, len(names)), strict=True)
    }


def _write_linen(params: LSTMParams, dtype: str | None) -> dict[str, dict[str, Array]]:
    tree: dict[str, dict[str, Array]] = {}
    for entry, array in _entries(params, _PER_GATE).items():
        name, part = entry.split()
        tree.setdefault(name, {})[part] = round_to(array, dtype or "float64", entry)
    return tree


def _write_nnx(params: LSTMParams, dtype: str | None, form: str) -> Any:
    nnx = import_package("flax.nnx", "to_flax")
    entries = _entries(params, _PER_GATE if form == "nnx.LSTMCell" else _DENSE)
    native = {name: jax_array(array, dtype, "to_flax", name) for name, array in entries.items()}
    zeros = nnx.initializers.zeros_init()
    cell = getattr(nnx, form.removeprefix("nnx."))(
        params.input_size,
        params.hidden_size,
        kernel_init=zeros,
        recurrent_kernel_init=zeros,
        param_dtype=next(iter(native.values())).dtype,
        rngs=nnx.Rngs(0),
    )
    for entry, array in native.items():
        name, part = entry.split()
        setattr(getattr(cell, "if_" if name == "if" else name), part, nnx.Param(array))
    return cell
