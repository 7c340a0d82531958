"""Layers, directions and lengths are measured like everything else: drawn, answered by an oracle,
gated, timed.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import mutants

import lstmbench as lb
from lstmbench.core.stack import stack_oracle
from lstmbench.measure import inputs
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.suites.case import Workload

STACK = Workload(
    "training",
    batch_size=3,
    seq_len=6,
    input_size=4,
    hidden_size=5,
    num_layers=2,
    bidirectional=True,
    dtype="float64",
)
STAGGERED = Workload(**(vars(STACK) | {"lengths": "staggered", "batch_size": 4}))
GRID = {
    "mode": ["inference", "training"],
    "num_layers": 2,
    "bidirectional": True,
    "lengths": ["full", "staggered"],
}


@pytest.fixture
def scope() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_weights_and_states_have_the_shapes_of_every_layer_and_direction() -> None:
    arrays = inputs.draw(STACK, 0)
    params = inputs.params_of(STACK, arrays)
    assert isinstance(params, lb.StackParams)
    assert (params.num_layers, params.num_directions, params.input_size, params.hidden_size) == (
        2,
        2,
        4,
        5,
    )
    assert [each.input_size for each in params] == STACK.layer_inputs
    assert arrays["h00"].shape == arrays["dc1"].shape == (4, 3, 5)
    assert arrays["dy0"].shape == (6, 3, 10)
    assert not any(name.startswith("lengths") for name in arrays)


def test_staggered_lengths_are_those_that_are_counted_in_an_order_that_is_drawn() -> None:
    drawn = inputs.draw(STAGGERED, 0)
    sets = [drawn[f"lengths{k}"] for k in range(inputs.SETS)]
    assert all(sorted(lengths) == [2, 3, 5, 6] for lengths in sets)
    assert all(lengths.sum() == STAGGERED.steps for lengths in sets)
    others = [tuple(inputs.draw(STAGGERED, seed)["lengths0"]) for seed in range(5)]
    assert len(set(others)) > 1


@pytest.mark.parametrize("workload", [STACK, STAGGERED], ids=["full", "staggered"])
def test_the_answers_are_the_oracle_s_for_each_set(workload: Workload, tmp_path: Path) -> None:
    inputs.write_inputs(workload, 3, tmp_path / "inputs.npz")
    with np.load(tmp_path / "inputs.npz", allow_pickle=False) as file:
        arrays = dict(file)
    params = inputs.params_of(workload, arrays)
    assert isinstance(params, lb.StackParams)
    for k in range(inputs.SETS):
        given = [arrays[f"{name}{k}"] for name in inputs.TRAINING]
        outputs, (weights, *rest) = stack_oracle.forward_backward(
            params, *given, arrays.get(f"lengths{k}")
        )
        for name, array in zip(inputs.OUTPUTS, outputs, strict=True):
            np.testing.assert_array_equal(arrays[f"answer_{name}{k}"], array)
        for name, array in zip(inputs.gradient_names(workload), (*weights, *rest), strict=True):
            np.testing.assert_array_equal(arrays[f"answer_d_{name}{k}"], array)


@pytest.mark.parametrize("name", ["numpy.fused", "torch.fused", "torch.nn", "jax.scan"])
@pytest.mark.parametrize("workload", [STACK, STAGGERED], ids=["full", "staggered"])
def test_implementations_of_every_framework_hold_against_it(
    name: str, workload: Workload, tmp_path: Path, scope: ExitStack
) -> None:
    pytest.importorskip(name.partition(".")[0])
    inputs.write_inputs(workload, 3, tmp_path / "inputs.npz")
    held = PreparedCase(name, workload, tmp_path / "inputs.npz", scope)
    for k in range(inputs.SETS):
        check = held.check(held.call(k), k)
        assert max(check["output_rel_error"], check["grad_rel_error"]) < 1e-12
    whole, half = held.allocated_bytes(), held.allocated_bytes(3)
    assert whole is not None and half is not None and whole > half


@pytest.mark.usefixtures("given_limits", "no_process_left")
def test_a_stack_of_what_is_wrong_gets_no_time(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["numpy.fused", "mutant.honest", "mutant.swapped"], GRID)
    records = done.records
    assert len(records) == 12
    assert set(records.loc[records["implementation"] != "mutant.swapped", "status"]) == {"ok"}
    wrong = records[records["implementation"] == "mutant.swapped"]
    assert set(wrong["status"]) == {"wrong_result"}
    assert wrong["time_median_s"].isna().all()
    assert set(records["num_layers"]) == {2} and records["bidirectional"].all()
    assert set(records["lengths"]) == {"full", "staggered"}
    assert pd.api.types.is_bool_dtype(records["bidirectional"])
