"""What must hold of every LSTM whatever its weights, without an oracle: checked in float64 on every
implementation.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from conformance import GRADIENTS, Array, cases, draw, results

import lstmbench as lb
from lstmbench.core.tolerance import TOLERANCE, relative_error

pytestmark = pytest.mark.parametrize(("name", "dtype", "device"), cases("float64"))
PROBLEM = draw(6, 4, 3, 5, seed=11)
T, B, _ = PROBLEM.x.shape


@cache
def loaded(name: str, device: str) -> lb.LSTM:
    """Return an implementation that is loaded, and compiled, once for all of these tests."""
    return lb.load(name, PROBLEM.params, device=device, dtype="float64")


@pytest.fixture
def lstm(name: str, dtype: str, device: str) -> lb.LSTM:
    return loaded(name, device)


def _same(found: Any, wanted: Any) -> bool:
    return relative_error(found, wanted) <= TOLERANCE["float64"]


def test_sequences_of_a_batch_do_not_know_of_each_other(lstm: lb.LSTM) -> None:
    order = np.array([2, 0, 3, 1])
    pairs = (PROBLEM.state, PROBLEM.dstate)
    state, dstate = (tuple(array[order] for array in pair) for pair in pairs)
    shuffled = replace(
        PROBLEM, x=PROBLEM.x[:, order], state=state, dy=PROBLEM.dy[:, order], dstate=dstate
    )
    found, plain = results(lstm, shuffled), results(lstm, PROBLEM)
    for key in ("y", "x"):
        assert _same(found[key], plain[key][:, order]), key
    for key in ("h", "c", "h0", "c0"):
        assert _same(found[key], plain[key][order]), key
    for key in ("weight_ih", "weight_hh", "bias"):  # sums over the batch
        assert _same(found[key], plain[key]), key


def test_gradients_of_a_batch_are_the_sum_over_its_sequences(lstm: lb.LSTM) -> None:
    whole = results(lstm, PROBLEM)
    parts = []
    for half in (slice(0, B // 2), slice(B // 2, B)):
        state, dstate = (
            tuple(array[half] for array in pair) for pair in (PROBLEM.state, PROBLEM.dstate)
        )
        part = replace(
            PROBLEM, x=PROBLEM.x[:, half], state=state, dy=PROBLEM.dy[:, half], dstate=dstate
        )
        parts.append(results(lstm, part))
    for key in ("weight_ih", "weight_hh", "bias"):
        assert _same(parts[0][key] + parts[1][key], whole[key]), key


@pytest.mark.parametrize("t", [0, 3, T - 1])
def test_the_past_does_not_know_of_the_future(lstm: lb.LSTM, t: int) -> None:
    x = PROBLEM.x.copy()
    x[t] += 1
    y, plain = lstm.forward(x, PROBLEM.state)[0], lstm.forward(PROBLEM.x, PROBLEM.state)[0]
    if t > 0:
        assert _same(y[:t], plain[:t])
    assert all(np.abs(y[s] - plain[s]).max() > 1e-6 for s in range(t, T))


@pytest.mark.parametrize("t", [0, 3, T - 1])
def test_a_loss_at_one_time_has_no_gradient_after_it(lstm: lb.LSTM, t: int) -> None:
    dy = np.zeros_like(PROBLEM.dy)
    dy[t] = PROBLEM.dy[t]
    dx = lstm.backward(PROBLEM.x, dy, PROBLEM.state).x
    assert not dx[t + 1 :].any()
    assert all(np.abs(dx[s]).max() > 1e-6 for s in range(t + 1))


def test_gradients_are_linear_in_what_comes_from_above(lstm: lb.LSTM) -> None:
    random = np.random.default_rng(5)
    dy, dh, dc = (random.normal(size=array.shape) for array in (PROBLEM.dy, *PROBLEM.dstate))
    (dh1, dc1) = PROBLEM.dstate
    mixed = lstm.backward(
        PROBLEM.x, 2 * PROBLEM.dy - dy, PROBLEM.state, (2 * dh1 - dh, 2 * dc1 - dc)
    )
    first = lstm.backward(PROBLEM.x, PROBLEM.dy, PROBLEM.state, PROBLEM.dstate)
    second = lstm.backward(PROBLEM.x, dy, PROBLEM.state, (dh, dc))
    for key in GRADIENTS:
        assert _same(getattr(mixed, key), 2 * getattr(first, key) - getattr(second, key)), key


def test_no_loss_has_no_gradient(lstm: lb.LSTM) -> None:
    for key, gradient in zip(
        GRADIENTS, lstm.backward(PROBLEM.x, np.zeros_like(PROBLEM.dy), PROBLEM.state), strict=True
    ):
        assert not gradient.any(), key


def _load(name: str, device: str, bias: Array) -> lb.LSTM:
    """An LSTM of 5 units that sees 3 inputs, with no weights but its bias, (4H,)."""
    return lb.load(
        name,
        lb.LSTMParams(np.zeros((20, 3)), np.zeros((20, 5)), bias),
        device=device,
        dtype="float64",
    )


def test_without_weights_the_cell_is_halved_at_each_step(
    name: str, dtype: str, device: str
) -> None:
    lstm = _load(name, device, np.zeros(20))
    c0 = PROBLEM.state[1]
    cs = c0 * 0.5 ** np.arange(1, T + 1)[:, None, None]
    y, (h, c) = lstm.forward(PROBLEM.x, PROBLEM.state)
    assert _same(y, np.tanh(cs) / 2)
    assert _same(h, np.tanh(cs[-1]) / 2)
    assert _same(c, cs[-1])
    # d(sum of c_T) / d c0 = 2^-T, and nothing else of the input matters
    gradients = lstm.backward(
        PROBLEM.x, np.zeros_like(y), PROBLEM.state, (np.zeros_like(h), np.ones_like(c))
    )
    assert _same(gradients.c0, np.full_like(c0, 0.5**T))
    assert not gradients.x.any()
    assert not gradients.h0.any()


def test_with_a_bias_only_each_gate_has_its_closed_form(name: str, dtype: str, device: str) -> None:
    i, f, o = (1 / (1 + np.exp(-z)) for z in (0.3, -0.7, 1.1))
    g = np.tanh(0.9)
    lstm = _load(name, device, np.repeat([0.3, -0.7, 0.9, 1.1], 5))  # i, f, g, o
    c0 = PROBLEM.state[1]
    powers = f ** np.arange(1, T + 1)[:, None, None]
    cs = powers * c0 + i * g * (1 - powers) / (1 - f)
    y, (_, c) = lstm.forward(PROBLEM.x, PROBLEM.state)
    assert _same(c, cs[-1])
    assert _same(y, o * np.tanh(cs))


def test_a_closed_input_gate_and_an_open_forget_gate_keep_the_cell(
    name: str, dtype: str, device: str
) -> None:
    lstm = _load(name, device, np.repeat([-1e3, 1e3, 0.5, 0.0], 5))
    _, (_, c) = lstm.forward(PROBLEM.x, PROBLEM.state)
    assert _same(c, PROBLEM.state[1])
