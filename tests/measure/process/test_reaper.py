"""No process outlives a killed run, and none that a case has started outlives its worker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tiny import all_end, mutants

import lstmbench as lb
from lstmbench.measure.process import reaper
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.case import Workload

pytestmark = [
    pytest.mark.usefixtures("no_process_left", "given_limits"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt another"),
]
DEADLINE_S = 60
SMALL = Workload("inference", batch_size=2, seq_len=3, input_size=4, hidden_size=5)

PARENT = """
import json, sys
from pathlib import Path
import psutil
from lstmbench.measure.process.forkserver import ForkServer

folder = Path(sys.argv[1])
fork_server = ForkServer("numpy", 1, "cpu", 0, folder / "log", code=folder)
(folder / "pipe").read_text()
print(json.dumps([child.pid for child in psutil.Process().children(recursive=True)]), flush=True)
sys.stdin.read()
"""
SLOW_IMPORT = """
import threading
from pathlib import Path
Path(__file__).parents[1].joinpath("pipe").write_text("hanging")
threading.Event().wait()
"""


def test_a_killed_run_ends_a_fork_server_that_is_still_importing(
    tmp_path: Path,
) -> None:
    """On a busy machine the first import takes seconds, and the run may be killed meanwhile."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "lstmbench").mkdir()
    (tmp_path / "lstmbench" / "__init__.py").write_text(SLOW_IMPORT)
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids = json.loads(parent.stdout.readline())
        assert pids
        with all_end(pids):
            parent.kill()


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name
)
def test_a_signal_that_the_run_ignores_ends_none_of_its_processes(
    number: signal.Signals, tmp_path: Path
) -> None:
    """As under nohup, in the background of a shell, or with a trap in a batch job."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with WorkerPool(tmp_path) as pool:
            worker = pool.worker("numpy", SMALL)
            helpers = [
                worker.fork_server.process.pid,
                psutil.Process(worker.pid).ppid(),
                worker.pid,
            ]
            for pid in helpers:
                os.kill(pid, number)
            assert worker.request("describe", DEADLINE_S, names=[]) == []
            pool.worker("numpy", SMALL).kill()
            assert [
                worker.fork_server.process.pid,
                psutil.Process(worker.pid).ppid(),
                worker.pid,
            ] == helpers
    finally:
        signal.signal(number, before)


def test_a_reaper_ignores_signals_to_the_process_group(tmp_path: Path) -> None:
    """Batch systems send SIGUSR1 before a job's time is over, which the run may handle."""
    with WorkerPool(tmp_path) as pool:
        worker = pool.worker("numpy", SMALL)
        for number in (
            signal.SIGUSR1,
            signal.SIGUSR2,
            signal.SIGHUP,
            signal.SIGINT,
            signal.SIGTERM,
            signal.SIGQUIT,
        ):
            os.kill(worker.fork_server.process.pid, number)
        assert worker.request("describe", DEADLINE_S, names=[]) == []
        pool.worker("numpy", SMALL).kill()


def test_orphans_of_a_case_end_with_its_worker_and_nothing_else_does(
    plugins: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins(mutants())
    monkeypatch.setenv("LEFT_FOLDER", str(tmp_path))
    workload = Workload("inference", batch_size=2, seq_len=3, input_size=4, hidden_size=5)
    with WorkerPool(tmp_path) as pool:
        pool.write_inputs(workload, 0, tmp_path / "inputs.npz", DEADLINE_S)
        beside, worker = pool.worker("mutant", workload), pool.worker("mutant", workload)
        what = {"workload": workload, "inputs": tmp_path / "inputs.npz"}
        worker.request("prepare", DEADLINE_S, implementation="mutant.leaves_a_child", **what)
        worker.request("check_accuracy", DEADLINE_S)
        (left,) = [int(path.name) for path in tmp_path.glob("[0-9]*")]
        assert left in reaper.descendants(worker.pid)  # though the process that forked it has ended
        worker.kill()
        assert not psutil.pid_exists(left)
        assert beside.request("describe", DEADLINE_S, names=[]) == []


def test_no_process_is_left_after_a_run_of_cases_that_leave_orphans(
    plugins: Callable[..., None],
    measure: Callable[..., lb.Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugins(mutants())
    monkeypatch.setenv("LEFT_FOLDER", str(tmp_path))
    done = measure(["numpy.fused", "mutant.leaves_a_child"], budget={"processes": 2})
    assert done.records["status"].tolist() == ["ok", "ok"]
    left = [int(path.name) for path in tmp_path.glob("[0-9]*")]
    assert len(left) == 3  # of two processes that are timed, and one in which memory is measured
    assert not any(psutil.pid_exists(pid) for pid in left)


def test_a_case_that_computes_in_a_child_process_gets_no_time(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(
        ["mutant.honest", "mutant.delegates"], budget={"min_rounds": 20, "turn_s": 0.005}
    )
    honest, delegates = (row for _, row in done.records.iterrows())
    assert (honest["status"], delegates["status"]) == ("ok", "failed")
    assert delegates["error"].startswith("processes that it started did ")
    assert delegates[["time_median_s", "ratio"]].isna().all()
