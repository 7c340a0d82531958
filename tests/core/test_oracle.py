"""The oracle against three things that share nothing with it: finite differences, 50 digits, and
PyTorch's own LSTM.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest
from conformance import GRADIENTS, OUTPUTS, Array, Problem, draw, expected_results
from hypothesis import example, given
from hypothesis import strategies as st

import lstmbench as lb
from examples import examples
from lstmbench.core.tolerance import relative_error

DIGITS = 50
PARTS = {
    "dy": (True, False, False),
    "dh": (False, True, False),
    "dc": (False, False, True),
    "all": (True, True, True),
}


def _loss_of(problem: Problem, part: str) -> Problem:
    """Keep one part of the loss sum(y*dy) + sum(h_T*dh) + sum(c_T*dc), or all of it."""
    dy, dh, dc = (
        kept * array for kept, array in zip(PARTS[part], (problem.dy, *problem.dstate), strict=True)
    )
    return replace(problem, dy=dy, dstate=(dh, dc))


def _inputs(problem: Problem) -> dict[str, Array]:
    """Return copies of all that the six gradients are taken with respect to."""
    params = problem.params
    arrays = (params.weight_ih, params.weight_hh, params.bias, *problem.inputs)
    return dict(zip(GRADIENTS, (array.copy() for array in arrays), strict=True))


def _differences(
    loss: Callable[[dict[str, Any]], Any], inputs: dict[str, Any], step: Any
) -> Iterator[tuple[str, Array]]:
    """Yield the gradient of the loss by central differences, one array after the other."""
    for name, array in inputs.items():
        gradient = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + step
            above = loss(inputs)
            array[index] = kept - step
            gradient[index] = (above - loss(inputs)) / (2 * step)
            array[index] = kept
        yield name, gradient


def _float64_loss(problem: Problem) -> Callable[[dict[str, Array]], float]:
    def loss(inputs: dict[str, Array]) -> float:
        weights, (x, h0, c0) = list(inputs.values())[:3], list(inputs.values())[3:]
        actual = expected_results(
            replace(problem, params=lb.LSTMParams(*weights), x=x, state=(h0, c0))
        )
        (dh, dc) = problem.dstate
        return float(
            (actual["y"] * problem.dy).sum() + (actual["h"] * dh).sum() + (actual["c"] * dc).sum()
        )

    return loss


@examples(8)
@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    part=st.sampled_from(sorted(PARTS)),
    seed=st.integers(0, 2**32),
)
@example(sizes=(1, 1, 1, 1), part="all", seed=0)
@example(sizes=(4, 2, 3, 2), part="dy", seed=1)
@example(sizes=(4, 2, 3, 2), part="dh", seed=1)
@example(sizes=(4, 2, 3, 2), part="dc", seed=1)
def test_the_gradients_are_those_of_finite_differences(
    sizes: tuple[int, int, int, int], part: str, seed: int
) -> None:
    problem = _loss_of(draw(*sizes, seed), part)
    expected = expected_results(problem)
    for name, gradient in _differences(_float64_loss(problem), _inputs(problem), 1e-5):
        assert np.linalg.norm(expected[name] - gradient) <= 1e-8 * (1 + np.linalg.norm(gradient)), (
            name
        )


def test_finite_differences_notice_one_wrong_entry() -> None:
    problem = draw(3, 2, 2, 2)
    actual = dict(_differences(_float64_loss(problem), _inputs(problem), 1e-5))
    spoilt = expected_results(problem)["weight_hh"]
    spoilt[3, 1] *= 1 + 1e-6
    assert np.linalg.norm(spoilt - actual["weight_hh"]) > 1e-8 * np.linalg.norm(spoilt)


# The six equations once more, number by number, at 50 digits; gates are rows i, f, g, o of the
# stacked weights


def _exact(inputs: dict[str, Any]) -> dict[str, Any]:
    W_ih, W_hh, bias, x, h0, c0 = inputs.values()
    T, B, _ = x.shape
    H = h0.shape[1]
    h, c = h0, c0
    y = np.empty((T, B, H), dtype=object)
    for t in range(T):
        h_next, c_next = np.empty_like(h), np.empty_like(c)
        for b in range(B):
            for k in range(H):
                z = [
                    mpmath.fdot(W_hh[row], h[b]) + mpmath.fdot(W_ih[row], x[t, b]) + bias[row]
                    for row in (k, H + k, 2 * H + k, 3 * H + k)
                ]
                i, f, o = (1 / (1 + mpmath.exp(-z[gate])) for gate in (0, 1, 3))
                c_next[b, k] = f * c[b, k] + i * mpmath.tanh(z[2])
                h_next[b, k] = o * mpmath.tanh(c_next[b, k])
        h, c = h_next, c_next
        y[t] = h
    return dict(zip(OUTPUTS, (y, h, c), strict=True))


_to_exact = np.vectorize(mpmath.mpf, otypes=[object])


@pytest.mark.parametrize(
    ("sizes", "seed"), [((1, 1, 1, 1), 0), ((3, 2, 3, 2), 1), ((4, 1, 1, 3), 2)]
)
def test_outputs_and_gradients_are_right_to_14_digits(
    sizes: tuple[int, int, int, int], seed: int
) -> None:
    problem = draw(*sizes, seed)
    actual = expected_results(problem)
    with mpmath.workdps(DIGITS):
        inputs = {name: _to_exact(array) for name, array in _inputs(problem).items()}
        dy, dh, dc = (_to_exact(array) for array in (problem.dy, *problem.dstate))

        def loss(inputs: dict[str, Any]) -> Any:
            y, h, c = _exact(inputs).values()
            return (y * dy).sum() + (h * dh).sum() + (c * dc).sum()

        exact = _exact(inputs) | dict(_differences(loss, inputs, mpmath.mpf(10) ** -20))
    assert set(exact) == set(actual)
    for name, array in exact.items():
        assert relative_error(actual[name], array.astype(np.float64)) <= 1e-14, name


def test_the_50_digits_are_there() -> None:
    with mpmath.workdps(DIGITS):
        ((_, gradient),) = _differences(
            lambda inputs: mpmath.exp(inputs["z"][0]),
            {"z": _to_exact(np.ones(1))},
            mpmath.mpf(10) ** -20,
        )
        assert abs(gradient[0] - mpmath.e) < mpmath.mpf(10) ** -28


@pytest.mark.parametrize("part", sorted(PARTS))
def test_torch_s_own_lstm_and_autograd_agree(part: str) -> None:
    torch = pytest.importorskip("torch")
    problem = _loss_of(draw(6, 3, 5, 4), part)
    arrays = {
        name: torch.tensor(array, requires_grad=True) for name, array in _inputs(problem).items()
    }
    lstm = torch.nn.LSTM(5, 4, dtype=torch.float64)
    weights = dict(
        zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"), list(arrays.values())[:3], strict=True)
    )
    weights["bias_hh_l0"] = torch.zeros(16, dtype=torch.float64)
    state = (arrays["h0"][None], arrays["c0"][None])
    y, (h, c) = torch.func.functional_call(lstm, weights, (arrays["x"], state))
    dy, dh, dc = (torch.tensor(array) for array in (problem.dy, *problem.dstate))
    ((y * dy).sum() + (h[0] * dh).sum() + (c[0] * dc).sum()).backward()
    actual = expected_results(problem)
    for name, tensor in zip(OUTPUTS, (y, h[0], c[0]), strict=True):
        assert relative_error(actual[name], tensor.detach().numpy()) <= 1e-14, name
    for name, tensor in arrays.items():
        assert relative_error(actual[name], tensor.grad.numpy()) <= 1e-14, name


def test_the_sigmoid_is_right_at_both_ends_and_quiet() -> None:
    from lstmbench.core.oracle import sigmoid

    z = np.array([-np.inf, -1e4, -745.0, -40.0, 0.0, 40.0, 1e4, np.inf])
    with np.errstate(all="raise", under="ignore"):
        actual = sigmoid(z)
    assert actual[[0, 1]].tolist() == [0, 0]
    assert actual[4] == 0.5
    assert actual[[6, 7]].tolist() == [1, 1]
    with mpmath.workdps(DIGITS):
        exact = [float(1 / (1 + mpmath.exp(-mpmath.mpf(value)))) for value in z[2:6]]
    assert actual[3:6] == pytest.approx(exact[1:], rel=1e-15)
    assert np.isnan(sigmoid(np.array(np.nan)))
