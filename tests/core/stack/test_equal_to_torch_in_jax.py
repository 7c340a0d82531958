"""Stacks in JAX against nn.LSTM, as in test_equal_to_torch.py; apart, since XLA compiles each
combination anew.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stacks import EVERY, check, kinds, problem_of, sizes

from examples import examples

pytest.importorskip("torch")
pytest.importorskip("jax")


IN_SHORT = (EVERY[0], EVERY[-2])  # one plain layer; three, both directions, a projection, a bias


@pytest.mark.parametrize("varied", [False, True], ids=["padded", "lengths"])
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in IN_SHORT)) for kind in EVERY],
    ids=lambda kind: "-".join(str(value) for value in kind.values()),
)
def test_every_combination_is_nn_lstm(kind: dict[str, Any], varied: bool) -> None:
    check(
        "jax.scan",
        problem_of({"T": 4, "B": 3, "input_size": 3, "hidden_size": 4}, kind, varied, seed=1),
    )


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
