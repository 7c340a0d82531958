"""Measure 200 cases on three dask workers, kill one of them, and compare with a local run.

    python validation/dask_workers.py [WORKERS, default 3] [--survive]

A scheduler and its workers run on loopback, each in a process of its own. After a third of the
workloads, a worker that is measuring is killed with SIGKILL (not with --survive). Afterwards every
case must exist once and be ok, and the ratios must agree with a local run of the same suite, as
``lstmbench reproduce`` judges it. Exit code 1 if not.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import yaml
from distributed import Client, LocalCluster

import lstmbench as lb
from lstmbench.report.comparison.reproduction import Reproduction, reproduction

SUITE = {
    "implementations": ["numpy.fused", "torch.fused", "torch.loop", "torch.nn"],
    "reference": "torch.nn",
    "grids": [
        {
            "seq_len": list(range(10, 60, 2)),
            "hidden_size": 16,
            "batch_size": 2,
            "mode": ["inference", "training"],
        }
    ],
    "budget": {"processes": 5, "seconds_per_case": 0.1},
}
CASES, WORKLOADS = 200, 50
WORKER = [
    "--nthreads",
    "1",
    "--resources",
    "lstmbench=1",
    "--no-dashboard",
    "--no-nanny",
    "--host",
    "127.0.0.1",
]


def kill_one(address: str, out: Path, workers: list[subprocess.Popen[bytes]]) -> None:
    """Wait until a third of the workloads is there, and kill a worker that is measuring one."""
    parts = out / "parts"
    while (
        len(list(parts.glob("*.records.parquet"))) < WORKLOADS // 3
        and not (out / "records.parquet").exists()
    ):
        time.sleep(0.05)
    with Client(address, set_as_default=False) as client:
        at_work: list[int] = []
        while not at_work:
            doing = client.run(
                lambda dask_worker: (os.getpid(), dask_worker.state.executing_count > 0)
            )
            at_work = [pid for pid, busy in doing.values() if busy]
    victim = next(worker for worker in workers if worker.pid == at_work[0])
    victim.send_signal(signal.SIGKILL)
    print(f"killed a worker when {len(list(parts.glob('*')))} workloads were there")


def on_workers(suite: Path, out: Path, count: int, survive: bool) -> lb.Run:
    """Measure the suite on dask workers, one of which dies."""
    with ExitStack() as scope:
        cluster_options = {
            "n_workers": 0,
            "protocol": "tcp",
            "host": "127.0.0.1",
            "dashboard_address": "127.0.0.1:0",
        }
        cluster = scope.enter_context(LocalCluster(**cluster_options, silence_logs=50))
        command = [sys.executable, "-m", "dask", "worker", cluster.scheduler_address, *WORKER]
        workers = []
        for number in range(count):
            folder = out.parent / f"worker-{number}"
            log = scope.enter_context((out.parent / f"worker-{number}.log").open("wb"))
            workers.append(
                subprocess.Popen([*command, "--local-directory", folder], stdout=log, stderr=log)
            )
            scope.callback(workers[-1].wait)
            scope.callback(workers[-1].kill)
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            client.wait_for_workers(count)
        if not survive:
            arguments = (cluster.scheduler_address, out, workers)
            threading.Thread(target=kill_one, args=arguments, daemon=True).start()
        return lb.run(
            suite, out, executor="dask", scheduler=cluster.scheduler_address, progress=False
        )


def faults(run: lb.Run, reproduced: Reproduction) -> list[str]:
    """Return what is wrong."""
    records = run.records
    seen = Counter(zip(records["workload"], records["implementation"], strict=True))
    problems = []
    if len(records) != CASES or set(seen.values()) != {1}:
        problems.append(f"{len(records)} rows of {len(seen)} cases, not {CASES} of as many")
    if not (records["status"] == "ok").all():
        problems.append(f"not ok: {records['status'].value_counts().to_dict()}")
    if reproduced.exit_code:
        problems.append(f"ratios do not agree: {reproduced.counts}")
    return problems


def main() -> int:
    """Measure on workers and here, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workers", nargs="?", type=int, default=3)
    parser.add_argument("--survive", action="store_true", help="kill no worker")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = folder / "many.yaml"
        suite.write_text(yaml.safe_dump(SUITE), encoding="utf-8")
        start = time.perf_counter()
        remote = on_workers(suite, folder / "remote", options.workers, options.survive)
        middle = time.perf_counter()
        local = lb.run(suite, folder / "local", progress=False)
        print(
            f"{middle - start:.0f} s on {options.workers} workers, "
            f"{time.perf_counter() - middle:.0f} s here"
        )
        reproduced = reproduction("many-ratio", local.folder, remote.folder)
        problems = faults(remote, reproduced)
        print(f"{len(remote.records)} cases; ratios: {reproduced.counts}")
    print("\n".join(problems) or "every case is there once, and ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
