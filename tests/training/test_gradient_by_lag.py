"""Gradients over many time steps, before training."""

import numpy as np
import pytest

import lstmbench as lb
from lstmbench.training.gradient_by_lag import CELL_KINDS, gradient_by_lag
from lstmbench.training.model import ModelSpec


def test_norms_match_the_gradient_of_the_last_state() -> None:
    T, H = 12, 5
    by_lag = (
        gradient_by_lag(T, H, sequences=3, seeds=1)
        .query("kind == 'LSTM, forget bias 1'")
        .set_index("lag")["norm"]
    )
    spec = ModelSpec(1, H, 1, forget_bias=1.0)
    weights, rng = spec.initial_weights(0), np.random.default_rng([0, 1])
    x = rng.standard_normal((T, 3, 1))
    dh = rng.standard_normal((3, H))
    params = lb.LSTMParams(weights["weight_ih"], weights["weight_hh"], weights["bias"])
    lstm = lb.load("numpy.reference", params, dtype="float64")
    dx = lstm.backward(x, np.zeros((T, 3, H)), dstate=(dh, np.zeros((3, H)))).x
    norms = np.sqrt((dx**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(by_lag.sort_index(ascending=False), norms / norms[-1], rtol=1e-9)


@pytest.mark.parametrize("implementation", ["numpy.fused", "torch.fused", "jax.fused"])
def test_an_open_forget_gate_keeps_gradients_that_vanish_in_a_plain_rnn(
    implementation: str,
) -> None:
    by_lag = gradient_by_lag(100, 16, sequences=2, seeds=1, implementation=implementation)
    far = by_lag[by_lag["lag"] == 99].set_index("kind")["norm"]
    assert set(far.index) == set(CELL_KINDS)
    assert far["LSTM, forget bias 5"] > 1e6 * far["plain RNN"]
