"""Keras: kernels that are transposed, (I, 4H) and (H, 4H), gates i, f, c, o, where c is our g; one
bias.
"""

import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.model_files import no_file
from lstmbench.interop.weight_checks import (
    Array,
    Layers,
    plain,
    refuse_unless_ignored,
    rounded,
    shaped,
)

_TAKES = (
    "an LSTM of Keras, an RNN of LSTMCells or a Bidirectional of one of them, a Sequential or a list of these, or what "
    "get_weights() returns"
)
# Without weights, and at inference without influence; a mask of padding is what our lengths are
_PASSED_OVER = (
    "InputLayer",
    "Masking",
    "Dropout",
    "SpatialDropout1D",
    "GaussianDropout",
    "GaussianNoise",
)


def read(source: Any, ignore: Collection[str] = ()) -> Layers:
    """Return the weights of LSTM layers of Keras.

    Args:
        source: an LSTM, or an RNN of one or several LSTMCells; a Bidirectional of one of these; a
            Sequential or a list of all these, in which inputs, masks and dropout are passed over;
            the arrays that get_weights() of a layer or a model returns (for each layer and
            direction kernel, recurrent kernel and, if there is one, bias); or a list of these, one
            a layer.
        ignore: what may be lost: ``activation``, ``recurrent_activation``, ``go_backwards``,
            ``merge_mode``, ``stateful``.

    Raises:
        LstmbenchError: if something else is given, an array has the wrong shape or dtype, the
            arrays fit several kinds of stack, or a layer says what the weights alone cannot hold.
    """
    no_file(source, "from_keras", _TAKES)
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.Sequential):
        source = source.layers
    if isinstance(source, Sequence) and source and not _is_array(source[0]):
        each = (
            _layers(item, f"layer {number}", ignore, alone=True)
            for number, item in enumerate(source)
        )
        found: Layers = sum(each, ())
    else:
        found = _layers(source, "the layer", ignore)
    if not found:
        raise LstmbenchError(f"from_keras takes {_TAKES}, but here is no LSTM.")
    return found


def _layers(source: Any, where: str, ignore: Collection[str], alone: bool = False) -> Layers:
    """Return the layers of a layer object, or of arrays; of one layer alone if so said."""
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.layers.Layer):
        return _of_layer(source, keras.layers, ignore)
    if not isinstance(source, Sequence) or isinstance(source, str | bytes):
        raise LstmbenchError(
            f"from_keras takes {_TAKES}, but {where} is a {type(source).__name__}."
        )
    count = len(source)
    size = 2 if count == 2 or (count > 3 and np.ndim(source[2]) == 2) else 3
    if count == 0 or count % size or (alone and count > 2 * size):
        several = "twice" if alone else "several times"
        raise LstmbenchError(
            f"{where} must have 2 or 3 arrays, or {several} as many, but it has {count}."
        )
    found = [
        _direction(
            source[k : k + size], f"{where}{f', arrays {k} to {k + size - 1}' * (count > size)}"
        )
        for k in range(0, count, size)
    ]
    if alone:
        return (tuple(found),)
    single = tuple((params,) for params in found)
    paired = tuple(zip(found[::2], found[1::2], strict=False))
    fitting = [layers for layers in (single, paired)[: 2 - len(found) % 2] if _fits(layers)]
    if len(fitting) == 2:
        raise LstmbenchError(
            f"{where}: its arrays fit two layers in one direction as well as one layer in both: give the model "
            f"itself, or a list for each layer, [arrays[:{size}], arrays[{size}:]] or [arrays]."
        )
    return fitting[0] if fitting else single


def _fits(layers: Layers) -> bool:
    """Return whether each layer takes what the one below gives."""
    widths = [{params.input_size for params in layer} for layer in layers]
    given = [{len(layer) * layer[0].hidden_size} for layer in layers]
    return len(widths[0]) == 1 and widths[1:] == given[:-1]


def _direction(arrays: Sequence[Any], where: str) -> LSTMParams:
    H = shaped(arrays[1], f"{where}: recurrent_kernel", "H", "4H").shape[0]
    recurrent = shaped(arrays[1], f"{where}: recurrent_kernel", H, 4 * H)
    kernel = shaped(arrays[0], f"{where}: kernel", "I", 4 * H)
    bias = shaped(arrays[2], f"{where}: bias", 4 * H) if len(arrays) == 3 else None
    return LSTMParams(kernel.T, recurrent.T, bias)


def _of_layer(layer: Any, kinds: Any, ignore: Collection[str]) -> Layers:
    """Return the layers of a layer object, once it is sure that it computes our LSTM."""
    if isinstance(layer, tuple(getattr(kinds, name) for name in _PASSED_OVER)):
        return ()
    if not isinstance(layer, kinds.Bidirectional):
        return tuple((params,) for params in _cells(layer, kinds, False, ignore))
    if layer.merge_mode not in ("concat", None):
        found = f"{layer.name}: merge_mode must be 'concat', but it is {layer.merge_mode!r}"
        refuse_unless_ignored("merge_mode", ignore, found)
    pair = (
        _cells(layer.forward_layer, kinds, False, ignore),
        _cells(layer.backward_layer, kinds, True, ignore),
    )
    if len(pair[0]) > 1:
        raise LstmbenchError(
            f"{layer.name} runs {len(pair[0])} cells forward and as many backward, and joins only the last outputs: "
            "layers in both directions join them one by one."
        )
    return (pair[0] + pair[1],)


def _cells(
    layer: Any, kinds: Any, backwards: bool, ignore: Collection[str]
) -> tuple[LSTMParams, ...]:
    """Return the weights of the cell or cells that a layer runs, or of a cell."""
    is_rnn = isinstance(layer, kinds.RNN)
    cell = layer.cell if is_rnn else layer
    cells = cell.cells if isinstance(cell, kinds.StackedRNNCells) else [cell]
    for each in cells:
        if not isinstance(each, kinds.LSTMCell):
            raise LstmbenchError(
                f"from_keras takes {_TAKES}, but {layer.name!r} is a {type(layer).__name__}; "
                "of a model with other layers, give a list of its LSTM layers."
            )
        for what, wanted in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
            found = getattr(getattr(each, what), "__name__", None)
            if found != wanted:
                refuse_unless_ignored(
                    what, ignore, f"{layer.name}: {what} must be {wanted!r}, but it is {found!r}"
                )
        if not each.built:
            raise LstmbenchError(f"{layer.name} has no weights yet: it was not built.")
    for what, expected in (("go_backwards", backwards), ("stateful", False)):
        if is_rnn and getattr(layer, what) != expected:
            found = (
                f"{layer.name}: {what} must be {expected} here, but it is {getattr(layer, what)}"
            )
            refuse_unless_ignored(what, ignore, found)
    return tuple(_direction(each.get_weights(), layer.name) for each in cells)


def write(layers: Layers, dtype: str = "float64") -> list[list[Array]]:
    """Return for each layer what set_weights() of a Keras layer takes; those of both directions in
    one list.
    """
    plain(layers, "to_keras", "Keras's LSTM")
    return [
        [array for params in directions for array in _arrays(params, dtype)]
        for directions in layers
    ]


def _arrays(params: LSTMParams, dtype: str) -> list[Array]:
    arrays = {"kernel": params.weight_ih.T, "recurrent_kernel": params.weight_hh.T}
    arrays |= {"bias": params.bias} if params.has_bias else {}
    return [rounded(array, dtype, name) for name, array in arrays.items()]


def _is_array(item: object) -> bool:
    return isinstance(item, np.ndarray) or hasattr(item, "shape")
