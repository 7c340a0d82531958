"""Samples, the repetition in controls, and memory by time steps, in this process."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmbench.measure.inputs import SETS, write_inputs
from lstmbench.measure.process import prepared_case as module
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.suites.case import Workload

WORKLOAD = Workload("training", batch_size=4, seq_len=100, input_size=32, hidden_size=32)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("case") / "inputs.npz"
    write_inputs(WORKLOAD, 0, path)
    return path


@pytest.fixture
def scope() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def counted(case: PreparedCase, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replace the timed method by one that records the lengths of its sequences."""
    steps: list[int] = []
    monkeypatch.setattr(case, "method", lambda x, *rest: steps.append(len(x)))
    return steps


def test_calls_alternate_between_the_sets_of_inputs(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    seen: list[int] = []
    monkeypatch.setattr(case, "method", lambda x, *rest: seen.append(id(x)))
    case.run(3), case.run(2)
    assert len(seen) == 5
    assert len(set(seen)) == SETS
    assert all(first != second for first, second in itertools.pairwise(seen))


def test_there_is_no_gap_between_samples(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All time from the first sample's start to the last one's end is in some sample."""
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    steps = counted(case, monkeypatch)
    times = itertools.count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: 0.5 * next(times))
    case.calls = 4
    samples = case.samples(3.0)
    assert sum(samples) * case.calls == 0.5 * (next(times) - 1)
    assert len(steps) == case.calls * len(samples) == 24
    assert len(case.samples(0.0)) == 1


def test_a_control_of_short_calls_repeats_whole_calls_and_its_true_ratio_follows_from_their_count(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope, repeat=0.05)
    steps = counted(case, monkeypatch)
    assert case.calibrate(1e-4, turn_s=0.01) == {"true_ratio": 1.05, "whole_calls": True}
    assert case.calls == 20
    case.samples(0.0)
    assert steps == [100] * 21


def test_a_control_of_long_calls_repeats_time_steps_and_its_true_ratio_is_measured(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope, repeat=0.05)
    steps = counted(case, monkeypatch)
    times = iter([0.2, 2.0] * module.CALIBRATION_PAIRS)
    monkeypatch.setattr(case, "_time", lambda inputs: next(times))
    calibration = case.calibrate(2.0, turn_s=0.01)
    assert (case.calls, calibration["whole_calls"]) == (1, False)
    # A call of few steps costs more than its share
    assert calibration["true_ratio"] == pytest.approx(1.1)
    case.samples(0.0)
    assert steps == [100, 5]


def test_a_control_repeats_what_another_process_has_decided(inputs: Path, scope: ExitStack) -> None:
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope, repeat=0.05)
    assert case.calibrate(2.0, turn_s=0.01, whole_calls=True)["true_ratio"] == 1.05
    assert case.calls == 20
    assert case.calibrate(1e-3, turn_s=1.0, whole_calls=False)["true_ratio"] > 1
    assert case.calls == 1


def test_a_case_that_is_no_control_repeats_nothing(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    steps = counted(case, monkeypatch)
    assert case.calibrate(2.0, turn_s=0.01)["true_ratio"] == 1.0
    case.samples(0.0)
    assert steps == [100]


def test_hidden_memory_of_an_implementation_is_missing_and_not_0(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    monkeypatch.setattr(type(case.lstm.implementation), "hides_memory", True, raising=False)
    assert case.allocated_bytes() is None and case.allocated_bytes(50) is None


def test_half_of_the_steps_take_about_half_of_the_memory(inputs: Path, scope: ExitStack) -> None:
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    whole, half = case.allocated_bytes(), case.allocated_bytes(50)
    assert whole is not None and half is not None
    per_step = (whole - half) / 50
    assert per_step == pytest.approx(WORKLOAD.formula_bytes_per_step, rel=0.15)


def test_a_case_whose_memory_is_measured_holds_one_set_of_inputs_and_no_answers(
    inputs: Path, scope: ExitStack
) -> None:
    """Answers, further inputs and float64 copies stay in the file."""
    case = PreparedCase("numpy.fused", WORKLOAD, inputs, scope, sets=1)
    case.check(case.call(0))
    large = [array for array in _arrays(vars(case)) if array.ndim == 3]
    assert {array.dtype.name for array in large} == {"float32"}
    assert len(large) == 2  # x and dy
    assert case.call(0) and case.allocated_bytes(50)


def _arrays(thing: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the arrays in nested lists, tuples and mappings."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, dict):
        yield from _arrays(list(thing.values()))
    elif isinstance(thing, list | tuple):
        for item in thing:
            yield from _arrays(item)
