"""When which case is measured, and when it is enough; with fake workers and a fake clock."""

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lstmbench.measure import workload_session as module
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.suites.timing_suite import Budget, TimingSuite
from lstmbench.measure.workload_session import WorkloadSession

SMALL = Workload("inference", batch_size=2, seq_len=4, input_size=3, hidden_size=3)
NAMES = ["numpy.reference", "numpy.fused"]
Times = Callable[[str, int], float]


class FakePool:
    """Workers whose times are ``times(label, process)`` seconds a call, and that keep a diary of
    the requests.
    """

    scratch = Path("nowhere")

    def __init__(
        self,
        times: Times,
        cores_busy: float = 1.0,
        pools: int = 1,
        thread_shares: tuple[float, ...] = (1.0,),
        descendants_share: float = 0.0,
        machine_fails_at: int | None = None,
        start_s: float = 0.0,
    ) -> None:
        self.times, self.cores_busy, self.pools, self.thread_shares = (
            times,
            cores_busy,
            pools,
            list(thread_shares),
        )
        self.descendants_share, self.machine_fails_at = descendants_share, machine_fails_at
        self.clock, self.processes, self.start_s = 0.0, 0, start_s
        self.layouts: list[int] = []
        self.requested_whole_calls: list[bool | None] = []
        self.diary: list[str] = []

    def describe(self, label: str, workload: Workload) -> dict[str, Any]:
        can = {
            "devices": (workload.device,),
            "dtypes": (workload.dtype,),
            "modes": (workload.mode,),
        }
        return {"name": label, "available": True, "peer": False} | can

    def write_inputs(self, *arguments: Any) -> None:
        pass

    def machine_worker(self, workload: Workload) -> Any:
        return SimpleNamespace(request=self.limits, kill=lambda: None)

    def limits(self, command: str, timeout: float, workload: dict[str, Any]) -> dict[str, float]:
        self.diary.append("measure the machine")
        if self.machine_fails_at == len(self.diary):
            raise module.WorkerDied("it is gone")
        return {"machine_flops_per_s": 1.0, "machine_bytes_per_s": 1.0, "products_s": 1.0}

    def preload(self, *arguments: Any) -> None:
        pass

    def implementation(self, label: str) -> str:
        return label

    def record_environment(self, *arguments: Any) -> str:
        return "here"

    def worker(self, label: str, workload: Workload, layout: int = 0, fresh: bool = False) -> Any:
        process = self.processes
        if not fresh:  # which measures memory, and nothing here needs that
            self.layouts.append(layout)
            process = self.processes = self.processes + 1

        def request(command: str, timeout: float, **arguments: Any) -> Any:
            if fresh:
                return {}
            self.diary.append(f"{command} {label}")
            return getattr(self, command)(label, process, **arguments)

        return SimpleNamespace(request=request, kill=lambda: None)

    def prepare(self, label: str, process: int, **arguments: Any) -> dict[str, Any]:
        self.clock += self.start_s
        return {"pools": [{"internal_api": "openblas", "num_threads": self.pools}]}

    def check_accuracy(self, label: str, process: int) -> dict[str, Any]:
        return {
            "first_call_s": 1.0,
            "invalid_outputs": "",
            "output_rel_error": 0.0,
            "grad_rel_error": None,
        }

    def warm_up(
        self, label: str, process: int, turn_s: float, whole_calls: bool | None
    ) -> dict[str, Any]:
        self.requested_whole_calls.append(whole_calls)
        whole_calls = process % 2 == 0
        return {"true_ratio": 1.0, "whole_calls": whole_calls, "cores_busy": self.cores_busy}

    def bind(self, label: str, process: int, cores: list[int]) -> None:
        self.diary.append(f"bound to {cores}")

    def measure(self, label: str, process: int, turn_s: float) -> dict[str, Any]:
        self.clock += turn_s
        probes = {"loop_s": turn_s, "cpu_s": turn_s, "switches": 0, "calls": 1}
        return probes | {"seconds": [self.times(label, process)]}

    def thread_usage(self, label: str, process: int) -> dict[str, Any]:
        return {"thread_shares": self.thread_shares, "descendants_share": self.descendants_share}

    def memory(self, label: str, process: int) -> dict[str, Any]:
        return {}


def measured(monkeypatch: pytest.MonkeyPatch, pool: FakePool, **budget: Any) -> WorkloadSession:
    """Measure both implementations, and the controls, on a pretended pool."""
    monkeypatch.setattr(module.time, "perf_counter", lambda: pool.clock)
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok: None)
    chosen = Budget(
        **{"processes": 5, "min_rounds": 3, "seconds_per_case": 5.0, "turn_s": 0.01, **budget}
    )
    grid = {"seq_len": 4, "batch_size": 2, "hidden_size": 3}
    suite = TimingSuite(implementations=NAMES, reference=NAMES[0], grids=[grid], budget=chosen)
    session = WorkloadSession(SMALL, suite, pool, random.Random(0))  # type: ignore[arg-type]
    session.measure()
    return session


def rounds(session: WorkloadSession) -> list[int]:
    return [len(turns) for turns in session.case_runs[0].measurements]


def noisy(sigma: float, between: float = 0.0, seed: int = 0) -> Times:
    """Times that vary from call to call, and from process to process."""
    generator = np.random.default_rng(seed)
    processes: dict[int, float] = {}

    def times(label: str, process: int) -> float:
        shift = processes.setdefault(process, float(np.exp(between * generator.standard_normal())))
        return shift * float(np.exp(sigma * generator.standard_normal()))

    return times


def test_the_rounds_of_the_first_process_take_as_long_as_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Four cases start in 4 * 0.16 s, and a round has two turns of each: 4 * 2 * 0.01 s
    session = measured(monkeypatch, FakePool(noisy(0.1, between=0.1), start_s=0.16))
    assert rounds(session)[0] == 8


def test_later_processes_are_shorter_the_more_they_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    alike = measured(monkeypatch, FakePool(noisy(0.1, between=1e-3), start_s=0.16))
    different = measured(monkeypatch, FakePool(noisy(0.1, between=0.3), start_s=0.16))
    assert np.mean(rounds(alike)[2:5]) > 2 * np.mean(rounds(different)[2:5])
    assert len(rounds(different)) > len(rounds(alike))


def test_no_process_takes_more_than_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FakePool(noisy(0.1, between=1e-3), start_s=0.16)
    session = measured(monkeypatch, pool, seconds_per_case=5 * 0.2)
    assert max(rounds(session)) == 2 + 1  # 4 * (0.2 - 0.16) s of rounds are two; one may begin
    assert pool.clock <= 4 * (5 * 0.2 + 0.16 + 3 * 0.02)


def test_the_minimum_number_of_rounds_is_measured_whatever_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert rounds(measured(monkeypatch, FakePool(noisy(0.5)), seconds_per_case=0.001)) == [3] * 5


def test_precise_ratios_end_a_workload_and_others_use_all_of_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(rounds(measured(monkeypatch, FakePool(noisy(1e-4), start_s=0.16)))) == 5
    pool = FakePool(noisy(0.1, between=0.3), start_s=0.16)
    session = measured(monkeypatch, pool, seconds_per_case=5.0)
    assert len(rounds(session)) > 5
    assert 4 * 5.0 <= pool.clock <= 4 * 6.0
    assert set(pool.layouts) == set(range(5))  # a fork of what has been imported is new enough


def test_a_round_is_a_random_order_of_all_cases_then_the_machine_then_the_reverse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = FakePool(noisy(0.5))
    measured(monkeypatch, pool, processes=1, min_rounds=20, seconds_per_case=0.01)
    turns = [entry for entry in pool.diary if entry.startswith("measure")]
    in_rounds = [turns[k : k + 9] for k in range(0, len(turns), 9)]  # two cases, two controls
    assert len(in_rounds) == 20
    assert all(each == each[::-1] and each[4] == "measure the machine" for each in in_rounds)
    assert {tuple(sorted(each)) for each in in_rounds} == {tuple(sorted(in_rounds[0]))}
    assert len({tuple(each) for each in in_rounds}) > 3


@pytest.mark.parametrize("cores", [[1], []])
def test_workers_are_bound_after_their_warm_up_where_a_core_is_left_for_the_parent(
    monkeypatch: pytest.MonkeyPatch, cores: list[int]
) -> None:
    monkeypatch.setattr(module, "binding_cores", lambda threads: cores)
    pool = FakePool(noisy(0.5))
    measured(monkeypatch, pool, processes=1, seconds_per_case=0.01)
    before = pool.diary[: pool.diary.index("measure the machine") - 4]
    of_one = [entry for entry in before if "numpy.fused" in entry or "bound" in entry]
    assert of_one.count("bound to [1]") == (4 if cores else 0)
    assert pool.diary.index("warm_up numpy.fused") < len(before)


def test_shares_of_the_limit_are_given_only_if_it_was_measured_in_every_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = measured(monkeypatch, pool := FakePool(noisy(1e-4)))
    assert all(case_run.record()["roofline_fraction"] > 0 for case_run in whole.case_runs)
    at = len(pool.diary) - pool.diary[::-1].index("measure the machine")  # the last of them
    torn = measured(monkeypatch, FakePool(noisy(1e-4), machine_fails_at=at))
    assert rounds(torn) == rounds(whole)
    assert not any("roofline_fraction" in case_run.record() for case_run in torn.case_runs)
    assert all(case_run.record()["time_median_s"] > 0 for case_run in torn.case_runs)


def test_the_rest_of_a_case_that_fails_is_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def times(label: str, process: int) -> float:
        if label == "numpy.fused":
            raise module.LstmbenchError("not this one")
        return 1.0

    session = measured(monkeypatch, FakePool(times))
    assert [case_run.status for case_run in session.case_runs] == ["ok", "failed", "ok", "ok"]
    assert len(rounds(session)) == 5 and min(rounds(session)) >= 3


def test_who_keeps_more_cores_busy_than_it_is_allowed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = measured(monkeypatch, FakePool(noisy(1e-4), cores_busy=1.9))
    assert {case_run.status for case_run in session.case_runs} == {"failed"}
    assert session.case_runs[0].error == "it kept 1.9 cores busy, but 1 are allowed"
    assert session.case_runs[0].record().get("time_median_s") is None


def test_every_process_of_a_control_repeats_what_its_first_one_chose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls in one and time steps in another would be two slowdowns, and their ratios those of
    neither.
    """
    pool = FakePool(noisy(1e-4))
    measured(monkeypatch, pool)
    first, *others = [
        pool.requested_whole_calls[k : k + 4] for k in range(0, 20, 4)
    ]  # two cases, two controls
    assert first == [None] * 4
    assert others == [[None, None, False, True]] * 4


@pytest.mark.parametrize(
    ("thread_shares", "status"),
    [((0.85, 0.15), "ok"), ((0.54, 0.25, 0.21), "ok"), ((0.2,) * 5, "failed")],
)
def test_on_a_busy_machine_threads_are_counted_and_one_that_hands_work_on_is_let_pass(
    monkeypatch: pytest.MonkeyPatch, thread_shares: tuple[float, ...], status: str
) -> None:
    session = measured(
        monkeypatch, FakePool(noisy(1e-4), cores_busy=0.6, thread_shares=thread_shares)
    )
    assert {case_run.status for case_run in session.case_runs} == {status}
    assert session.case_runs[0].error == (
        "" if status == "ok" else "5 threads computed, but 1 are allowed"
    )


@pytest.mark.parametrize(("descendants_share", "status"), [(0.04, "ok"), (0.3, "failed")])
def test_computing_that_processes_beside_it_did_is_refused_unless_it_is_hardly_any(
    monkeypatch: pytest.MonkeyPatch, descendants_share: float, status: str
) -> None:
    session = measured(monkeypatch, FakePool(noisy(1e-4), descendants_share=descendants_share))
    assert session.case_runs[0].status == status
    assert session.case_runs[0].error == (
        "" if status == "ok" else "processes that it started did 30% of its computing"
    )


def test_a_pool_with_more_threads_than_allowed_is_refused_before_anything_is_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = FakePool(noisy(1e-4), pools=2)
    session = measured(monkeypatch, pool)
    assert session.case_runs[0].error == "openblas has 2 threads, but 1 are allowed"
    assert not any(entry.startswith(("check_accuracy", "measure")) for entry in pool.diary)
