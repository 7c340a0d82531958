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
        (
            0,
            np.zeros((20, 3)),
            r"the layer: kernel must have shape \(I, 20\) with I at least 1, but it has shape "
            r"\(20, 3\)",
        ),
        (
            1,
            np.zeros((20, 5)),
            r"the layer: recurrent_kernel must have shape \(20, 80\), but it has shape \(20, 5\)",
        ),
        (
            1,
            np.zeros(20),
            r"the layer: recurrent_kernel must have shape \(H, 4H\) with H at least 1, but it has "
            r"shape \(20,\)",
        ),
        (
            2,
            np.zeros((2, 20)),
            r"the layer: bias must have shape \(20,\), but it has shape \(2, 20\)",
        ),
        (
            2,
            np.zeros(20, int),
            r"the layer: bias must hold numbers of dtype .*, but its dtype is int64",
        ),
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
        (
            arrays()[:1],
            r"the layer must have 2 or 3 arrays, or several times as many, but it has 1\.",
        ),
        ([arrays() * 3], r"layer 0 must have 2 or 3 arrays, or twice as many, but it has 9\."),
        ([], r"the layer must have 2 or 3 arrays, .*, but it has 0\."),
        ([arrays(), 3], r"from_keras takes an LSTM of Keras, .*, but layer 1 is a int\."),
        (None, r"from_keras takes an LSTM of Keras, .*, but the layer is a NoneType\."),
        ("lstm.keras", r"from_keras takes an LSTM of Keras, .*, not a file"),
        (np.zeros((3, 3)), r"from_keras takes .*, but the layer is a ndarray\."),
    ],
)
def test_something_else_is_refused(source: Any, sentence: str) -> None:
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.StackParams.from_keras(source)


def test_both_directions_are_no_single_layer() -> None:
    with pytest.raises(
        lb.LstmbenchError,
        match=r"here are 1 layer in both directions: use StackParams\.from_keras\.",
    ):
        lb.LSTMParams.from_keras(arrays() * 2)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ({"peephole": True}, "to_keras: these weights have peepholes"),
        ({"proj_size": 2}, "to_keras: .* a projection"),
    ],
)
def test_what_keras_has_not_is_refused(kind: dict[str, Any], sentence: str) -> None:
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.LSTMParams.init(3, 5, **kind).to_keras()


@pytest.mark.parametrize("bias", [True, False])
def test_two_layers_and_two_directions_of_one_shape_are_told_apart(keras: Any, bias: bool) -> None:
    kinds = {"use_bias": bias, "return_sequences": True}
    stacked = keras.Sequential(
        [keras.Input((4, 5)), keras.layers.LSTM(5, **kinds), keras.layers.LSTM(5, **kinds)]
    )
    both = keras.Sequential(
        [keras.Input((4, 5)), keras.layers.Bidirectional(keras.layers.LSTM(5, **kinds))]
    )
    for model, layers, directions in ((stacked, 2, 1), (both, 1, 2)):
        arrays = model.get_weights()
        half = len(arrays) // 2
        sentence = (
            r"^the layer: its arrays fit two layers in one direction as well as one layer in "
            r"both: give the model "
            rf"itself, or a list for each layer, \[arrays\[:{half}\], arrays\[{half}:\]\] or "
            rf"\[arrays\]\.$"
        )
        with pytest.raises(lb.LstmbenchError, match=sentence):
            lb.StackParams.from_keras(arrays)
        asked = [arrays[:half], arrays[half:]] if layers == 2 else [arrays]
        for source in (model, asked):
            actual = lb.StackParams.from_keras(source)
            assert (actual.num_layers, actual.num_directions) == (layers, directions)
            assert bits(actual) == bits(lb.StackParams.from_keras(model))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("I", "layers", "both"),
    [(3, 1, False), (3, 3, False), (5, 3, False), (3, 1, True), (5, 2, True)],
)
def test_arrays_that_fit_one_stack_alone_are_that_stack(
    I: int,  # noqa: E741
    layers: int,
    both: bool,
    bias: bool,
) -> None:
    stack = lb.StackParams.init(I, 5, layers, both, bias=bias)
    flat = [array for layer in stack.to_keras() for array in layer]
    assert bits(lb.StackParams.from_keras(flat)) == bits(stack)


def test_arrays_that_fit_no_stack_are_named() -> None:
    with pytest.raises(
        lb.LstmbenchError, match=r"layers\[1\]\[0\] must have input_size 5, but it has 3\."
    ):
        lb.StackParams.from_keras(arrays() * 3)
    with pytest.raises(
        lb.LstmbenchError, match=r"^the layer, arrays 3 to 5: kernel must have shape \(I, 20\)"
    ):
        lb.StackParams.from_keras([*arrays(), np.zeros((3, 15)), *arrays()[1:]])


def test_a_model_with_layers_that_change_nothing_is_taken(keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            layers.Masking(-1.0),
            layers.LSTM(5, return_sequences=True, dropout=0.1, recurrent_dropout=0.1, unroll=True),
            layers.Dropout(0.5),
            layers.SpatialDropout1D(0.5),
            layers.GaussianNoise(0.5),
            layers.LSTM(5),
        ]
    )
    lstms = [layer for layer in model.layers if isinstance(layer, layers.LSTM)]
    expected = bits(lb.StackParams.from_keras(lstms))
    assert len(expected) == 2
    assert bits(lb.StackParams.from_keras(model)) == expected
    assert bits(lb.StackParams.from_keras([layers.InputLayer((4, 3)), *lstms])) == expected


def test_padding_that_keras_masks_is_what_lengths_are(keras: Any) -> None:
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.Masking(), keras.layers.LSTM(5)])
    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("f4")
    x[1, 4:] = 0  # the value that Masking takes for padding
    stack = lb.load("numpy.reference", lb.StackParams([[lb.LSTMParams.from_keras(model)]]))
    _, (h, _) = stack.forward(x.swapaxes(0, 1), lengths=[6, 4])
    np.testing.assert_allclose(h[0], model.predict(x, verbose=0), rtol=1e-4, atol=1e-6)
    assert np.abs(stack.forward(x.swapaxes(0, 1))[1][0] - h).max() > 1e-3


def test_a_model_with_another_layer_says_what_to_do(keras: Any) -> None:
    model = keras.Sequential(
        [keras.Input((4, 3)), keras.layers.LSTM(5), keras.layers.Dense(1, name="head")]
    )
    with pytest.raises(
        lb.LstmbenchError, match=r"'head' is a Dense; .* give a list of its LSTM layers\."
    ):
        lb.StackParams.from_keras(model)
    lb.StackParams.from_keras(model.layers[:1])
    dropout = keras.layers.Dropout(0.5)
    for source in (dropout, [dropout]):
        with pytest.raises(lb.LstmbenchError, match=r"from_keras takes .*, but here is no LSTM\."):
            lb.LSTMParams.from_keras(source)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"activation": "relu"}, r"mine: activation must be 'tanh', but it is 'relu'"),
        ({"activation": None}, r"mine: activation must be 'tanh', but it is 'linear'"),
        (
            {"recurrent_activation": "hard_sigmoid"},
            r"mine: recurrent_activation must be 'sigmoid', but it is 'hard_sig",
        ),
        ({"go_backwards": True}, r"mine: go_backwards must be False here, but it is True"),
        ({"stateful": True}, r"mine: stateful must be False here, but it is True"),
    ],
)
def test_a_layer_that_computes_something_else_is_refused(
    keras: Any, options: dict[str, Any], sentence: str
) -> None:
    layer = keras.layers.LSTM(5, name="mine", **options)
    layer.build((2, 4, 3))
    (name,) = options
    with pytest.raises(lb.LstmbenchError, match=rf"^{sentence}.*; .* pass ignore=\('{name}',\)\.$"):
        lb.LSTMParams.from_keras(layer)
    for ignore in (name, (name,), {name, "something else"}):
        assert bits(lb.LSTMParams.from_keras(layer, ignore=ignore)) == bits(
            lb.LSTMParams.from_keras(layer.get_weights())
        )
    with pytest.raises(lb.LstmbenchError, match=f"^{sentence}"):
        lb.LSTMParams.from_keras(layer, ignore="something else")


def test_a_layer_without_weights_and_one_that_is_no_lstm_are_refused(keras: Any) -> None:
    with pytest.raises(lb.LstmbenchError, match=r"mine has no weights yet: it was not built\."):
        lb.LSTMParams.from_keras(keras.layers.LSTM(5, name="mine"))
    for kind in (
        keras.layers.GRU(5, name="other"),
        keras.layers.RNN(keras.layers.GRUCell(5), name="other"),
    ):
        with pytest.raises(
            lb.LstmbenchError, match=r"from_keras takes .*, but 'other' is a (GRU|RNN); "
        ):
            lb.LSTMParams.from_keras(kind)


def test_directions_that_are_merged_in_another_way_are_refused(keras: Any) -> None:
    layer = keras.layers.Bidirectional(keras.layers.LSTM(5), merge_mode="sum", name="both")
    layer.build((None, None, 3))
    with pytest.raises(
        lb.LstmbenchError,
        match=r"both: merge_mode must be 'concat', but it is 'sum'; .*'merge_mode'",
    ):
        lb.StackParams.from_keras(layer)
    assert lb.StackParams.from_keras(layer, ignore="merge_mode").bidirectional


def test_stacked_cells_in_both_directions_are_no_stack_of_ours(keras: Any) -> None:
    cells = [keras.layers.LSTMCell(5), keras.layers.LSTMCell(5)]
    layer = keras.layers.Bidirectional(keras.layers.RNN(cells), name="both")
    layer.build((None, None, 3))
    with pytest.raises(
        lb.LstmbenchError,
        match=r"^both runs 2 cells forward and as many backward, and joins only the",
    ):
        lb.StackParams.from_keras(layer)


def test_bfloat16_is_taken(keras: Any) -> None:
    layer = keras.layers.LSTM(5, dtype="bfloat16", recurrent_initializer="glorot_uniform")
    layer.build((None, None, 3))
    given = layer.get_weights()
    params = lb.LSTMParams.from_keras(layer)
    np.testing.assert_array_equal(params.weight_ih.T, given[0].astype("f8"))
    assert params.weight_ih.any()
