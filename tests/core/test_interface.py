"""What a user may hand to an LSTM, and the one sentence that the rest is answered with."""

from typing import Any

import numpy as np
import pytest
from plain import Plain
from refusals import refusal

import lstmbench as lb

T, B, I, H = 4, 3, 2, 5  # noqa: E741 - the letters of the equations


@pytest.fixture
def lstm() -> lb.LSTM:
    return lb.load("numpy.fused", lb.LSTMParams.init(I, H), dtype="float64")


X, DY, S = np.ones((T, B, I)), np.ones((T, B, H)), np.ones((B, H))


def test_shapes_of_what_comes_back(lstm: lb.LSTM) -> None:
    y, (h, c) = lstm.forward(X)
    assert (y.shape, h.shape, c.shape) == ((T, B, H), (B, H), (B, H))
    h, c = lstm.step(X[0])
    assert (h.shape, c.shape) == ((B, H), (B, H))
    shapes = [array.shape for array in lstm.backward(X, DY)]
    assert shapes == [(4 * H, I), (4 * H, H), (4 * H,), (T, B, I), (B, H), (B, H)]


@pytest.mark.parametrize(
    "shape",
    [(T, B, I + 1), (T, I), (I,), (), (T, B, I, 1), (T, B, 0), (0, B, I), (T, 0, I), (0, 0, I)],
    ids=str,
)
def test_a_wrong_x_is_named_with_both_shapes(lstm: lb.LSTM, shape: tuple[int, ...]) -> None:
    expected = f"x must have shape (T, B, {I}) with T and B at least 1, but it has shape {shape}."
    assert refusal(lstm.forward, np.ones(shape)) == expected
    assert refusal(lstm.backward, np.ones(shape), DY) == expected


@pytest.mark.parametrize("shape", [(B, I + 1), (I,), (T, B, I), (0, I), ()], ids=str)
def test_a_wrong_x_t_is_named_with_both_shapes(lstm: lb.LSTM, shape: tuple[int, ...]) -> None:
    expected = f"x_t must have shape (B, {I}) with B at least 1, but it has shape {shape}."
    assert refusal(lstm.step, np.ones(shape)) == expected


@pytest.mark.parametrize("shape", [(B, H + 1), (B + 1, H), (1, H), (H,), (1, B, H), ()], ids=str)
@pytest.mark.parametrize("place", [0, 1])
def test_a_wrong_state_is_named_with_both_shapes(
    lstm: lb.LSTM, shape: tuple[int, ...], place: int
) -> None:
    pair = [S, S]
    pair[place] = np.ones(shape)
    end = f"must have shape ({B}, {H}), but it has shape {shape}."
    state, dstate = f"state's {'hc'[place]} {end}", f"dstate's {['dh', 'dc'][place]} {end}"
    assert refusal(lstm.forward, X, pair) == state
    assert refusal(lstm.step, X[0], pair) == state
    assert refusal(lstm.backward, X, DY, pair) == state
    assert refusal(lstm.backward, X, DY, dstate=pair) == dstate


@pytest.mark.parametrize(
    "bad", [S, (S,), (S, S, S), np.ones((2, B, H)), 0, "hc", {"h": S, "c": S}], ids=type
)
def test_a_state_is_a_pair(lstm: lb.LSTM, bad: Any) -> None:
    shapes = f"of shapes ({B}, {H}) and ({B}, {H})."
    assert refusal(lstm.forward, X, bad) == f"state must be a pair (h, c), {shapes}"
    expected = f"dstate must be a pair (dh, dc), {shapes}"
    assert refusal(lstm.backward, X, DY, dstate=bad) == expected


@pytest.mark.parametrize("shape", [(T, B, I), (T + 1, B, H), (B, H), (T, 1, H), (0, B, H)], ids=str)
def test_a_wrong_dy_is_named_with_both_shapes(lstm: lb.LSTM, shape: tuple[int, ...]) -> None:
    expected = f"dy must have shape ({T}, {B}, {H}), but it has shape {shape}."
    assert refusal(lstm.backward, X, np.ones(shape)) == expected


def _of_a_tensor_with_a_graph() -> Any:
    torch = pytest.importorskip("torch")
    return torch.ones(T, B, I, requires_grad=True)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: np.ones((T, B, I), complex), "its dtype is complex128"),
        (lambda: np.full((T, B, I), None), "its dtype is object"),
        (lambda: np.full((T, B, I), "1.0"), "its dtype is <U3"),
        (lambda: "numbers", "its dtype is <U7"),
        (lambda: None, "its dtype is object"),
        (lambda: np.full((T, B, I), "2026-01-01", "M8[D]"), "its dtype is datetime64"),
        (lambda: [[[1.0, 2.0], [3.0]]], "inhomogeneous"),
        (_of_a_tensor_with_a_graph, "detach"),
    ],
    ids=[
        "complex",
        "objects",
        "strings",
        "string",
        "None",
        "dates",
        "ragged",
        "tensor with a graph",
    ],
)
def test_what_is_no_array_of_real_numbers_isrefusal(lstm: lb.LSTM, make: Any, reason: str) -> None:
    bad = make()
    for name, sentence in {
        "x": refusal(lstm.forward, bad),
        "x_t": refusal(lstm.step, bad),
        "dy": refusal(lstm.backward, X, bad),
        "state's h": refusal(lstm.forward, X, (bad, S)),
        "dstate's dc": refusal(lstm.backward, X, DY, None, (S, bad)),
    }.items():
        assert sentence.startswith(f"{name} must be an array of real numbers")
        assert reason in sentence


def test_a_tensor_without_a_graph_is_an_array() -> None:
    torch = pytest.importorskip("torch")
    lstm = lb.load("numpy.fused", lb.LSTMParams.init(I, H), dtype="float64")
    y, _ = lstm.forward(torch.ones(T, B, I))
    assert np.array_equal(y, lstm.forward(X)[0])


def test_a_state_in_a_list_is_a_pair_too(lstm: lb.LSTM) -> None:
    assert np.array_equal(lstm.forward(X, [S, S])[0], lstm.forward(X, (S, S))[0])


@pytest.mark.usefixtures("own_registrations")
def test_what_is_for_inference_only_has_no_backward() -> None:
    lb.register("mine.forward_only", modes=("inference",))(Plain)
    lstm = lb.load("mine.forward_only", lb.LSTMParams.init(I, H))
    assert lstm.modes == ("inference",)
    assert lstm.forward(X)[0].shape == (T, B, H)
    expected = "mine.forward_only has no backward: it is registered for inference only."
    assert refusal(lstm.backward, X, DY) == expected


def test_an_error_leaves_the_lstm_as_it_was(lstm: lb.LSTM) -> None:
    before = lstm.forward(X)[0]
    refusal(lstm.forward, np.ones((T, B, I + 1)))
    refusal(lstm.backward, X, np.ones((1, 1)))
    assert np.array_equal(lstm.forward(X)[0], before)
