from typing import Any

import numpy as np
import pytest

import lstmbench as lb


def test_init_makes_layers_that_fit() -> None:
    params = lb.StackParams.init(
        3, 5, num_layers=3, bidirectional=True, proj_size=2, bias=False, peephole=True
    )
    assert (params.num_layers, params.num_directions, params.bidirectional) == (3, 2, True)
    assert (params.input_size, params.hidden_size, params.proj_size, params.output_size) == (
        3,
        5,
        2,
        2,
    )
    assert (params.has_bias, params.has_peephole) == (False, True)
    assert [each.input_size for each in params] == [3, 3, 4, 4, 4, 4]
    assert list(params.layers[0][0].weights()) == [
        "weight_ih",
        "weight_hh",
        "projection",
        "peephole",
    ]


def test_one_layer_is_the_layer_of_the_same_seed() -> None:
    stack, layer = lb.StackParams.init(3, 5, seed=7), lb.LSTMParams.init(3, 5, seed=7)
    for name, array in layer.weights().items():
        assert np.array_equal(array, stack.layers[0][0].weights()[name]), name


def test_the_same_seed_gives_the_same_bits_and_no_two_layers_are_alike() -> None:
    first, again = (lb.StackParams.init(5, 5, 2, bidirectional=True, seed=3) for _ in range(2))
    arrays = [each.weight_hh for each in first]
    assert all(
        np.array_equal(one, other.weight_hh) for one, other in zip(arrays, again, strict=True)
    )
    assert len({array.tobytes() for array in arrays}) == 4


P = lb.LSTMParams.init
WRONG: dict[str, tuple[Any, str]] = {
    "no layer": ([], "layers must hold at least one layer, but they hold none."),
    "one layer alone": (
        P(2, 3),
        "layers must be a sequence of layers, each a sequence of one or two LSTMParams, but "
        "layers is a LSTMParams.",
    ),
    "layers without directions": (
        [P(2, 3)],
        "layers must be a sequence of layers, each a sequence of one or two LSTMParams, but a "
        "layer is a LSTMParams.",
    ),
    "arrays": ([[np.ones(3)]], "layers[0][0] must be an LSTMParams, but it is a ndarray."),
    "three directions": (
        [[P(2, 3)] * 3],
        "layers[0] must hold one or two directions, but it holds 3.",
    ),
    "none": ([[]], "layers[0] must hold one or two directions, but it holds 0."),
    "a direction missing": (
        [[P(2, 3)] * 2, [P(6, 3)]],
        "layers[1] must hold as many directions as layers[0], 2, but it holds 1.",
    ),
    "inputs of the layer below": (
        [[P(2, 3)] * 2, [P(6, 3), P(3, 3)]],
        "layers[1][1] must have input_size 6, but it has 3.",
    ),
    "inputs of the reverse": (
        [[P(2, 3), P(4, 3)]],
        "layers[0][1] must have input_size 2, but it has 4.",
    ),
    "hidden size": (
        [[P(2, 3)], [P(3, 4)]],
        "layers[1][0].hidden_size must be 3 as in layers[0][0], but it is 4.",
    ),
    "projection": (
        [[P(2, 3, proj_size=2)], [P(2, 3)]],
        "layers[1][0].proj_size must be 2 as in layers[0][0], but it is 0.",
    ),
    "bias": (
        [[P(2, 3)], [P(3, 3, bias=False)]],
        "layers[1][0].has_bias must be True as in layers[0][0], but it is False.",
    ),
    "peephole": (
        [[P(2, 3)], [P(3, 3, peephole=True)]],
        "layers[1][0].has_peephole must be False as in layers[0][0], but it is True.",
    ),
}


@pytest.mark.parametrize(("layers", "sentence"), WRONG.values(), ids=WRONG)
def test_layers_that_do_not_belong_together_are_named(layers: Any, sentence: str) -> None:
    with pytest.raises(lb.LstmbenchError) as caught:
        lb.StackParams(layers)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers", "proj_size", "seed"])
@pytest.mark.parametrize("bad", [-1, 1.0, True, "3", None])
def test_init_takes_whole_numbers_only(name: str, bad: Any) -> None:
    sizes: dict[str, Any] = {"input_size": 2, "hidden_size": 3}
    with pytest.raises(
        lb.LstmbenchError, match=f"^{name} must be a whole number of at least [01], but it is"
    ):
        lb.StackParams.init(**sizes | {name: bad})
