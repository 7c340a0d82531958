"""What is left of a gradient after many steps, and text that a trained model writes."""

import numpy as np
import pytest

import lstmbench as lb
from lstmbench.errors import LstmbenchError
from lstmbench.training.gradient_by_lag import KINDS, gradient_by_lag
from lstmbench.training.learner import Learner
from lstmbench.training.model import Model
from lstmbench.training.optimizer import Optimizer
from lstmbench.training.sampling import write
from lstmbench.training.tasks.language import alphabet


def test_the_gradient_is_that_of_the_last_state_with_respect_to_each_input() -> None:
    T, H = 12, 5
    found = (
        gradient_by_lag(T, H, sequences=3, seeds=1)
        .query("kind == 'LSTM, forget bias 1'")
        .set_index("lag")["norm"]
    )
    model = Model(1, H, 1, forget_bias=1.0)
    weights, draw = model.draw(0), np.random.default_rng([0, 1])
    x = draw.standard_normal((T, 3, 1))
    dh = draw.standard_normal((3, H))
    params = lb.LSTMParams(weights["weight_ih"], weights["weight_hh"], weights["bias"])
    lstm = lb.load("numpy.reference", params, dtype="float64")
    dx = lstm.backward(x, np.zeros((T, 3, H)), dstate=(dh, np.zeros((3, H)))).x
    norms = np.sqrt((dx**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(found.sort_index(ascending=False), norms / norms[-1], rtol=1e-9)


@pytest.mark.parametrize("implementation", ["numpy.fused", "torch.fused", "jax.fused"])
def test_an_open_forget_gate_keeps_what_a_plain_rnn_forgets(implementation: str) -> None:
    found = gradient_by_lag(100, 16, sequences=2, seeds=1, implementation=implementation)
    far = found[found["lag"] == 99].set_index("kind")["norm"]
    assert set(far.index) == set(KINDS)
    assert far["LSTM, forget bias 5"] > 1e6 * far["plain RNN"]


@pytest.fixture
def learner() -> Learner:
    characters = len(alphabet())
    model = Model(characters, 8, characters)
    return Learner("numpy.fused", model, model.draw(0), "cross_entropy", Optimizer())


def test_a_text_is_as_long_as_asked_and_the_same_for_the_same_seed(learner: Learner) -> None:
    text = write(learner, "The ", 50, seed=1)
    assert text.startswith("The ") and len(text) == 54
    assert text == write(learner, "The ", 50, seed=1) != write(learner, "The ", 50, seed=2)


def test_near_zero_degrees_only_the_likeliest_is_written(learner: Learner) -> None:
    assert write(learner, "é", 30, temperature=1e-6, seed=1) == write(
        learner, "é", 30, temperature=1e-6, seed=2
    )


@pytest.mark.parametrize(
    ("beginning", "temperature"), [("", 1.0), ("a", 0.0), ("a", -1.0), ("a", float("nan"))]
)
def test_what_cannot_be_written_is_refused(
    learner: Learner, beginning: str, temperature: float
) -> None:
    with pytest.raises(LstmbenchError, match="must be" if beginning else "must begin"):
        write(learner, beginning, 5, temperature)
