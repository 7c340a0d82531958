"""Worker processes: what they import, how they are controlled, and that they always end."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny import all_end, mutants, write_suite

import lstmbench as lb
from lstmbench.measure.process import forkserver
from lstmbench.measure.process.forkserver import (
    HARNESS_FAILED,
    ORACLE,
    Worker,
    WorkerDied,
    WorkerTimeout,
)
from lstmbench.measure.process.worker_environment import THREAD_VARIABLES
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.case import Workload

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_process_left")]
SMALL = Workload("inference", batch_size=2, seq_len=3, input_size=4, hidden_size=5)
BACKENDS = [name for name in ("numpy", "torch", "jax") if importlib.util.find_spec(name)]
THREADS = [1, min(2, os.cpu_count() or 1)]
DEADLINE_S = 60


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[WorkerPool]:
    (tmp_path / "scratch").mkdir()
    with WorkerPool(tmp_path / "scratch") as pool:
        yield pool


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What workers of every backend, with one and two threads, and their parent have loaded."""
    folder = tmp_path_factory.mktemp("spy")
    names = [f"{backend}.spy" for backend in BACKENDS]
    script = (
        "import json, os, sys, pytest, lstmbench as lb\n"
        "from tiny import install\n"
        "from pathlib import Path\n"
        f"folder, names, modules = Path({str(folder)!r}), {names!r}, ('torch', 'jax')\n"
        "points = {name: name.replace('.', '_') for name in names} | {'numpy.spy': 'mutants'}\n"
        "install(pytest.MonkeyPatch(), folder / 'site', points)\n"
        "run = lb.run(folder / 'tiny.yaml', folder / 'out', progress=False)\n"
        "assert not run.failed, run.records['error'].tolist()\n"
        "rows = run.records[['implementation', 'dtype', 'status']].to_numpy().tolist()\n"
        "modules = [name for name in modules if name in sys.modules]\n"
        "print(json.dumps({'pid': os.getpid(), 'modules': modules, 'rows': rows}))\n"
    )
    grids = [
        {"dtype": ["bfloat16", "float64"]},
        {"threads": THREADS},
    ]  # the note that stays is that of the last
    write_suite(folder / "tiny.yaml", names, grids)
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(lb.__file__).parents[1])])
    variables = os.environ | {"SPY_FOLDER": str(folder), "PYTHONPATH": path, "OMP_NUM_THREADS": "7"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    notes = {
        path.name.removesuffix(".json"): json.loads(path.read_text())
        for path in folder.glob("*.json")
    }
    return notes | {
        "parent": json.loads(done.stdout),
        "manifest": json.loads((folder / "out/manifest.json").read_text()),
    }


# What they import


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", THREADS)
def test_a_worker_has_imported_its_own_framework_only(
    notes: dict[str, Any], backend: str, threads: int
) -> None:
    assert notes[f"{backend}.spy.{threads}.1"]["modules"] == sorted({"numpy", backend})


def test_the_parent_has_imported_no_framework(notes: dict[str, Any]) -> None:
    assert notes["parent"]["modules"] == []


def test_every_backend_was_measured_in_every_dtype_that_it_has(notes: dict[str, Any]) -> None:
    for name, dtype, status in notes["parent"]["rows"]:
        assert status == ("skipped" if (name, dtype) == ("numpy.spy", "bfloat16") else "ok")
    assert {dtype for _, dtype, _ in notes["parent"]["rows"]} == {"float32", "float64", "bfloat16"}


def test_every_case_has_a_process_of_its_own(notes: dict[str, Any]) -> None:
    pids = [note["pid"] for name, note in notes.items() if name != "manifest"]
    assert len(pids) == len(set(pids)) == 1 + len(BACKENDS) * len(set(THREADS))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", THREADS)
def test_every_pool_has_the_requested_threads(
    notes: dict[str, Any], backend: str, threads: int
) -> None:
    """Whatever the user's own environment sets: here 7."""
    note = notes[f"{backend}.spy.{threads}.1"]
    assert {note["environment"][name] for name in THREAD_VARIABLES} == {str(threads)}
    assert set(note["pools"].values()) == {threads}
    assert note["torch_threads"] == (threads if backend == "torch" else None)
    if (
        backend == "jax" and note["threads"]
    ):  # threadpoolctl does not know XLA's pool; Linux knows its threads' names
        assert sum("XLAEigen" in name for name in note["threads"]) == threads


def test_the_manifest_records_the_pools_as_they_were(notes: dict[str, Any]) -> None:
    described = notes["manifest"]["environments"].values()
    assert len(described) == len(BACKENDS) * len(set(THREADS))
    for environment in described:
        assert {pool["num_threads"] for pool in environment["frameworks"]["pools"]} == {
            environment["threads"]
        }
        if "torch" in environment["frameworks"]:
            assert environment["frameworks"]["torch_threads"] == environment["threads"]


def test_no_path_is_recorded(notes: dict[str, Any]) -> None:
    assert "/" not in json.dumps(notes["manifest"]["environments"])
    assert "/" not in notes["manifest"]["command"]


def test_a_worker_for_the_cpu_sees_no_gpu(notes: dict[str, Any]) -> None:
    for backend in BACKENDS:
        assert notes[f"{backend}.spy.1.1"]["environment"]["CUDA_VISIBLE_DEVICES"] == ""


# How they are controlled


def test_each_worker_is_a_new_process_of_the_same_fork_server(pool: WorkerPool) -> None:
    workers = [pool.worker("numpy", SMALL) for _ in range(3)]
    assert len({worker.pid for worker in workers}) == 3
    assert len({psutil.Process(worker.pid).ppid() for worker in workers}) == 1
    assert (
        psutil.Process(pool.worker("numpy", SMALL, layout=1).pid).ppid()
        != psutil.Process(workers[0].pid).ppid()
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process")
def test_a_worker_binds_all_its_threads_and_no_other_process(pool: WorkerPool) -> None:
    core = max(os.sched_getaffinity(0))
    free, bound = (pool.worker("numpy", SMALL) for _ in range(2))
    bound.request("bind", 60, cores=[core])
    threads = [thread.id for thread in psutil.Process(bound.pid).threads()]
    assert {tuple(os.sched_getaffinity(thread)) for thread in threads} == {(core,)}
    assert os.sched_getaffinity(free.pid) == os.sched_getaffinity(0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fork_server_has_no_thread_that_a_fork_would_lose(pool: WorkerPool, backend: str) -> None:
    worker = pool.worker(backend, SMALL)
    assert psutil.Process(worker.pid).parent().num_threads() == 1  # type: ignore[union-attr]


def test_a_command_that_fails_is_reported_and_the_worker_lives_on(pool: WorkerPool) -> None:
    worker = pool.worker("numpy", SMALL)
    with pytest.raises(
        lb.LstmbenchError, match="the worker was asked to measure before it was prepared"
    ):
        worker.request("check_accuracy", DEADLINE_S)
    with pytest.raises(lb.LstmbenchError, match="FileNotFoundError"):
        worker.request(
            "prepare",
            DEADLINE_S,
            implementation="numpy.fused",
            workload=SMALL,
            inputs=Path("nowhere"),
        )
    assert worker.request("describe", DEADLINE_S, names=["numpy.fused"])[0]["available"]


def test_how_a_worker_ended_is_reported_at_every_request(
    pool: WorkerPool,
) -> None:
    worker, other = pool.worker("numpy", SMALL), pool.worker("numpy", SMALL)
    os.kill(worker.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(WorkerDied, match="killed by signal 9"):
            worker.request("describe", DEADLINE_S, names=[])
        assert "killed by signal 9" in worker.kill()
    assert other.request("describe", DEADLINE_S, names=[]) == []
    assert pool.worker("numpy", SMALL).request("describe", DEADLINE_S, names=[]) == []


def test_a_worker_that_does_not_answer_in_time_is_killed(pool: WorkerPool) -> None:
    worker = pool.worker("numpy", SMALL)
    worker.request("describe", DEADLINE_S, names=[])
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(WorkerTimeout, match="no answer to 'describe' within 0 s"):
        worker.request("describe", 0.01, names=[])
    assert not psutil.pid_exists(worker.pid)


def test_a_worker_that_closes_its_connection_is_killed(pool: WorkerPool) -> None:
    """Its end of the connection is closed, but the process lives on."""
    worker = pool.worker("numpy", SMALL)
    worker.request("describe", DEADLINE_S, names=[])
    os.kill(worker.pid, signal.SIGSTOP)
    worker.connection.close()
    with pytest.raises(WorkerDied, match="killed by signal 9"):
        worker.request("describe", DEADLINE_S, names=[])


def test_a_fork_server_that_was_killed_is_restarted(pool: WorkerPool) -> None:
    worker = pool.worker("numpy", SMALL)
    worker.request("describe", DEADLINE_S, names=[])
    with all_end([worker.pid]):
        os.kill(psutil.Process(worker.pid).ppid(), signal.SIGKILL)
    with pytest.raises(WorkerDied, match="its fork server has ended"):
        worker.request("describe", DEADLINE_S, names=[])
    assert pool.worker("numpy", SMALL).request("describe", DEADLINE_S, names=[]) == []


def test_the_end_of_a_ready_fork_server_is_a_failure_of_the_harness(pool: WorkerPool) -> None:
    worker = pool.worker("numpy", SMALL)
    with all_end([worker.pid]):
        os.kill(psutil.Process(worker.pid).ppid(), signal.SIGKILL)
    with pytest.raises(
        WorkerDied, match=f"{HARNESS_FAILED}: the process that imports numpy has ended"
    ):
        worker.fork_server.fork()


def test_a_signal_without_a_name_is_reported_by_its_number(pool: WorkerPool) -> None:
    worker = pool.worker("numpy", SMALL)
    worker.request("describe", DEADLINE_S, names=[])
    os.kill(worker.pid, signal.SIGRTMIN + 1)
    with pytest.raises(
        WorkerDied, match=f"killed by signal {signal.SIGRTMIN + 1} \\(without a name\\)"
    ):
        worker.request("describe", DEADLINE_S, names=[])


def test_a_fork_server_that_cannot_start_reports_its_last_output(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forkserver.sys, "executable", "/bin/false")
    with pytest.raises(
        WorkerDied, match="the process that imports numpy has ended; it printed nothing"
    ):
        pool.worker("numpy", SMALL)


def test_no_plug_in_is_imported_by_a_worker_of_the_oracle(
    pool: WorkerPool, plugins: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins({f"{ORACLE}.broken": "broken_exits", "numpy.broken": "broken_exits"})
    assert pool.worker(ORACLE, SMALL).request("describe", DEADLINE_S, names=[]) == []
    with pytest.raises(WorkerDied):
        pool.worker("numpy", SMALL)


def test_where_the_peak_cannot_be_reset_only_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from lstmbench.measure.process import worker as worker_module

    monkeypatch.setattr(
        worker_module.denormals, "flush", lambda: "kept"
    )  # or this process would flush them from here on
    server = worker_module.WorkerServer()
    server.write_inputs(SMALL, 0, tmp_path / "inputs.npz")
    monkeypatch.setattr(worker_module, "CLEAR_REFS", tmp_path / "no such folder" / "clear_refs")
    memory = server.memory("numpy.fused", SMALL, tmp_path / "inputs.npz")
    assert memory["peak_host_bytes"] is None
    assert memory["allocated_bytes"] > 0


# They always end


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("measure", KeyboardInterrupt),
        *(
            pytest.param(command, error, marks=pytest.mark.slow)
            for command, error in (
                ("write_inputs", KeyboardInterrupt),
                ("prepare", MemoryError),
                ("check_accuracy", KeyboardInterrupt),
                ("measure", MemoryError),
                ("memory", KeyboardInterrupt),
            )
        ),
    ],
)
def test_no_process_is_left_when_a_run_is_interrupted(
    command: str,
    error: type[BaseException],
    measure: Callable[..., lb.Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = []
    request = Worker.request

    def interrupted(self: Worker, what: str, *arguments: Any, **named: Any) -> Any:
        commands.append(what)
        if what == command:
            raise error
        return request(self, what, *arguments, **named)

    monkeypatch.setattr(Worker, "request", interrupted)
    with pytest.raises(error):
        measure(["numpy.fused", "numpy.reference"])
    assert commands[-1] == command


@pytest.mark.usefixtures("given_limits")
def test_no_process_is_left_after_a_run(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    before = psutil.Process().children(recursive=True)
    assert measure(
        ["numpy.fused", "mutant.exits", "mutant.segfaults", "mutant.is_killed"],
        budget={"processes": 3},
    ).failed
    assert psutil.Process().children(recursive=True) == before


PARENT = """
import json, sys
from pathlib import Path
import psutil
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.process.forkserver import ForkServer

folder, workload = Path(sys.argv[1]), Workload("inference", 2, 3, 4, 5)
with WorkerPool(folder) as pool:
    pool.write_inputs(workload, 0, folder / "inputs.npz", 60)
    idle, hanging = pool.worker("numpy", workload), pool.worker("mutant", workload)
    case = {"workload": workload, "inputs": folder / "inputs.npz"}
    hanging.request("prepare", 60, implementation="mutant.hangs", **case)
    leaving = pool.worker("mutant", workload)
    leaving.request("prepare", 60, implementation="mutant.leaves_a_child", **case)
    leaving.request("check_accuracy", 60)
    importing = ForkServer("torch", 1, "cpu", 0, folder / "log")
    pids = [child.pid for child in psutil.Process().children(recursive=True)]
    print(json.dumps(pids), flush=True)
    hanging.request("check_accuracy", 600)
"""


@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="needs Linux's file descriptors of processes"
)
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        *(
            pytest.param(number, marks=pytest.mark.slow)
            for number in (signal.SIGTERM, signal.SIGINT)
        ),
    ],
    ids=lambda number: number.name,
)
def test_no_process_is_left_when_the_parent_is_killed(
    number: signal.Signals,
    plugins: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even if one hangs and ignores SIGTERM, one is still importing, and one is an orphan."""
    plugins(mutants())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv("HANGS_NOW", str(pipe))
    monkeypatch.setenv("LEFT_FOLDER", str(tmp_path))
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pids = json.loads(parent.stdout.readline())
        assert (
            len(pids) >= 11
        )  # 4 reapers; fork servers of the oracle, numpy and mutant; 3 workers; 1 orphan
        assert {int(path.name) for path in tmp_path.glob("[0-9]*")} <= set(pids)
        assert pipe.read_text() == "hanging"
        with all_end(pids):
            parent.send_signal(number)
