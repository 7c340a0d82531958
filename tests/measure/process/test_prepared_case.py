"""What is timed, in this process: samples, what a control repeats, and memory by time steps."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmbench.measure.inputs import SETS, write_with_answers
from lstmbench.measure.process import prepared_case as module
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.suites.case import Workload

WORKLOAD = Workload("training", batch_size=4, seq_len=100, input_size=32, hidden_size=32)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("held") / "inputs.npz"
    write_with_answers(WORKLOAD, 0, path)
    return path


@pytest.fixture
def scope() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def counted(held: PreparedCase, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Make the method remember the lengths of the sequences that it is called with."""
    steps: list[int] = []
    monkeypatch.setattr(held, "method", lambda x, *rest: steps.append(len(x)))
    return steps


def test_calls_are_made_on_inputs_in_turn(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    seen: list[int] = []
    monkeypatch.setattr(held, "method", lambda x, *rest: seen.append(id(x)))
    held.run(3), held.run(2)
    assert len(seen) == 5
    assert len(set(seen)) == SETS
    assert all(first != second for first, second in itertools.pairwise(seen))


def test_samples_follow_each_other_without_a_gap(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the clock shows between the first sample's start and the last one's end is in some
    sample.
    """
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    steps = counted(held, monkeypatch)
    times = itertools.count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: 0.5 * next(times))
    held.calls = 4
    found = held.samples(3.0)
    assert sum(found) * held.calls == 0.5 * (next(times) - 1)
    assert len(steps) == held.calls * len(found) == 24
    assert len(held.samples(0.0)) == 1


def test_a_control_of_short_calls_repeats_whole_calls_and_its_truth_is_their_count(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope, repeat=0.05)
    steps = counted(held, monkeypatch)
    held.calibrate(1e-4, turn_s=0.01)
    assert held.calls == 20 and held.true_ratio == 1.05
    held.samples(0.0)
    assert steps == [100] * 21


def test_a_control_of_long_calls_repeats_time_steps_and_its_truth_is_measured(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope, repeat=0.05)
    steps = counted(held, monkeypatch)
    times = iter([0.2, 2.0] * module.CALIBRATION_PAIRS)
    monkeypatch.setattr(held, "_time", lambda inputs: next(times))
    held.calibrate(2.0, turn_s=0.01)
    assert (held.calls, held.true_ratio) == (
        1,
        pytest.approx(1.1),
    )  # a call of few steps costs more than its share
    held.samples(0.0)
    assert steps == [100, 5]


def test_what_another_process_has_decided_is_repeated_whatever_the_time(
    inputs: Path, scope: ExitStack
) -> None:
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope, repeat=0.05)
    held.calibrate(2.0, turn_s=0.01, whole_calls=True)
    assert (held.calls, held.true_ratio) == (20, 1.05)
    held.calibrate(1e-3, turn_s=1.0, whole_calls=False)
    assert held.calls == 1 and held.true_ratio > 1


def test_what_is_no_control_repeats_nothing(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    steps = counted(held, monkeypatch)
    held.calibrate(2.0, turn_s=0.01)
    held.samples(0.0)
    assert (steps, held.true_ratio) == ([100], 1.0)


def test_where_an_implementation_s_memory_is_not_seen_it_is_missing_and_not_0(
    inputs: Path, scope: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    monkeypatch.setattr(type(held.lstm.implementation), "hides_memory", True, raising=False)
    assert held.allocated_bytes() is None and held.allocated_bytes(50) is None


def test_memory_of_the_first_half_of_the_steps_is_about_half(
    inputs: Path, scope: ExitStack
) -> None:
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope)
    whole, half = held.allocated_bytes(), held.allocated_bytes(50)
    assert whole is not None and half is not None
    per_step = (whole - half) / 50
    assert per_step == pytest.approx(WORKLOAD.formula_bytes_per_step, rel=0.15)


def test_while_memory_is_measured_only_what_the_case_itself_needs_is_held(
    inputs: Path, scope: ExitStack
) -> None:
    """Neither the oracle's answers, nor a second set of inputs, nor any of them in float64: all are
    in the file.
    """
    held = PreparedCase("numpy.fused", WORKLOAD, inputs, scope, sets=1)
    held.check(held.call(0))
    large = [array for array in _arrays(vars(held)) if array.ndim == 3]
    assert {array.dtype.name for array in large} == {"float32"}
    assert len(large) == 2  # x and dy
    assert held.call(0) and held.allocated_bytes(50)


def _arrays(thing: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the arrays in nested lists, tuples and mappings."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, dict):
        yield from _arrays(list(thing.values()))
    elif isinstance(thing, list | tuple):
        for each in thing:
            yield from _arrays(each)
