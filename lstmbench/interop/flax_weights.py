"""Flax: LSTMCell and OptimizedLSTMCell, alone or in an RNN or Bidirectional; of linen or nnx.

Kernels are transposed, (I, H) and (H, H) for each gate, or (I, 4H) and (H, 4H) with gates i, f, g,
o side by side. The bias stands with the recurrent kernel, and is always there.
"""

import sys
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np

from lstmbench.core.parameters import GATES, LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.jax_arrays import jax_array
from lstmbench.interop.model_files import no_file
from lstmbench.interop.nested import read_nested
from lstmbench.interop.weight_checks import (
    Array,
    Layers,
    needed,
    plain,
    refuse_unless_ignored,
    rounded,
    same_names,
    shaped,
)

FORMS = ("linen", "nnx.LSTMCell", "nnx.OptimizedLSTMCell")
_TAKES = (
    "an LSTMCell or OptimizedLSTMCell of Flax, an RNN or Bidirectional of these (a module of nnx, a bound module of "
    "linen, or its parameters), or a sequence of these"
)
_SIDES = {"i": ("kernel",), "h": ("kernel", "bias")}


def read(source: Any, ignore: Collection[str] = ()) -> Layers:
    """Return the weights of Flax cells: one, a sequence of layers, or of pairs forward and reverse.

    Args:
        source: cells, or RNNs and Bidirectionals of them.
        ignore: what may be lost: ``reverse``, ``merge_fn``, ``gate_fn``, ``activation_fn``,
            ``carry_init``.

    Raises:
        LstmbenchError: if something else is given, an entry is missing, too many, or of the wrong
            shape or dtype, or a module says what the weights alone cannot hold.
    """
    no_file(source, "from_flax", _TAKES)
    return read_nested(source, partial(_layer, ignore=ignore))


def _layer(
    source: Any, where: str, direction: int, ignore: Collection[str]
) -> tuple[LSTMParams, ...]:
    """Return the weights of a cell, of an RNN over one, or of a Bidirectional of two of these."""
    pair = [_part(source, name) for name in ("forward_rnn", "backward_rnn")]
    if None not in pair:
        if not isinstance(source, Mapping) and not _concatenates(source.merge_fn):
            refuse_unless_ignored(
                "merge_fn", ignore, f"{where}: merge_fn must concatenate the outputs"
            )
        # Their own flags of direction do not count there
        return sum(
            (_layer(each, f"{where}, direction {d}", 1, ignore) for d, each in enumerate(pair)), ()
        )
    cell = _part(source, "cell")
    if cell is None:
        return (_cell(source, where, ignore),)
    if getattr(source, "reverse", False) and direction == 0:
        refuse_unless_ignored(
            "reverse", ignore, f"{where}: reverse must be False here, but it is True"
        )
    return (_cell(cell, where, ignore),)


def _part(source: Any, name: str) -> Any:
    """Return a submodule, or its parameters; None if there is none."""
    return _inner(source).get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def _inner(source: Mapping[str, Any]) -> Mapping[str, Any]:
    return (
        source["params"]
        if set(source) == {"params"} and isinstance(source["params"], Mapping)
        else source
    )


def _concatenates(merge: Any) -> bool:
    try:
        return bool(np.array_equal(merge(np.zeros((1, 1), "f4"), np.ones((1, 1), "f4")), [[0, 1]]))
    except Exception:  # a function of the user's own may do anything
        return False


def _cell(source: Any, where: str, ignore: Collection[str]) -> LSTMParams:
    tree = _inner(source) if isinstance(source, Mapping) else _of_module(source, where, ignore)
    # nnx calls the kernel of the forget gate if_, since if is a word of Python
    tree = {"if" if name == "if_" else name: entry for name, entry in tree.items()}
    sides = {"dense_i": "i", "dense_h": "h"} if {"dense_i", "dense_h"} & set(tree) else _per_gate()
    same_names(tree, sides, where)
    for name, side in sides.items():
        if not isinstance(tree[name], Mapping):
            raise LstmbenchError(
                f"{where}: {name} must be a mapping, but it is a {type(tree[name]).__name__}."
            )
        same_names(tree[name], _SIDES[side], f"{where}: {name}")
    if "dense_i" in sides:
        H = shaped(tree["dense_h"]["kernel"], f"{where}: dense_h kernel", "H", "4H").shape[0]
        return LSTMParams(
            shaped(tree["dense_i"]["kernel"], f"{where}: dense_i kernel", "I", 4 * H).T,
            shaped(tree["dense_h"]["kernel"], f"{where}: dense_h kernel", H, 4 * H).T,
            shaped(tree["dense_h"]["bias"], f"{where}: dense_h bias", 4 * H),
        )
    H = shaped(tree["hi"]["kernel"], f"{where}: hi kernel", "H", "H").shape[0]
    features: int = shaped(tree["ii"]["kernel"], f"{where}: ii kernel", "I", H).shape[0]

    def stack(side: str, what: str, *shape: int) -> Array:
        names = [side + gate for gate in GATES]
        return np.concatenate(
            [shaped(tree[name][what], f"{where}: {name} {what}", *shape).T for name in names]
        )

    return LSTMParams(
        stack("i", "kernel", features, H), stack("h", "kernel", H, H), stack("h", "bias", H)
    )


def _of_module(source: Any, where: str, ignore: Collection[str]) -> Mapping[str, Any]:
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
        raise LstmbenchError(f"from_flax takes {_TAKES}, but {where} is a {type(source).__name__}.")
    for what, wanted in (
        ("gate_fn", "sigmoid"),
        ("activation_fn", "tanh"),
        ("carry_init", "zeros"),
    ):
        function = getattr(source, what, None)  # nnx has no carry_init by default
        if function is not None and (found := getattr(function, "__name__", function)) != wanted:
            refuse_unless_ignored(
                what, ignore, f"{where}: {what} must be {wanted}, but it is {found}"
            )
    return tree


def write(layers: Layers, dtype: str | None = None, form: str = "linen") -> list[list[Any]]:
    """Return one cell for each layer and direction.

    Args:
        layers: the weights; where there is no bias, Flax's is zero.
        dtype: for ``linen`` float64 if None; for a module the dtype that JAX gives to numbers now.
        form: ``linen``, nested dicts of NumPy arrays, which serve both cells; or the name of a
            module of nnx.
    """
    if form not in FORMS:
        raise LstmbenchError(f"form must be one of {', '.join(FORMS)}, but it is {form!r}.")
    plain(layers, "to_flax", "Flax's LSTM")
    make = _linen if form == "linen" else _nnx
    return [[make(params, dtype, form) for params in directions] for directions in layers]


def _linen(params: LSTMParams, dtype: str | None, _: str) -> dict[str, dict[str, Array]]:
    tree: dict[str, dict[str, Array]] = {}
    for side, weight in (("i", params.weight_ih), ("h", params.weight_hh)):
        for gate, block in zip(GATES, np.split(weight, 4), strict=True):
            tree[side + gate] = {
                "kernel": rounded(block.T, dtype or "float64", f"{side}{gate} kernel")
            }
    for gate, block in zip(GATES, np.split(params.bias, 4), strict=True):
        tree[f"h{gate}"]["bias"] = rounded(block, dtype or "float64", f"h{gate} bias")
    return tree


def _nnx(params: LSTMParams, dtype: str | None, form: str) -> Any:
    nnx = needed("flax.nnx", "to_flax")
    arrays = {
        "i": {"kernel": params.weight_ih},
        "h": {"kernel": params.weight_hh, "bias": params.bias},
    }
    native = {
        side: {
            what: jax_array(array.T, dtype, "to_flax", f"the {what} of {side}")
            for what, array in whole.items()
        }
        for side, whole in arrays.items()
    }
    zeros = nnx.initializers.zeros_init()
    cell = getattr(nnx, form.removeprefix("nnx."))(
        params.input_size,
        params.hidden_size,
        kernel_init=zeros,
        recurrent_kernel_init=zeros,
        param_dtype=native["i"]["kernel"].dtype,
        rngs=nnx.Rngs(0),
    )
    H = params.hidden_size
    for side, whole in native.items():
        for number, gate in enumerate(GATES):
            columns = slice(number * H, (number + 1) * H)
            name = "if_" if side + gate == "if" else side + gate
            layer, part = (
                (getattr(cell, name), columns)
                if form == "nnx.LSTMCell"
                else (getattr(cell, f"dense_{side}"), ...)
            )
            for what, array in whole.items():
                setattr(layer, what, nnx.Param(array[..., part] if part is columns else array))
    return cell


def _per_gate() -> dict[str, str]:
    return {side + gate: side for side in _SIDES for gate in GATES}
