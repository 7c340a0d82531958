"""Keras: kernels that are transposed, (I, 4H) and (H, 4H), gates i, f, c, o, where c is our g; one bias."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmbench.cell.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.formats.arrays import Array, Layers, plain, rounded, shaped
from lstmbench.formats.files import no_file

_TAKES = "a keras.layers.LSTM or Bidirectional of one, what its get_weights() returns, or a sequence of these"


def read(source: Any) -> Layers:
    """Return the weights of LSTM layers of Keras.

    Args:
        source: an LSTM; a Bidirectional of LSTMs; a Sequential of these; the arrays that get_weights() of one returns
            (kernel, recurrent kernel and, if there is one, bias; twice that for both directions); or a sequence of
            these, one a layer.

    Raises:
        LstmbenchError: if something else is given, an array has the wrong shape or dtype, or a layer computes
            something else: other activations, another direction, another way to merge.
    """
    no_file(source, "from_keras", _TAKES)
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.Sequential):
        source = list(source.layers)
    if isinstance(source, Sequence) and source and not _is_array(source[0]):
        return tuple(_layer(layer, f"layer {number}") for number, layer in enumerate(source))
    return (_layer(source, "the layer"),)


def _layer(source: Any, where: str) -> tuple[LSTMParams, ...]:
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.layers.Layer):
        source = _weights(source, keras)
    if not isinstance(source, Sequence) or isinstance(source, str | bytes):
        raise LstmbenchError(f"from_keras takes {_TAKES}, but {where} is a {type(source).__name__}.")
    arrays = list(source)
    if len(arrays) not in (2, 3, 4, 6):
        raise LstmbenchError(
            f"{where} must have the 2 or 3 arrays of an LSTM, or the 4 or 6 of two, but it has {len(arrays)}."
        )
    if len(arrays) < 4:
        return (_direction(arrays, where),)
    half = len(arrays) // 2
    return (_direction(arrays[:half], f"{where}, forward"), _direction(arrays[half:], f"{where}, backward"))


def _direction(arrays: list[Any], where: str) -> LSTMParams:
    H = shaped(arrays[1], f"{where}: recurrent_kernel", "H", "4H").shape[0]
    recurrent = shaped(arrays[1], f"{where}: recurrent_kernel", H, 4 * H)
    kernel = shaped(arrays[0], f"{where}: kernel", "I", 4 * H)
    bias = shaped(arrays[2], f"{where}: bias", 4 * H) if len(arrays) == 3 else None
    return LSTMParams(kernel.T, recurrent.T, bias)


def _weights(layer: Any, keras: Any) -> list[Any]:
    """Return the arrays of a layer object, once it is sure that it computes our LSTM."""
    lstm = keras.layers.LSTM
    pair = [layer]
    if isinstance(layer, keras.layers.Bidirectional):
        pair = [layer.forward_layer, layer.backward_layer]
        if layer.merge_mode not in ("concat", None):
            raise LstmbenchError(f"{layer.name}: merge_mode must be 'concat', but it is {layer.merge_mode!r}.")
    for one, backwards in zip(pair, (False, True), strict=False):
        if not isinstance(one, lstm):
            raise LstmbenchError(f"from_keras takes {_TAKES}, but {one.name!r} is a {type(one).__name__}.")
        for what, wanted in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
            found = getattr(getattr(one, what), "__name__", None)
            if found != wanted:
                raise LstmbenchError(f"{one.name}: {what} must be {wanted!r}, but it is {found!r}.")
        if one.go_backwards != backwards:
            raise LstmbenchError(
                f"{one.name}: go_backwards must be {backwards} here, but it is {one.go_backwards}; "
                "its get_weights() gives the weights without their direction."
            )
        if not one.built:
            raise LstmbenchError(f"{one.name} has no weights yet: it was not built.")
    return [array for one in pair for array in one.get_weights()]


def write(layers: Layers, dtype: str = "float64") -> list[list[Array]]:
    """Return for each layer what set_weights() of a Keras layer takes; those of both directions in one list."""
    plain(layers, "to_keras", "Keras's LSTM")
    return [[array for params in directions for array in _arrays(params, dtype)] for directions in layers]


def _arrays(params: LSTMParams, dtype: str) -> list[Array]:
    arrays = {"kernel": params.weight_ih.T, "recurrent_kernel": params.weight_hh.T}
    arrays |= {"bias": params.bias} if params.has_bias else {}
    return [rounded(array, dtype, name) for name, array in arrays.items()]


def _is_array(item: object) -> bool:
    return isinstance(item, np.ndarray) or hasattr(item, "shape")
