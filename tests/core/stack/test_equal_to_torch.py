"""Stacks against nn.LSTM in float64, to 1e-10: every layer count, direction, length, bias and
projection.
"""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stacks import EVERY, check, errors, kinds, native_results, problem_of, sizes, torch_results

import lstmbench as lb
from examples import examples

pytest.importorskip("torch")


@pytest.mark.parametrize("varied", [False, True], ids=["padded", "lengths"])
@pytest.mark.parametrize(
    "kind", EVERY, ids=lambda kind: "-".join(str(value) for value in kind.values())
)
@pytest.mark.parametrize("name", ["numpy.fused", "torch.fused", "torch.nn", "oracle"])
def test_every_combination_is_nn_lstm(name: str, kind: dict[str, Any], varied: bool) -> None:
    problem = problem_of({"T": 6, "B": 4, "input_size": 3, "hidden_size": 5}, kind, varied, seed=1)
    check(name, problem)


@pytest.mark.parametrize("name", ["numpy.fused", "torch.fused", "oracle"])
@examples(40)
@given(sizes=sizes, kind=kinds, varied=st.booleans(), seed=st.integers(0, 2**32))
@example(
    sizes={"T": 1, "B": 1, "input_size": 1, "hidden_size": 2},
    kind={"num_layers": 3, "bidirectional": True, "proj_size": 1, "bias": True},
    varied=True,
    seed=0,
).via("one step, projected")
@example(
    sizes={"T": 130, "B": 3, "input_size": 2, "hidden_size": 3},
    kind={"num_layers": 2, "bidirectional": True, "proj_size": 0, "bias": True},
    varied=True,
    seed=0,
).via("long")
def test_all_shapes_are_nn_lstm(
    name: str, sizes: dict[str, int], kind: dict[str, Any], varied: bool, seed: int
) -> None:
    check(name, problem_of(sizes, kind, varied, seed))


@pytest.mark.parametrize("name", ["numpy.fused", "torch.fused"])
def test_a_gate_that_does_not_hold_would_be_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstmbench.core.stack import layer

    monkeypatch.setattr(layer, "GATE_SATURATION", 20.0)
    problem = problem_of(
        {"T": 6, "B": 4, "input_size": 3, "hidden_size": 5}, EVERY[0], True, seed=1
    )
    with pytest.raises(AssertionError):
        check(name, problem)


def test_a_direction_that_starts_at_the_padding_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lstmbench.core.stack.composed_stack import ComposedStack

    monkeypatch.setattr(
        ComposedStack, "_reorder", lambda self, x, k, _: self.framework.flip(x) if k % 2 else x
    )
    both = EVERY[0] | {"bidirectional": True}
    check(
        "numpy.fused",
        problem_of({"T": 6, "B": 4, "input_size": 3, "hidden_size": 5}, both, False, seed=1),
    )
    with pytest.raises(AssertionError):
        check(
            "numpy.fused",
            problem_of({"T": 6, "B": 4, "input_size": 3, "hidden_size": 5}, both, True, seed=1),
        )


NARROW = [
    pair
    for pair in product(
        ["numpy.fused", "torch.fused", "torch.recompute", "torch.nn", "jax.fused"],
        ["float32", "bfloat16"],
        [0, 3],
        [False, True],
    )
    if pair[0] != "jax.fused"
    or pair[2:] in ((0, False), (3, True))  # XLA compiles each for seconds
]


@pytest.mark.parametrize(("name", "dtype", "proj_size", "varied"), NARROW)
def test_narrow_dtypes_are_as_close_as_they_can_be(
    name: str, dtype: str, proj_size: int, varied: bool
) -> None:
    pytest.importorskip(name.partition(".")[0])
    if dtype == "bfloat16" and name == "numpy.fused":
        pytest.skip("NumPy has no bfloat16")
    kind = {"num_layers": 2, "bidirectional": True, "proj_size": proj_size, "bias": True}
    problem = problem_of({"T": 6, "B": 4, "input_size": 3, "hidden_size": 5}, kind, varied, seed=1)
    ours = native_results(lb.load(name, problem.params, dtype=dtype), problem)
    expected = torch_results(problem)
    assert all(array.dtype == np.float32 for array in ours.values())
    assert max(errors(ours, expected).values()) < {"float32": 1e-5, "bfloat16": 5e-2}[dtype]
