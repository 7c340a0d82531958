"""Nothing outlives what it was started by: neither a run that is killed, nor a worker whose case
has had its time.
"""

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
zygote = ForkServer("numpy", 1, "cpu", 0, folder / "log", code=folder)
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


def test_a_run_that_is_killed_takes_what_it_started_also_where_that_has_imported_nothing_yet(
    tmp_path: Path,
) -> None:
    """On a busy machine the first import took seconds, and until then nobody had asked the kernel
    for word.
    """
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
def test_a_signal_that_the_run_was_told_to_ignore_ends_none_of_its_helpers(
    number: signal.Signals, tmp_path: Path
) -> None:
    """As by nohup, by a shell for what it runs in the background, or by a batch job's trap."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with WorkerPool(tmp_path) as team:
            worker = team.worker("numpy", SMALL)
            helpers = [
                worker.fork_server.process.pid,
                psutil.Process(worker.pid).ppid(),
                worker.pid,
            ]
            for pid in helpers:
                os.kill(pid, number)
            assert worker.request("describe", DEADLINE_S, names=[]) == []
            team.worker("numpy", SMALL).kill()
            assert [
                worker.fork_server.process.pid,
                psutil.Process(worker.pid).ppid(),
                worker.pid,
            ] == helpers
    finally:
        signal.signal(number, before)


def test_a_keeper_heeds_no_signal_that_is_sent_to_a_whole_group(tmp_path: Path) -> None:
    """Batch systems send SIGUSR1 before a job's time is over, and the run may take it as it likes."""
    with WorkerPool(tmp_path) as team:
        worker = team.worker("numpy", SMALL)
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
        team.worker("numpy", SMALL).kill()


def test_what_a_case_leaves_behind_ends_with_its_worker_and_nothing_else_does(
    plugins: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins(mutants())
    monkeypatch.setenv("LEFT_FOLDER", str(tmp_path))
    workload = Workload("inference", batch_size=2, seq_len=3, input_size=4, hidden_size=5)
    with WorkerPool(tmp_path) as team:
        team.write_inputs(workload, 0, tmp_path / "inputs.npz", DEADLINE_S)
        beside, worker = team.worker("mutant", workload), team.worker("mutant", workload)
        what = {"workload": vars(workload), "inputs": str(tmp_path / "inputs.npz")}
        worker.request("prepare", DEADLINE_S, implementation="mutant.leaves_a_child", **what)
        worker.request("check_accuracy", DEADLINE_S)
        (left,) = [int(path.name) for path in tmp_path.glob("[0-9]*")]
        assert left in reaper.descendants(worker.pid)  # though the process that forked it has ended
        worker.kill()
        assert not psutil.pid_exists(left)
        assert beside.request("describe", DEADLINE_S, names=[]) == []


def test_no_process_is_left_after_a_run_of_cases_that_leave_some(
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


def test_one_that_has_a_process_of_its_own_compute_beside_it_gets_no_time(
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
