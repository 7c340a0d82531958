"""Dropout between layers: the same outputs are dropped in every backend, and the gradients are of
that very pass.
"""

from typing import Any

import numpy as np
import pytest
from stacks import draw, errors, oracle_results, stack_results

import lstmbench as lb
from lstmbench.core.stack.dropout import draw_masks

NAMES = ["numpy.reference", "numpy.fused", "torch.loop", "torch.fused", "torch.nn", "jax.fused"]
PARAMS = lb.StackParams.init(3, 5, 3, bidirectional=True, seed=6)


@pytest.mark.parametrize("name", NAMES)
def test_every_backend_drops_the_same(name: str) -> None:
    pytest.importorskip(name.partition(".")[0])
    problem = draw(6, 4, PARAMS, varied=True)
    ours = stack_results(lb.load(name, PARAMS, dtype="float64"), problem, dropout=0.3, seed=9)
    assert max(errors(ours, oracle_results(problem, 0.3, 9)).values()) <= 1e-12


def test_the_seed_decides_and_without_dropout_there_is_none() -> None:
    x = draw(6, 4, PARAMS, varied=False).x
    stack = lb.load("numpy.fused", PARAMS)
    first, again, other, none, plain = (
        stack.forward(x, dropout=dropout, seed=seed)[0]
        for dropout, seed in ((0.5, 1), (0.5, 1), (0.5, 2), (0.0, 1), (0, None))
    )
    assert np.array_equal(first, again)
    assert np.array_equal(none, plain)
    assert not np.allclose(first, other)
    assert not np.allclose(first, plain)


def test_masks_keep_the_mean_and_are_drawn_for_each_layer_but_the_last() -> None:
    masks = draw_masks(PARAMS, 100, 20, 0.25, seed=0)
    assert [mask.shape for mask in masks] == [(100, 20, 10)] * 2
    assert set(np.unique(masks[0])) == {0, 1 / 0.75}
    assert abs(masks[0].mean() - 1) < 0.02
    assert not np.array_equal(*masks)
    assert draw_masks(lb.StackParams.init(3, 5), 4, 2, 0.5, seed=0) == ()


@pytest.mark.parametrize(
    "dropout", [1, 1.0, -0.1, 2, float("nan"), float("inf"), "0.5", None, True, [0.5]], ids=repr
)
def test_a_dropout_out_of_range_is_refused(dropout: Any) -> None:
    stack = lb.load("numpy.fused", PARAMS)
    with pytest.raises(lb.LstmbenchError) as caught:
        stack.forward(np.ones((2, 1, 3)), dropout=dropout, seed=0)
    assert (
        str(caught.value) == f"dropout must be a number from 0 to below 1, but it is {dropout!r}."
    )


def test_a_dropout_needs_a_seed() -> None:
    stack = lb.load("numpy.fused", PARAMS)
    with pytest.raises(lb.LstmbenchError) as caught:
        stack.backward(np.ones((2, 1, 3)), np.ones((2, 1, 10)), dropout=0.5)
    assert (
        str(caught.value)
        == "With a dropout of 0.5 a seed must be given, a whole number of at least 0."
    )
    with pytest.raises(
        lb.LstmbenchError, match=r"seed must be a whole number of at least 0, but it is 1\.5"
    ):
        stack.forward(np.ones((2, 1, 3)), dropout=0.5, seed=1.5)  # type: ignore[arg-type]
