"""Flax: LSTMCell and OptimizedLSTMCell, of linen (a dict of parameters) and of nnx (modules).

Kernels are transposed, (I, H) and (H, H) for each gate, or (I, 4H) and (H, 4H) with gates i, f, g, o side by side. The
bias stands with the recurrent kernel, and is always there.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmbench.cell.parameters import GATES, LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.formats.arrays import Array, Layers, needed, plain, rounded, same_names, shaped
from lstmbench.formats.files import no_file
from lstmbench.formats.jax_arrays import jax_array
from lstmbench.formats.nested import read_nested

FORMS = ("linen", "nnx.LSTMCell", "nnx.OptimizedLSTMCell")
_TAKES = "an LSTMCell or OptimizedLSTMCell of flax.nnx, the parameters of one of flax.linen, or a sequence of these"
_SIDES = {"i": ("kernel",), "h": ("kernel", "bias")}


def read(source: Any) -> Layers:
    """Return the weights of Flax cells: one, a sequence of layers, or of pairs forward and reverse.

    Raises:
        LstmbenchError: if something else is given, an entry is missing, too many, or of the wrong shape or dtype, or a
            cell has other activations.
    """
    no_file(source, "from_flax", _TAKES)
    return read_nested(source, _cell)


def _cell(source: Any, where: str) -> LSTMParams:
    if isinstance(source, Mapping):
        tree = source["params"] if set(source) == {"params"} else source
    else:
        tree = _of_module(source, where)
    if not isinstance(tree, Mapping):
        raise LstmbenchError(f"{where}: the entry 'params' must be a mapping, but it is a {type(tree).__name__}.")
    # nnx calls the kernel of the forget gate if_, since if is a word of Python
    tree = {"if" if name == "if_" else name: entry for name, entry in tree.items()}
    sides = {"dense_i": "i", "dense_h": "h"} if {"dense_i", "dense_h"} & set(tree) else _per_gate()
    same_names(tree, sides, where)
    for name, side in sides.items():
        if not isinstance(tree[name], Mapping):
            raise LstmbenchError(f"{where}: {name} must be a mapping, but it is a {type(tree[name]).__name__}.")
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
        return np.concatenate([shaped(tree[name][what], f"{where}: {name} {what}", *shape).T for name in names])

    return LSTMParams(stack("i", "kernel", features, H), stack("h", "kernel", H, H), stack("h", "bias", H))


def _of_module(source: Any, where: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of an nnx module as the mapping that linen would have."""
    names = ["dense_i", "dense_h"] if hasattr(source, "dense_i") else ["if_" if n == "if" else n for n in _per_gate()]
    if not all(hasattr(getattr(source, name, None), "kernel") for name in names):
        raise LstmbenchError(f"from_flax takes {_TAKES}, but {where} is a {type(source).__name__}.")
    for what, wanted in (("gate_fn", "sigmoid"), ("activation_fn", "tanh")):
        found = getattr(getattr(source, what, None), "__name__", None)
        if found != wanted:
            raise LstmbenchError(f"{where}: {what} must be {wanted}, but it is {found}.")
    tree = {}
    for name in names:
        layer = getattr(source, name)
        tree[name] = {what: value for what in ("kernel", "bias") if (value := getattr(layer, what, None)) is not None}
    return tree


def write(layers: Layers, dtype: str | None = None, form: str = "linen") -> list[list[Any]]:
    """Return one cell for each layer and direction.

    Args:
        layers: the weights; where there is no bias, Flax's is zero.
        dtype: for ``linen`` float64 if None; for a module the dtype that JAX gives to numbers now.
        form: ``linen``, nested dicts of NumPy arrays, which serve both cells; or the name of a module of nnx.
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
            tree[side + gate] = {"kernel": rounded(block.T, dtype or "float64", f"{side}{gate} kernel")}
    for gate, block in zip(GATES, np.split(params.bias, 4), strict=True):
        tree[f"h{gate}"]["bias"] = rounded(block, dtype or "float64", f"h{gate} bias")
    return tree


def _nnx(params: LSTMParams, dtype: str | None, form: str) -> Any:
    nnx = needed("flax.nnx", "to_flax")
    arrays = {"i": {"kernel": params.weight_ih}, "h": {"kernel": params.weight_hh, "bias": params.bias}}
    native = {
        side: {what: jax_array(array.T, dtype, "to_flax", f"the {what} of {side}") for what, array in whole.items()}
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
                (getattr(cell, name), columns) if form == "nnx.LSTMCell" else (getattr(cell, f"dense_{side}"), ...)
            )
            for what, array in whole.items():
                setattr(layer, what, nnx.Param(array[..., part] if part is columns else array))
    return cell


def _per_gate() -> dict[str, str]:
    return {side + gate: side for side in _SIDES for gate in GATES}
