import re

import numpy as np
import pytest

import lstmbench as lb
from lstmbench.core.cell_trace import add_forget_bias, forget_products, jacobian, trace


@pytest.fixture
def params():
    return lb.LSTMParams.init(input_size=2, hidden_size=3, seed=1)


@pytest.fixture
def x():
    return np.random.default_rng(2).standard_normal((7, 2))


def test_the_traced_states_are_those_of_the_oracle(params, x):
    traced = trace(params, x)
    y, (_, c) = lb.load("numpy.reference", params, dtype="float64").forward(x[:, None])
    np.testing.assert_array_equal(traced.h, y[:, 0])
    np.testing.assert_array_equal(traced.c[-1], c[0])
    np.testing.assert_array_equal(traced.x, x)


def test_the_traced_gates_give_the_traced_states_by_the_printed_equations(params, x):
    traced = trace(params, x)
    before = np.vstack([np.zeros(3), traced.c[:-1]])
    np.testing.assert_allclose(traced.c, traced.f * before + traced.i * traced.g, rtol=1e-15)
    np.testing.assert_allclose(traced.h, traced.o * np.tanh(traced.c), rtol=1e-15)


def test_a_flat_series_is_one_feature():
    params = lb.LSTMParams.init(input_size=1, hidden_size=2)
    np.testing.assert_array_equal(trace(params, [1.0, 2.0]).h, trace(params, [[1.0], [2.0]]).h)


@pytest.mark.parametrize("shape", [(0, 2), (5, 3), (5,), (5, 1, 2)])
def test_a_wrong_shape_is_refused_with_both_shapes(params, shape):
    sentence = f"x must have shape (T, 2) with T at least 1, but it has shape {shape}."
    with pytest.raises(lb.LstmbenchError, match=f"^{re.escape(sentence)}$"):
        trace(params, np.zeros(shape))


def test_the_forget_bias_goes_to_the_forget_gate_alone(params, x):
    biased = add_forget_bias(params, 1.5)
    difference = biased.bias - params.bias
    np.testing.assert_allclose(difference[3:6], 1.5)
    np.testing.assert_array_equal(np.delete(difference, slice(3, 6)), 0)
    before, after = trace(params, x), trace(biased, x)
    odds = (after.f / (1 - after.f)) / (before.f / (1 - before.f))
    np.testing.assert_allclose(odds[0], np.exp(1.5))  # the first step: later ones see another h
    np.testing.assert_array_equal(after.i[0], before.i[0])


def test_forget_products_run_from_the_end():
    f = np.array([[0.5, 1.0], [0.25, 0.5], [0.1, 0.2]])
    np.testing.assert_allclose(forget_products(f), [[0.025, 0.1], [0.1, 0.2], [1, 1]])


def test_the_jacobian_is_that_of_finite_differences(params, x):
    actual = jacobian(params, x, [3])[0]
    traced, lstm, eps = trace(params, x), lb.load("numpy.reference", params, dtype="float64"), 1e-6
    for unit in range(3):
        ends = []
        for sign in (1, -1):
            c = traced.c[2].copy()
            c[unit] += sign * eps
            _, (_, end) = lstm.forward(x[3:, None], (traced.h[2][None], c[None]))
            ends.append(end[0])
        np.testing.assert_allclose(
            actual[:, unit], (ends[0] - ends[1]) / (2 * eps), rtol=1e-7, atol=1e-10
        )


def test_without_recurrent_weights_the_forget_gates_are_all_there_is(params, x):
    alone = lb.LSTMParams(params.weight_ih, 0 * params.weight_hh, params.bias)
    products = forget_products(trace(alone, x).f)
    actual = jacobian(alone, x, range(1, 8))
    np.testing.assert_allclose(actual, [np.diag(row) for row in products], rtol=1e-14, atol=1e-15)


def test_with_recurrent_weights_they_are_not(params, x):
    products = forget_products(trace(params, x).f)
    assert not np.allclose(jacobian(params, x, [1])[0], np.diag(products[0]))


@pytest.mark.parametrize("time", [0, 8, -1])
def test_a_time_outside_the_sequence_is_refused(params, x, time):
    with pytest.raises(lb.LstmbenchError, match="between 1 and T = 7"):
        jacobian(params, x, [time])
