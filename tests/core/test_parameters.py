from typing import Any

import numpy as np
import pytest

import lstmbench as lb
from lstmbench.core.parameters import GATES

H, I = 3, 2  # noqa: E741 - the letters of the equations


def _arrays() -> dict[str, Any]:
    random = np.random.default_rng(0)
    shapes = {"weight_ih": (4 * H, I), "weight_hh": (4 * H, H), "bias": (4 * H,)}
    return {name: random.normal(size=shape) for name, shape in shapes.items()}


def test_the_arrays_are_copied_to_float64() -> None:
    given = {name: array.astype(np.float32) for name, array in _arrays().items()}
    params = lb.LSTMParams(**given)
    assert (params.input_size, params.hidden_size) == (I, H)
    for name, array in given.items():
        kept = getattr(params, name)
        assert kept.dtype == np.float64
        assert np.array_equal(kept, array)
        array[...] = 0
        assert kept.any()


def test_lists_and_integers_are_arrays_too() -> None:
    params = lb.LSTMParams([[1, 2]] * 4, [[1], [2], [3], [4]], [True, False, True, False])
    assert params.weight_hh.tolist() == [[1], [2], [3], [4]]
    assert params.bias.tolist() == [1, 0, 1, 0]


def test_nan_is_a_number_here() -> None:
    arrays = _arrays()
    arrays["bias"][0] = np.nan
    assert np.isnan(lb.LSTMParams(**arrays).bias[0])


def test_one_set_of_parameters_cannot_be_exchanged_for_another_in_place() -> None:
    with pytest.raises(AttributeError):
        lb.LSTMParams.init(I, H).bias = np.zeros(4 * H)  # type: ignore[misc]


def test_the_gates_are_stacked_as_torch_stacks_them() -> None:
    assert GATES == ("i", "f", "g", "o")


@pytest.mark.parametrize(
    ("name", "shape", "parts"),
    [
        ("weight_ih", (4 * H, 0), ["(12, I)", "(12, 0)"]),
        ("weight_ih", (4 * H + 4, I), ["(12, I)", "(16, 2)"]),
        ("weight_ih", (I, 4 * H), ["(12, I)", "(2, 12)"]),
        ("weight_ih", (4 * H,), ["(12, I)", "(12,)"]),
        ("weight_hh", (H, 4 * H), ["(4H, H) with H at least 1", "(3, 12)"]),
        ("weight_hh", (4 * H, H + 1), ["(4H, H) with H at least 1", "(12, 4)"]),
        ("weight_hh", (0, 0), ["(4H, H) with H at least 1", "(0, 0)"]),
        ("weight_hh", (4 * H, H, 1), ["(4H, H) with H at least 1", "(12, 3, 1)"]),
        ("bias", (4 * H + 1,), ["(12,)", "(13,)"]),
        ("bias", (4 * H, 1), ["(12,)", "(12, 1)"]),
        ("bias", (8 * H,), ["(12,)", "(24,)"]),
        ("bias", (), ["(12,)", "()"]),
    ],
)
def test_a_wrong_shape_is_named_beside_the_right_one(
    name: str, shape: tuple[int, ...], parts: list[str]
) -> None:
    with pytest.raises(lb.LstmbenchError) as caught:
        lb.LSTMParams(**_arrays() | {name: np.zeros(shape)})
    assert str(caught.value).startswith(f"{name} must have shape {parts[0]}")
    assert f"but it has shape {parts[1]}." in str(caught.value)


@pytest.mark.parametrize("name", ["weight_ih", "weight_hh", "bias"])
@pytest.mark.parametrize(
    "bad",
    [
        None,
        "abc",
        [["1", "2"]],
        [[1, 2], [3]],
        np.ones((4, 1), complex),
        np.array([object()]),
        {"a": 1},
    ],
    ids=["None", "string", "strings", "ragged", "complex", "objects", "dict"],
)
def test_what_is_no_array_of_real_numbers_is_refused(name: str, bad: Any) -> None:
    if name == "bias" and bad is None:
        return  # an LSTM without bias
    with pytest.raises(lb.LstmbenchError, match=f"^{name} must be an array of real numbers"):
        lb.LSTMParams(**_arrays() | {name: bad})


def test_without_a_bias_it_is_zero_and_said_to_be_none() -> None:
    arrays = _arrays() | {"bias": None}
    params = lb.LSTMParams(**arrays)
    assert not params.has_bias
    assert params.bias.tolist() == [0] * 4 * H
    assert lb.LSTMParams(arrays["weight_ih"], arrays["weight_hh"], np.zeros(4 * H)).has_bias
    assert not lb.LSTMParams.init(I, H, bias=False).bias.any()


def test_a_projection_makes_outputs_narrower_than_the_cell() -> None:
    params = lb.LSTMParams(
        np.ones((4 * H, I)), np.ones((4 * H, 2)), np.ones(4 * H), projection=np.ones((2, H))
    )
    assert (params.hidden_size, params.output_size, params.proj_size) == (H, 2, 2)
    plain = lb.LSTMParams(**_arrays())
    assert (plain.hidden_size, plain.output_size, plain.proj_size) == (H, H, 0)
    assert (plain.projection, plain.peephole, plain.has_bias) == (None, None, True)
    drawn = lb.LSTMParams.init(I, H, proj_size=2, peephole=True)
    assert (drawn.projection.shape, drawn.weight_hh.shape, drawn.peephole.shape) == (
        (2, H),
        (4 * H, 2),
        (3, H),
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"projection": np.ones((2, H))},
            "weight_hh must have shape (12, 2) to go with projection of shape (2, 3), but it has "
            "shape (12, 3).",
        ),
        (
            {"projection": np.ones(3)},
            "projection must have shape (P, H) with P and H at least 1, but it has shape (3,).",
        ),
        (
            {"projection": np.ones((0, H))},
            "projection must have shape (P, H) with P and H at least 1, but it has shape (0, 3).",
        ),
        (
            {"peephole": np.ones((4, H))},
            "peephole must have shape (3, 3) to go with weight_hh of shape (12, 3), but it has "
            "shape (4, 3).",
        ),
        ({"peephole": "abc"}, "peephole must be an array of real numbers, but its dtype is <U3."),
    ],
)
def test_a_peephole_or_projection_of_a_wrong_form_is_named(
    given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(lb.LstmbenchError) as caught:
        lb.LSTMParams(**_arrays() | given)
    assert str(caught.value) == sentence


def test_init_draws_as_torch_does_and_again_the_same() -> None:
    params = lb.LSTMParams.init(input_size=50, hidden_size=25, seed=3)
    again = lb.LSTMParams.init(input_size=np.int64(50), hidden_size=25, seed=3)
    other = lb.LSTMParams.init(input_size=50, hidden_size=25, seed=4)
    shapes = {"weight_ih": (100, 50), "weight_hh": (100, 25), "bias": (100,)}
    for name, shape in shapes.items():
        array = getattr(params, name)
        assert array.shape == shape
        assert np.abs(array).max() <= 0.2  # 1 / sqrt(25)
        assert array.std() == pytest.approx(0.2 / np.sqrt(3), rel=0.15)
        assert np.array_equal(array, getattr(again, name))
        assert not np.array_equal(array, getattr(other, name))


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "seed"])
@pytest.mark.parametrize("bad", [-1, 1.0, True, "3", None, np.float64(2)])
def test_init_takes_whole_numbers_only(name: str, bad: Any) -> None:
    sizes: dict[str, Any] = {"input_size": 2, "hidden_size": 3, "seed": 0}
    with pytest.raises(
        lb.LstmbenchError, match=f"^{name} must be a whole number of at least [01], but it is"
    ):
        lb.LSTMParams.init(**sizes | {name: bad})


@pytest.mark.parametrize("name", ["input_size", "hidden_size"])
def test_a_size_is_at_least_one(name: str) -> None:
    sizes: dict[str, Any] = {"input_size": 2, "hidden_size": 3}
    with pytest.raises(
        lb.LstmbenchError, match=f"^{name} must be a whole number of at least 1, but it is 0"
    ):
        lb.LSTMParams.init(**sizes | {name: 0})


def test_gradients_come_in_the_order_of_their_fields() -> None:
    gradients = lb.Gradients(*(np.full(1, k) for k in range(6)))
    assert [int(array[0]) for array in gradients] == list(range(6))
    assert (gradients.weight_ih, gradients.c0) == (np.zeros(1), np.full(1, 5))
