"""An implementation that misbehaves gets its own status and reason; what stands beside it is
measured all the same.
"""

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
    """One run of all of them, side by side, two workloads one after the other, two processes each."""
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
    (found,) = records[
        (records["implementation"] == name) & (records["seq_len"] == seq_len)
    ].to_dict("records")
    return found


@pytest.mark.parametrize("name", FAILING)
def test_what_fails_says_how(records: pd.DataFrame, name: str) -> None:
    status, reason = FAILING[name]
    assert (row(records, name)["status"], row(records, name)["error"][: len(reason)]) == (
        status,
        reason,
    )
    assert "\n" not in row(records, name)["error"]


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_compute_the_lstm_is_told_apart_from_what_fails(
    records: pd.DataFrame, name: str
) -> None:
    assert row(records, name)["status"] == "wrong_result"
    assert row(records, name)["error"].startswith(WRONG[name])
    assert row(records, name)["output_rel_error"] > 1e-5


@pytest.mark.parametrize("name", [*FAILING, *WRONG])
def test_what_is_not_ok_has_no_times(records: pd.DataFrame, name: str) -> None:
    assert all(pd.isna(row(records, name)[column]) for column in TIMES)


def test_only_what_is_ok_has_samples(run: lb.Run) -> None:
    assert set(run.samples["implementation"]) == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("seq_len", [4, 5])
def test_what_is_well_is_measured_beside_them_also_after_them(
    records: pd.DataFrame, name: str, seq_len: int
) -> None:
    found = row(records, name, seq_len)
    assert (found["status"], found["processes"]) == ("ok", 2)
    assert found["time_low_s"] <= found["time_median_s"] <= found["time_high_s"]


def test_every_case_has_its_row(run: lb.Run) -> None:
    assert len(run.records) == 2 * len([*GOOD, *FAILING, *WRONG])
    assert run.failed
    assert run.manifest["complete"]


@pytest.mark.parametrize("name", FAILING)
def test_what_fails_in_one_workload_is_tried_again_in_the_next(
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
    assert wrong["error"].endswith("1e-05 is the most for float32")
    assert wrong["output_rel_error"] <= 1e-5 < wrong["grad_rel_error"]
    assert pd.isna(wrong["time_median_s"])
    assert (records["status"] == "ok").sum() == 3


def test_one_that_sleeps_is_flagged_and_one_that_computes_is_not(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["mutant.honest", "mutant.sleeps"], budget={"min_rounds": 20, "turn_s": 0.005})
    found = row(done.records, "mutant.sleeps")
    assert (found["status"], found["flags"]) == ("ok", "waits")
    assert found["cores_busy"] < 0.5
    assert row(done.records, "mutant.honest")["flags"] != "waits"


def test_one_that_starts_threads_beyond_its_allowance_gets_no_time(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["mutant.honest", "mutant.crowds"], budget={"min_rounds": 20, "turn_s": 0.005})
    found = row(done.records, "mutant.crowds")
    assert found["status"] == "failed"
    assert "and 1 are allowed" in found["error"]
    assert pd.isna(found["time_median_s"])
    assert row(done.records, "mutant.honest")["status"] == "ok"


def test_threads_that_wait_by_computing_are_waited_for_and_those_that_never_rest_cost_their_row(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    """Or they would take a core from the next implementation's turn."""
    plugins(mutants())
    done = measure(["mutant.honest", "mutant.spins", "mutant.spins_a_while"])
    found = row(done.records, "mutant.spins")
    assert (found["status"], found["error"]) == (
        "failed",
        "its threads still computed 1 s after it had answered",
    )
    assert pd.isna(found["time_median_s"])
    assert row(done.records, "mutant.honest")["status"] == "ok"
    assert "still computed" not in str(row(done.records, "mutant.spins_a_while")["error"])


@pytest.mark.slow
def test_what_hangs_is_ended_when_its_time_is_over(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    hang = ["mutant.hangs", "mutant.hangs_later"]
    done = measure(["numpy.fused", *hang], budget={"timeout_s": 3, "min_rounds": 300})
    for name in hang:
        assert row(done.records, name)["status"] == "timeout"
        assert row(done.records, name)["error"].startswith("no answer to")
    assert row(done.records, "numpy.fused")["status"] == "ok"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
@pytest.mark.parametrize(
    ("name", "bound", "most", "status", "reason"),
    [
        (
            "mutant.hoards",
            "MAX_BYTES",
            2**28,
            "out_of_memory",
            r"held 0\.\d\d GiB, and 0\.25 GiB are allowed here",
        ),
        (
            "mutant.hoards",
            "MIN_FREE_BYTES",
            2**60,
            "out_of_memory",
            r"the machine had \d+\.\d\d GiB left",
        ),
        (
            "mutant.swarms",
            "MAX_THREADS",
            64,
            "failed",
            r"its process had \d+ threads, and 64 are allowed",
        ),
        (
            "mutant.breeds",
            "MAX_THREADS",
            16,
            "failed",
            r"its \d+ processes had \d+ threads, and 16 are allowed",
        ),
        (
            "mutant.hoards_below",
            "MAX_BYTES",
            2**28,
            "out_of_memory",
            r"its 2 processes held 0\.\d\d GiB",
        ),
    ],
)
def test_what_takes_too_much_of_the_machine_is_ended_and_says_of_what(
    name: str,
    bound: str,
    most: int,
    status: str,
    reason: str,
    plugins: Callable[..., None],
    measure: Callable[..., lb.Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugins(mutants())
    ask = forkserver.Worker.request

    def bounded(self: forkserver.Worker, command: str, *arguments: Any, **named: Any) -> Any:
        with pytest.MonkeyPatch.context() as limited:
            if command == "check_accuracy" and self.fork_server.backend.startswith("mutant"):
                limited.setattr(resource_limits, bound, most)
            return ask(self, command, *arguments, **named)

    monkeypatch.setattr(forkserver.Worker, "request", bounded)
    done = measure(["numpy.fused", name])
    assert row(done.records, name)["status"] == status
    assert re.search(reason, row(done.records, name)["error"])
    assert row(done.records, "numpy.fused")["status"] == "ok"


def test_where_the_system_tells_nothing_nothing_is_too_much() -> None:
    assert resource_limits.exceeded_limit(2**30) is None


def test_where_the_reference_fails_there_are_times_and_no_ratios(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["mutant.swapped", "numpy.fused"], reference="mutant.swapped")
    found = row(done.records, "numpy.fused")
    assert found["status"] == "ok"
    assert found["time_median_s"] > 0
    assert all(
        pd.isna(found[column])
        for column in ("ratio", "ratio_low", "ratio_high", "ratio_to", "converged")
    )


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("broken_exits", "the process that imports numpy has ended"),
        pytest.param("broken_leaves", "the process ended with exit code 1", marks=pytest.mark.slow),
        ("nowhere", "the package nowhere is not installed"),
    ],
)
def test_an_import_that_ends_the_process_costs_its_backend_and_no_other(
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
def test_a_class_that_is_registered_in_the_session_alone_is_told_what_it_needs(
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
def test_an_import_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    monkeypatch.setattr(forkserver, "START_TIMEOUT_S", 6.0)
    plugins({"broken.hangs": "broken_hangs"} | mutants())
    done = measure(["mutant.honest", "broken.hangs"])
    assert row(done.records, "mutant.honest")["status"] == "ok"
    assert row(done.records, "broken.hangs")["status"] == "skipped"
    assert "was not ready in 6 s" in row(done.records, "broken.hangs")["error"]
