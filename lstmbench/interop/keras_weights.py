"""Keras: transposed kernels, (I, 4H) and (H, 4H), gates i, f, c, o, where c is our g; one bias."""

import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.file_checks import refuse_file
from lstmbench.interop.weight_checks import (
    Layers,
    refuse_unless_ignored,
    refuse_unsupported,
    round_to,
    to_float64,
)

_ACCEPTED = (
    "an LSTM of Keras, an RNN of LSTMCells or a Bidirectional of one of them, a Sequential or a "
    "list of these, or what get_weights() returns"
)
_SKIPPED_LAYERS = (
    "InputLayer",
    "Masking",
    "Dropout",
    "SpatialDropout1D",
    "GaussianDropout",
    "GaussianNoise",
)
"""Layers without weights that do nothing at inference; for padding, ``lengths`` replace Masking."""


def read(source: Any, ignore: Collection[str] = ()) -> Layers:
    """Return the weights of LSTM layers of Keras.

    Args:
        source: an LSTM, or an RNN of one or several LSTMCells; a Bidirectional of one of these; a
            Sequential or a list of all these, in which inputs, masks and dropout are skipped; the
            arrays that get_weights() of a layer or a model returns (for each layer and direction
            kernel, recurrent kernel and, if there is one, bias); or a list of these, one per layer.
        ignore: what may be lost: ``activation``, ``recurrent_activation``, ``go_backwards``,
            ``merge_mode``, ``stateful``.

    Raises:
        LstmbenchError: if something else is given, an array has the wrong shape or dtype, the
            arrays fit several kinds of stack, or a layer says what the weights alone cannot hold.
    """
    refuse_file(source, "from_keras", _ACCEPTED)
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.Sequential):
        source = source.layers
    layers: Layers = ()
    if isinstance(source, Sequence) and source and not hasattr(source[0], "shape"):
        for level, item in enumerate(source):
            layers += _read_layers(item, f"layer {level}", ignore, single=True)
    else:
        layers = _read_layers(source, "the layer", ignore, single=False)
    if not layers:
        raise LstmbenchError(f"from_keras takes {_ACCEPTED}, but here is no LSTM.")
    return layers


def _read_layers(source: Any, where: str, ignore: Collection[str], single: bool) -> Layers:
    """Return the layers of a layer object, or of arrays; of one layer only if ``single``."""
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.layers.Layer):
        return _read_object(source, keras.layers, ignore)
    if not isinstance(source, Sequence) or isinstance(source, str | bytes):
        kind = type(source).__name__
        raise LstmbenchError(f"from_keras takes {_ACCEPTED}, but {where} is a {kind}.")
    count = len(source)
    size = 2 if count == 2 or (count > 3 and np.ndim(source[2]) == 2) else 3
    if count == 0 or count % size or (single and count > 2 * size):
        several = "twice" if single else "several times"
        raise LstmbenchError(
            f"{where} must have 2 or 3 arrays, or {several} as many, but it has {count}."
        )
    cells = []
    for first in range(0, count, size):
        arrays = f", arrays {first} to {first + size - 1}" * (count > size)
        cells.append(_read_arrays(source[first : first + size], where + arrays))
    one_direction = tuple((cell,) for cell in cells)
    both_directions = tuple(zip(cells[::2], cells[1::2], strict=False))
    if single:
        return both_directions or one_direction
    fits_both = len(cells) % 2 == 0 and _fit_together(both_directions)
    if fits_both and _fit_together(one_direction):
        raise LstmbenchError(
            f"{where}: its arrays fit two layers in one direction as well as one layer in both: "
            "give the model itself, or a list for each layer, "
            f"[arrays[:{size}], arrays[{size}:]] or [arrays]."
        )
    return both_directions if fits_both else one_direction


def _fit_together(layers: Layers) -> bool:
    """Return whether each layer takes the outputs of the one below."""
    inputs = [{params.input_size for params in layer} for layer in layers]
    outputs = [{len(layer) * layer[0].hidden_size} for layer in layers]
    return len(inputs[0]) == 1 and inputs[1:] == outputs[:-1]


def _read_arrays(arrays: Sequence[Any], where: str) -> LSTMParams:
    recurrent = to_float64(arrays[1], f"{where}: recurrent_kernel", "H", "4H")
    columns = recurrent.shape[1]
    kernel = to_float64(arrays[0], f"{where}: kernel", "I", columns)
    bias = to_float64(arrays[2], f"{where}: bias", columns) if len(arrays) == 3 else None
    return LSTMParams(kernel.T, recurrent.T, bias)


def _read_object(layer: Any, kinds: Any, ignore: Collection[str]) -> Layers:
    """Return the layers of a layer object, after checking that it computes our LSTM."""
    if isinstance(layer, tuple(getattr(kinds, name) for name in _SKIPPED_LAYERS)):
        return ()
    if not isinstance(layer, kinds.Bidirectional):
        return tuple((params,) for params in _read_cells(layer, kinds, False, ignore))
    if layer.merge_mode not in ("concat", None):
        problem = f"{layer.name}: merge_mode must be 'concat', but it is {layer.merge_mode!r}"
        refuse_unless_ignored("merge_mode", ignore, problem)
    forward = _read_cells(layer.forward_layer, kinds, False, ignore)
    backward = _read_cells(layer.backward_layer, kinds, True, ignore)
    if len(forward) > 1:
        raise LstmbenchError(
            f"{layer.name} runs {len(forward)} cells forward and as many backward, and joins only "
            "the last outputs: layers in both directions join them one by one."
        )
    return (forward + backward,)


def _read_cells(
    layer: Any, kinds: Any, backwards: bool, ignore: Collection[str]
) -> tuple[LSTMParams, ...]:
    """Return the weights of the cell or cells that a layer runs, or of a cell."""

    def expect(source: Any, name: str, expected: object, here: str = "") -> None:
        value = getattr(source, name)
        actual = getattr(value, "__name__", None) if callable(value) else value
        if actual != expected:
            problem = f"{layer.name}: {name} must be {expected!r}{here}, but it is {actual!r}"
            refuse_unless_ignored(name, ignore, problem)

    is_rnn = isinstance(layer, kinds.RNN)
    cell = layer.cell if is_rnn else layer
    cells = cell.cells if isinstance(cell, kinds.StackedRNNCells) else [cell]
    for cell in cells:
        if not isinstance(cell, kinds.LSTMCell):
            raise LstmbenchError(
                f"from_keras takes {_ACCEPTED}, but {layer.name!r} is a {type(layer).__name__}; "
                "of a model with other layers, give a list of its LSTM layers."
            )
        expect(cell, "activation", "tanh")
        expect(cell, "recurrent_activation", "sigmoid")
        if not cell.built:
            raise LstmbenchError(f"{layer.name} has no weights yet: it was not built.")
    if is_rnn:
        expect(layer, "go_backwards", backwards, " here")
        expect(layer, "stateful", False, " here")
    return tuple(_read_arrays(cell.get_weights(), layer.name) for cell in cells)


def write(layers: Layers, dtype: str = "float64") -> list[list[Array]]:
    """Return what set_weights() of each Keras layer takes; both directions are in one list."""
    refuse_unsupported(layers, "to_keras", "Keras's LSTM")
    names = {"weight_ih": "kernel", "weight_hh": "recurrent_kernel", "bias": "bias"}
    return [
        [
            round_to(array.T, dtype, names[name])
            for params in directions
            for name, array in params.weights().items()
        ]
        for directions in layers
    ]
