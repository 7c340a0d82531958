"""The oracle of stacks against finite differences, with everything at once; and against the oracle
of one layer.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
from stacks import Array, Problem, draw, oracle_results

import lstmbench as lb
from lstmbench.core import oracle
from lstmbench.core.stack import stack_oracle
from lstmbench.core.stack.dropout import draw_masks

KINDS = {
    "peepholes, projection, both directions": {
        "num_layers": 2,
        "bidirectional": True,
        "proj_size": 2,
        "peephole": True,
    },
    "peepholes alone": {"peephole": True},
    "projection without bias": {"num_layers": 2, "proj_size": 1, "bias": False},
}


def _loss(problem: Problem) -> float:
    T, B, _ = problem.x.shape
    masks = draw_masks(problem.params, T, B, 0.4, 5)
    outputs, _ = stack_oracle.forward(
        problem.params, problem.x, *problem.state, problem.lengths, masks
    )
    return float(
        sum((a * b).sum() for a, b in zip(outputs, (problem.dy, *problem.dstate), strict=True))
    )


def _inputs(problem: Problem) -> dict[str, Array]:
    """All that gradients are taken of, by the names that they bear; the arrays themselves."""
    D = problem.params.num_directions
    weights = {
        f"{k // D}.{k % D}.{name}": array
        for k, each in enumerate(problem.params)
        for name, array in each.weights().items()
    }
    return weights | {"dx": problem.x, "dh0": problem.state[0], "dc0": problem.state[1]}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_gradients_are_those_of_finite_differences(kind: dict[str, int]) -> None:
    params = lb.StackParams.init(2, 3, **kind, seed=2)
    problem = draw(4, 3, params, varied=False)
    problem = replace(problem, lengths=np.array([2, 4, 1]))
    actual = oracle_results(problem, dropout=0.4, seed=5)
    for name, array in _inputs(problem).items():
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + 1e-5
            above = _loss(problem)
            array[index] = kept - 1e-5
            slope = (above - _loss(problem)) / 2e-5
            array[index] = kept
            assert abs(actual[name][index] - slope) <= 1e-8 * (1 + abs(slope)), (name, index)


def test_one_layer_in_one_direction_is_the_oracle_of_the_cell() -> None:
    params = lb.StackParams.init(3, 4, peephole=True)
    problem = draw(5, 2, params, varied=False)
    ours = oracle_results(problem)
    (layer,) = params
    weights = oracle.split_weights(layer)
    h0, c0, dh, dc = (array[0] for array in (*problem.state, *problem.dstate))
    steps = oracle.forward(weights, problem.x, h0, c0)
    names = (*(field.name for field in fields(lb.Gradients)), "peephole")
    gradients = oracle.backward(weights, steps, c0, problem.dy, dh, dc)
    theirs = dict(zip(names, gradients, strict=True))
    assert np.allclose(ours["y"], [step.h for step in steps], rtol=1e-13)
    for name, their_name in {
        "0.0.weight_ih": "weight_ih",
        "0.0.peephole": "peephole",
        "dx": "x",
    }.items():
        assert np.allclose(ours[name], theirs[their_name], rtol=1e-13), name
    assert np.allclose(ours["dc0"][0], theirs["c0"], rtol=1e-13)


def test_what_stands_beyond_a_length_is_not_read() -> None:
    problem = replace(
        draw(4, 2, lb.StackParams.init(2, 3, 2, bidirectional=True), False),
        lengths=np.array([2, 4]),
    )
    plain = oracle_results(problem)
    problem.x[2:, 0] = np.nan
    problem.dy[2:, 0] = np.inf
    assert all(
        np.array_equal(array, plain[name]) for name, array in oracle_results(problem).items()
    )
    assert not plain["y"][2:, 0].any()
    assert not plain["dx"][2:, 0].any()
