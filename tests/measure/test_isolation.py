"""A case that fails gets a status and a reason, and all others are measured as usual."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import install, mutants, skipped, uninstall, write_suite

import lstmbench as lb
from lstmbench.measure.process import forkserver, resource_limits
from lstmbench.variants.numpy_reference import NumpyReference

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("given_limits", "no_process_left")]
TIMES = [
    "time_median_s",
    "time_low_s",
    "time_high_s",
    "first_call_s",
    "compile_s",
    "ratio",
    "samples",
    "rounds",
]

FAILING = {
    "mutant.raises": ("failed", "RuntimeError: the sky fell"),
    "mutant.raises_when_loaded": ("failed", "KeyError: 'no such weight'"),
    "mutant.raises_later": ("failed", "RuntimeError: not twice"),
    "mutant.exits": ("failed", "the process ended with exit code 3"),
    "mutant.leaves_a_child_and_exits": ("failed", "the process ended with exit code 3"),
    "mutant.leaves": ("failed", "the process ended with exit code 1"),
    "mutant.segfaults": ("failed", "the process was killed by signal 11 (SIGSEGV)"),
    "mutant.asks_too_much": ("out_of_memory", "MemoryError: Unable to allocate"),
    "mutant.is_killed": ("out_of_memory", "the process was killed by signal 9 (SIGKILL)"),
    "mutant.fails_in_the_memory_pass": ("out_of_memory", "MemoryError: one pass too many"),
    "mutant.incomplete": (
        "failed",
        "it must return (y, h, c), or in training ((y, h, c), six gradients)",
    ),
}
WRONG = {
    "mutant.narrow": "y has shape (4, 2, 1), and (4, 2, 3) is right",
    "mutant.nan": "y has values that are not finite",
    "mutant.swapped": "output_rel_error is",
    "mutant.caches": "output_rel_error is",
    "mutant.stale": "output_rel_error is",
    "mutant.spoils": "output_rel_error is",
}
GOOD = ["mutant.honest", "mutant.talks", "numpy.fused"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, given_limits: None) -> Iterator[lb.Run]:
    """One run of all implementations: two workloads, two processes each."""
    folder = tmp_path_factory.mktemp("isolation")
    with pytest.MonkeyPatch.context() as monkeypatch:
        install(monkeypatch, folder / "site", mutants())
        names = [*GOOD, *FAILING, *WRONG]
        suite = write_suite(folder / "tiny.yaml", names, {"seq_len": [4, 5]}, {"processes": 2})
        yield lb.run(suite, folder / "out", progress=False, seed=0)
        uninstall(monkeypatch)


@pytest.fixture(scope="module")
def records(run: lb.Run) -> pd.DataFrame:
    return run.records


def row(records: pd.DataFrame, name: str, seq_len: int = 4) -> Mapping[str, Any]:
    (record,) = records[
        (records["implementation"] == name) & (records["seq_len"] == seq_len)
    ].to_dict("records")
    return record


@pytest.mark.parametrize("name", FAILING)
def test_a_failed_case_says_why(records: pd.DataFrame, name: str) -> None:
    status, reason = FAILING[name]
    assert (row(records, name)["status"], row(records, name)["error"][: len(reason)]) == (
        status,
        reason,
    )
    assert "\n" not in row(records, name)["error"]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_result_is_not_a_failure(records: pd.DataFrame, name: str) -> None:
    assert row(records, name)["status"] == "wrong_result"
    assert row(records, name)["error"].startswith(WRONG[name])
    assert row(records, name)["output_rel_error"] > 1e-5


@pytest.mark.parametrize("name", [*FAILING, *WRONG])
def test_a_case_that_is_not_ok_has_no_times(records: pd.DataFrame, name: str) -> None:
    assert all(pd.isna(row(records, name)[column]) for column in TIMES)


def test_only_cases_that_are_ok_have_samples(run: lb.Run) -> None:
    assert set(run.samples["implementation"]) == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("seq_len", [4, 5])
def test_good_cases_are_measured_beside_and_after_failing_ones(
    records: pd.DataFrame, name: str, seq_len: int
) -> None:
    record = row(records, name, seq_len)
    assert (record["status"], record["processes"]) == ("ok", 2)
    assert record["time_low_s"] <= record["time_median_s"] <= record["time_high_s"]


def test_every_case_has_its_row(run: lb.Run) -> None:
    assert len(run.records) == 2 * len([*GOOD, *FAILING, *WRONG])
    assert run.failed
    assert run.manifest["complete"]


@pytest.mark.parametrize("name", FAILING)
def test_a_case_that_failed_in_one_workload_is_tried_in_the_next(
    records: pd.DataFrame, name: str
) -> None:
    assert row(records, name, 5)["error"][:20] == row(records, name, 4)["error"][:20]


def test_a_wrong_gradient_costs_the_training_row_only(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["numpy.fused", "mutant.detached"], {"mode": ["inference", "training"]})
    records = done.records.set_index(["implementation", "mode"])
    assert records.loc[("mutant.detached", "inference"), "status"] == "ok"
    wrong = records.loc[("mutant.detached", "training")]
    assert wrong["status"] == "wrong_result"
    assert wrong["error"].startswith("grad_rel_error is")
    assert wrong["error"].endswith("at most 1e-05 is allowed for float32")
    assert wrong["output_rel_error"] <= 1e-5 < wrong["grad_rel_error"]
    assert pd.isna(wrong["time_median_s"])
    assert (records["status"] == "ok").sum() == 3


def test_a_case_that_sleeps_is_flagged_and_one_that_computes_is_not(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["mutant.honest", "mutant.sleeps"], budget={"min_rounds": 20, "turn_s": 0.005})
    record = row(done.records, "mutant.sleeps")
    assert (record["status"], record["flags"]) == ("ok", "waits")
    assert record["cores_busy"] < 0.5
    assert row(done.records, "mutant.honest")["flags"] != "waits"


@pytest.mark.slow
def test_a_case_with_more_threads_than_allowed_gets_no_time(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["mutant.honest", "mutant.crowds"], budget={"min_rounds": 20, "turn_s": 0.005})
    record = row(done.records, "mutant.crowds")
    assert record["status"] == "failed"
    assert "but 1 are allowed" in record["error"]
    assert pd.isna(record["time_median_s"])
    assert row(done.records, "mutant.honest")["status"] == "ok"


@pytest.mark.slow
def test_spinning_threads_are_waited_for_and_a_case_whose_threads_never_stop_fails(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    """They would take a core from the next implementation's turn."""
    plugins(mutants())
    done = measure(["mutant.honest", "mutant.spins", "mutant.spins_a_while"])
    record = row(done.records, "mutant.spins")
    assert (record["status"], record["error"]) == (
        "failed",
        "its threads still computed 1 s after it had answered",
    )
    assert pd.isna(record["time_median_s"])
    assert row(done.records, "mutant.honest")["status"] == "ok"
    assert "still computed" not in str(row(done.records, "mutant.spins_a_while")["error"])


@pytest.mark.slow
def test_a_case_that_hangs_is_killed_after_its_timeout(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    hang = ["mutant.hangs", "mutant.hangs_later"]
    done = measure(["numpy.fused", *hang], budget={"timeout_s": 3, "min_rounds": 300})
    for name in hang:
        assert row(done.records, name)["status"] == "timeout"
        assert row(done.records, name)["error"].startswith("no answer to")
    assert row(done.records, "numpy.fused")["status"] == "ok"


LIMITS = {
    "mutant.hoards": (
        ("MAX_RESIDENT_BYTES", 2**28),
        ("out_of_memory", r"held 0\.\d\d GiB, and 0\.25 GiB are allowed here"),
    ),
    "mutant.swarms": (
        ("MAX_THREADS", 64),
        ("failed", r"its process had \d+ threads, and 64 are allowed"),
    ),
    "mutant.breeds": (
        ("MAX_THREADS", 16),
        ("failed", r"its \d+ processes had \d+ threads, and 16 are allowed"),
    ),
    "mutant.hoards_below": (
        ("MAX_RESIDENT_BYTES", 2**28),
        ("out_of_memory", r"its 2 processes held 0\.\d\d GiB"),
    ),
}
LITTLE_LEFT = {
    "mutant.hoards": (
        ("MIN_FREE_BYTES", 2**60),
        ("out_of_memory", r"the machine had \d+\.\d\d GiB left"),
    ),
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
@pytest.mark.parametrize("limits", [LIMITS, LITTLE_LEFT], ids=["its own", "the machine's"])
def test_a_case_that_exceeds_a_limit_is_killed_and_names_it(
    limits: Mapping[str, Any],
    plugins: Callable[..., None],
    measure: Callable[..., lb.Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One run of all of them: each is given its limit while its accuracy is checked."""
    plugins(mutants())
    request = forkserver.Worker.request
    prepared: dict[int, str] = {}

    def bounded(self: forkserver.Worker, command: str, *arguments: Any, **named: Any) -> Any:
        if command == "prepare":
            prepared[self.pid] = named["implementation"]
        with pytest.MonkeyPatch.context() as limited:
            name = prepared.get(self.pid)
            if command == "check_accuracy" and name in limits:
                limited.setattr(resource_limits, *limits[name][0])
            return request(self, command, *arguments, **named)

    monkeypatch.setattr(forkserver.Worker, "request", bounded)
    done = measure(["numpy.fused", *limits])
    for name, (_, (status, reason)) in limits.items():
        assert row(done.records, name)["status"] == status
        assert re.search(reason, row(done.records, name)["error"])
    assert row(done.records, "numpy.fused")["status"] == "ok"


def test_an_unknown_process_exceeds_no_limit() -> None:
    assert resource_limits.exceeded_limit(2**30) is None


def test_without_the_reference_there_are_times_and_no_ratios(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["mutant.swapped", "numpy.fused"], reference="mutant.swapped")
    record = row(done.records, "numpy.fused")
    assert record["status"] == "ok"
    assert record["time_median_s"] > 0
    assert all(
        pd.isna(record[column])
        for column in ("ratio", "ratio_low", "ratio_high", "ratio_to", "converged")
    )


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("broken_exits", "the process that imports numpy has ended"),
        pytest.param("broken_leaves", "the process ended with exit code 1", marks=pytest.mark.slow),
        pytest.param("nowhere", "the package nowhere is not installed", marks=pytest.mark.slow),
    ],
)
def test_an_import_that_ends_the_process_affects_no_other_backend(
    module: str, reason: str, plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    """It is named ``numpy.broken``: the oracle, which is NumPy too, must not go down with it."""
    plugins({"numpy.broken": module} | mutants())
    done = measure(["mutant.honest", "numpy.broken"])
    assert row(done.records, "mutant.honest")["status"] == "ok"
    assert row(done.records, "numpy.broken")["status"] == "skipped"
    assert reason in row(done.records, "numpy.broken")["error"]
    assert not done.failed


@pytest.mark.usefixtures("own_registrations")
def test_a_class_registered_in_this_session_is_skipped_with_advice(
    measure: Callable[..., lb.Run],
) -> None:
    class Mine(NumpyReference):
        pass

    lb.register("mine.fast")(Mine)
    assert lb.load("mine.fast", lb.LSTMParams.init(3, 4)).forward(np.zeros((2, 1, 3)))
    (reason,) = skipped(measure(["numpy.fused", "mine.fast"])).values()
    assert reason.startswith(
        "mine.fast is not available here: it is registered in this session alone, and workers are"
    )
    assert "entry point of the group 'lstmbench.implementations'" in reason


@pytest.mark.slow
def test_an_import_that_hangs_is_skipped_after_its_timeout(
    monkeypatch: pytest.MonkeyPatch, plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    monkeypatch.setattr(forkserver, "START_TIMEOUT_S", 6.0)
    plugins({"broken.hangs": "broken_hangs"} | mutants())
    done = measure(["mutant.honest", "broken.hangs"])
    assert row(done.records, "mutant.honest")["status"] == "ok"
    assert row(done.records, "broken.hangs")["status"] == "skipped"
    assert "was not ready in 6 s" in row(done.records, "broken.hangs")["error"]
