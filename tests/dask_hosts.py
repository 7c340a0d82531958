"""A scheduler and dask workers on loopback, each worker a process of its own that a test may have
misbehave.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from lstmbench.measure.process.worker_environment import pythonpath_variable

FIRST = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import pytest, tiny
from lstmbench.measure import environment
from lstmbench.measure.executors import dask_worker
from lstmbench.measure.process.worker_pool import WorkerPool
WorkerPool.machine_worker = tiny.given_limits
"""
"""What every worker does first."""
IN_PROCESS = "tiny.measure_in_process(pytest.MonkeyPatch())\n"
"""What makes a worker start no process, where nobody looks at them."""
DIES = """
import os, pathlib, signal
from lstmbench.measure.suites.timing_suite import TimingSuite
TimingSuite.real = getattr(TimingSuite, "real", TimingSuite.measure)  # dask runs this file twice
flag = pathlib.Path({flag!r})
def dies(suite, workload, *arguments):
    if workload.seq_len == 5 and not flag.exists():
        flag.write_text("died")
        os.kill(os.getpid(), signal.SIGKILL)
    return TimingSuite.real(suite, workload, *arguments)
TimingSuite.measure = dies
"""
"""What makes a worker die once while it measures the workload of five steps; always, if the flag
cannot be there.
"""
OTHER = 'environment.kind = lambda machine: "zzz with 1 core"\n'
"""What makes a worker's host another kind of machine."""
NARROW = """
narrow = environment.machine() | {"cpu_flags": ["sse"]}
environment.machine = lambda: narrow
"""
"""What makes a worker's host one whose processor has the same name and numbers, and narrower
vectors.
"""


@contextmanager
def scheduler() -> Iterator[LocalCluster]:
    """Give a scheduler that has no worker."""
    with LocalCluster(
        n_workers=0,
        host="127.0.0.1",
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        yield cluster


@contextmanager
def workers(
    address: str,
    folder: Path,
    *preloads: str,
    host: str = "127.0.0.1",
    in_process: bool = True,
) -> Iterator[list[Any]]:
    """Start a dask worker for each text, which it runs first; give them once all are there."""
    common = FIRST + IN_PROCESS * in_process
    with ExitStack() as scope, Client(address, set_as_default=False) as client:
        before = len(client.run(os.getpid))
        started = []
        for number, text in enumerate(preloads):
            preload = folder / f"worker_{host.replace('.', '_')}_{number}.py"
            preload.write_text(common + text, encoding="utf-8")
            command = [
                sys.executable,
                "-m",
                "dask",
                "worker",
                address,
                "--no-nanny",
                "--nthreads",
                "1",
            ]
            command += [
                "--host",
                host,
                "--no-dashboard",
                "--resources",
                "lstmbench=1",
                "--preload",
                str(preload),
            ]
            command += ["--local-directory", str(folder)]
            log = scope.enter_context((folder / f"{preload.stem}.log").open("wb"))
            process = subprocess.Popen(
                command, env=os.environ | pythonpath_variable(), stdout=log, stderr=log
            )
            scope.callback(process.wait)
            scope.callback(process.kill)
            started.append(process)
        for _ in range(60):
            with suppress(TimeoutError):
                client.wait_for_workers(before + len(started), timeout=2)
                break
            assert all(process.poll() is None for process in started), log.name
        yield started
