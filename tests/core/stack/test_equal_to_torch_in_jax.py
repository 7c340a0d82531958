"""Stacks in JAX against nn.LSTM, as in test_equal_to_torch.py; apart, since XLA compiles each
combination anew.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stacks import check, kinds, problem_of, sizes

from examples import examples

pytest.importorskip("torch")
pytest.importorskip("jax")


# Layers, directions, projection, bias, lengths: among these, every two of them in every
# combination, and all at once. How layers are put together is the same for all frameworks, and is
# tried with NumPy and PyTorch in all combinations.
COMBINATIONS = (
    (1, False, 0, True, False),
    (3, True, 2, True, True),
    (2, False, 0, False, True),
    (1, True, 2, False, False),
    (2, False, 2, True, False),
    (3, False, 0, False, False),
    (1, True, 0, True, True),
    (2, True, 0, True, False),
)
QUICK = COMBINATIONS[:2]


@pytest.mark.parametrize(
    ("layers", "both", "proj_size", "bias", "varied"),
    [pytest.param(*each, marks=[pytest.mark.slow] * (each not in QUICK)) for each in COMBINATIONS],
)
def test_any_two_features_together_are_nn_lstm(
    layers: int, both: bool, proj_size: int, bias: bool, varied: bool
) -> None:
    kind = {"num_layers": layers, "bidirectional": both, "proj_size": proj_size, "bias": bias}
    sizes = {"T": 4, "B": 3, "input_size": 3, "hidden_size": 4}
    check("jax.scan", problem_of(sizes, kind, varied, seed=1))


@examples(5)
@given(sizes=sizes, kind=kinds, varied=st.booleans(), seed=st.integers(0, 2**32))
def test_all_shapes_are_nn_lstm(
    sizes: dict[str, int], kind: dict[str, Any], varied: bool, seed: int
) -> None:
    check("jax.scan", problem_of(sizes, kind, varied, seed))


def test_inputs_whose_width_is_a_multiple_already_stay_one() -> None:
    kind = {"num_layers": 2, "bidirectional": True, "proj_size": 0, "bias": True}
    check(
        "jax.scan",
        problem_of({"T": 4, "B": 3, "input_size": 16, "hidden_size": 8}, kind, True, seed=1),
    )
