"""The side of dask's worker: it describes its host, and measures workloads as one machine does.

The worker processes of a run are kept from one workload to the next. They end with the run, when
another run begins, and with the dask worker, however that ends.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from distributed import Worker, get_worker
from distributed.utils import sync

from lstmbench.measure import environment
from lstmbench.measure.process import locks
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.interface import AnySuite, AnyWorkload

RESOURCE = "lstmbench"
"""The dask resource; a worker that offers one measures one workload at a time."""

_pools: dict[str, tuple[WorkerPool, ExitStack]] = {}
"""The processes of the run that is measured in this dask worker, by run id; at most one."""


def topic(run_id: str) -> str:
    """Return the scheduler's event topic that lists the workloads of a run that were begun."""
    return f"lstmbench-{run_id}"


@cache
def traits() -> dict[str, str]:
    """Return what must be equal on all hosts of a run: the kind of machine, and the software."""
    return {"machine": environment.kind(environment.machine())} | environment.software()


def difference(wanted: Mapping[str, str], actual: Mapping[str, str]) -> str:
    """Return in what a host differs from the wanted traits, as a phrase; "" if in nothing."""
    return ", ".join(
        f"{name} {actual.get(name)}, not {value}"
        for name, value in wanted.items()
        if actual.get(name) != value
    )


def describe(dask_worker: Worker) -> dict[str, Any]:
    """Return the host's description, and whether the dask worker offers to measure."""
    offers = dask_worker.state.total_resources.get(RESOURCE, 0) >= 1
    machine = environment.machine()
    return {"host": socket.gethostname(), "offers": offers, "machine": machine, "traits": traits()}


def measure(
    workload: AnyWorkload, suite: AnySuite, run_id: str, seed: int, wanted: Mapping[str, str]
) -> dict[str, Any]:
    """Measure a workload, once no other run is timed on this machine.

    Returns:
        ``records``, ``samples`` and ``note``; or ``refused``, the reason, if this host lacks the
        wanted traits.
    """
    host = socket.gethostname()
    if reason := difference(wanted, traits()):
        return {"refused": f"{host} has {reason}"}
    worker = get_worker()
    with locks.lock_machine():
        # Wait until the scheduler has it: if this host dies, the event shows during which workload
        event = {"begun": workload.id, "worker": worker.address}
        sync(worker.loop, worker.scheduler.log_event, topic=topic(run_id), msg=event)
        pool = _pool(run_id, worker)
        records, samples, controls = suite.measure(workload, pool, seed)
    for record in records:
        record["host"] = host
    note = {"controls": controls, "environments": pool.environments}
    return {"records": records, "samples": samples, "note": note}


def end_processes(*run_ids: str) -> None:
    """End the processes of these runs, or of every run, where there are any on this host."""
    for run_id in _pools.keys() & (run_ids or _pools):
        _pools.pop(run_id)[1].close()


def _pool(run_id: str, worker: Worker) -> WorkerPool:
    """Return the processes of a run; end those of another one first."""
    if run_id not in _pools:
        end_processes()
        if worker.nanny:  # it sets this for its worker, and allocation takes another time with it
            os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
        with ExitStack() as scope:
            folder = TemporaryDirectory(prefix="lstmbench-", dir=worker.local_directory)
            pool = scope.enter_context(WorkerPool(Path(scope.enter_context(folder))))
            _pools[run_id] = pool, scope.pop_all()
    return _pools[run_id][0]
