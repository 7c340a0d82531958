"""Keras's weights: what is taken, and what is refused in which words."""

from typing import Any

import numpy as np
import pytest
from weights import bits

import lstmbench as lb


def arrays() -> list[Any]:
    return lb.LSTMParams.init(3, 5).to_keras()


def test_the_shapes_are_those_of_keras() -> None:
    assert [array.shape for array in arrays()] == [(3, 20), (5, 20), (20,)]
    stack = lb.StackParams.init(3, 5, 2, bidirectional=True, bias=False).to_keras("float32")
    one, two = [(3, 20), (5, 20)], [(10, 20), (5, 20)]
    assert [[array.shape for array in layer] for layer in stack] == [one * 2, two * 2]
    assert {array.dtype.name for layer in stack for array in layer} == {"float32"}


def test_what_comes_out_shares_no_memory_with_the_weights() -> None:
    params = lb.LSTMParams.init(3, 5)
    before = bits(params)
    for array in params.to_keras():
        assert array.flags.c_contiguous
        array[...] = 0
    assert bits(params) == before


@pytest.mark.parametrize(
    ("place", "array", "sentence"),
    [
        (0, np.zeros((20, 3)), r"the layer: kernel must have shape \(I, 20\), but it has shape \(20, 3\)"),
        (1, np.zeros((20, 5)), r"the layer: recurrent_kernel must have shape \(20, 80\), but it has shape \(20, 5\)"),
        (1, np.zeros(20), r"the layer: recurrent_kernel must have shape \(H, 4H\), but it has shape \(20,\)"),
        (2, np.zeros((2, 20)), r"the layer: bias must have shape \(20,\), but it has shape \(2, 20\)"),
        (2, np.zeros(20, int), r"the layer: bias must hold numbers of dtype .*, but its dtype is int64"),
    ],
)
def test_what_is_wrong_is_named(place: int, array: Any, sentence: str) -> None:
    given = arrays()
    given[place] = array
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.LSTMParams.from_keras(given)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (arrays()[:1], r"the layer must have the 2 or 3 arrays of an LSTM, or the 4 or 6 of two, but it has 1\."),
        (arrays() * 3, r"the layer must have the 2 or 3 arrays of an LSTM, or the 4 or 6 of two, but it has 9\."),
        ([], r"the layer must have the 2 or 3 arrays .*, but it has 0\."),
        ([arrays(), 3], r"from_keras takes a keras\.layers\.LSTM or .*, but layer 1 is a int\."),
        (None, r"from_keras takes a keras\.layers\.LSTM or .*, but the layer is a NoneType\."),
        ("lstm.keras", r"from_keras takes a keras\.layers\.LSTM or .*, not a file"),
        (np.zeros((3, 3)), r"from_keras takes .*, but the layer is a ndarray\."),
    ],
)
def test_something_else_is_refused(source: Any, sentence: str) -> None:
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.StackParams.from_keras(source)


def test_both_directions_are_no_single_layer() -> None:
    with pytest.raises(lb.LstmbenchError, match=r"here are 1 layer in both directions: use StackParams\.from_keras\."):
        lb.LSTMParams.from_keras(arrays() * 2)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [({"peephole": True}, "to_keras: these weights have peepholes"), ({"proj_size": 2}, "to_keras: .* a projection")],
)
def test_what_keras_has_not_is_refused(kind: dict[str, Any], sentence: str) -> None:
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.LSTMParams.init(3, 5, **kind).to_keras()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"activation": "relu"}, r"mine: activation must be 'tanh', but it is 'relu'\."),
        (
            {"recurrent_activation": "hard_sigmoid"},
            r"mine: recurrent_activation must be 'sigmoid', but it is 'hard_sig",
        ),
        ({"go_backwards": True}, r"mine: go_backwards must be False here, but it is True"),
    ],
)
def test_a_layer_that_computes_something_else_is_refused(keras: Any, options: dict[str, Any], sentence: str) -> None:
    layer = keras.layers.LSTM(5, name="mine", **options)
    layer.build((None, None, 3))
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.LSTMParams.from_keras(layer)


def test_a_layer_without_weights_and_one_that_is_no_lstm_are_refused(keras: Any) -> None:
    with pytest.raises(lb.LstmbenchError, match=r"mine has no weights yet: it was not built\."):
        lb.LSTMParams.from_keras(keras.layers.LSTM(5, name="mine"))
    with pytest.raises(lb.LstmbenchError, match=r"from_keras takes .*, but 'other' is a GRU\."):
        lb.LSTMParams.from_keras(keras.layers.GRU(5, name="other"))


def test_directions_that_are_merged_in_another_way_are_refused(keras: Any) -> None:
    layer = keras.layers.Bidirectional(keras.layers.LSTM(5), merge_mode="sum", name="both")
    layer.build((None, None, 3))
    with pytest.raises(lb.LstmbenchError, match=r"both: merge_mode must be 'concat', but it is 'sum'\."):
        lb.StackParams.from_keras(layer)
