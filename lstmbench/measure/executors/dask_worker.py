"""What a dask worker runs: it describes its host, and measures workloads there as they are measured
on one machine.

The processes of a run stay from one of its workloads to the next. They go when the run has come to
its end, when another run comes, and with the dask worker, however that ends.
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
from lstmbench.measure.runner import measured
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.suites.suite import Suite
from lstmbench.measure.suites.training_suite import TrainingSuite, TrainingWorkload

RESOURCE = "lstmbench"
"""What a dask worker offers one of if it is to measure: so there is one workload at a time in it.
"""

_teams: dict[str, tuple[WorkerPool, ExitStack]] = {}
"""By the run's id, the processes of the run that is being measured in this dask worker; never more
than one.
"""


def topic(run_id: str) -> str:
    """Return where the scheduler notes the workloads of a run that were begun."""
    return f"lstmbench-{run_id}"


@cache
def traits() -> dict[str, str]:
    """Return what must be the same on all hosts of a run: the kind of machine, and the software."""
    return {"machine": environment.kind(environment.machine())} | environment.software()


def unlike(wanted: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return in what a host differs from what is wanted, as a phrase; empty if in nothing."""
    return ", ".join(
        f"{name} {here.get(name)}, not {value}"
        for name, value in wanted.items()
        if here.get(name) != value
    )


def describe(dask_worker: Worker) -> dict[str, Any]:
    """Say what this host is, and whether the dask worker offers to measure."""
    offers = dask_worker.state.total_resources.get(RESOURCE, 0) >= 1
    machine = environment.machine()
    return {"host": socket.gethostname(), "offers": offers, "machine": machine, "traits": traits()}


def measure(
    workload: Workload | TrainingWorkload,
    suite: Suite | TrainingSuite,
    run_id: str,
    seed: int,
    wanted: Mapping[str, str],
) -> dict[str, Any]:
    """Measure a workload, once no other run is being timed on this machine.

    Returns:
        ``records``, ``samples``, and what else was learnt as ``note``; or ``refused``, and why:
        this is another kind of machine, or it has other software.
    """
    if why := unlike(wanted, traits()):
        return {"refused": f"{socket.gethostname()} has {why}"}
    worker, host = get_worker(), socket.gethostname()
    with locks.lock_machine():
        # If this host dies now, it is known at what; so this waits until the scheduler has it
        begun = {"begun": workload.id, "worker": worker.address}
        sync(worker.loop, worker.scheduler.log_event, topic=topic(run_id), msg=begun)
        team = _team(run_id, worker)
        records, samples, shown = measured(workload, suite, team, seed)
    for record in records:
        record["host"] = host
    note = {"controls": shown, "environments": team.environments}
    return {"records": records, "samples": samples, "note": note}


def dismiss(run_id: str) -> None:
    """End the processes of a run, if there are any here."""
    if found := _teams.pop(run_id, None):
        found[1].close()


def dismiss_all() -> None:
    """End the processes of every run."""
    for run_id in list(_teams):
        dismiss(run_id)


def _team(run_id: str, worker: Worker) -> WorkerPool:
    """Return the processes of a run; those of another one are ended first."""
    if run_id not in _teams:
        dismiss_all()
        if (
            worker.nanny
        ):  # it sets this for its own worker; the time of memory that is allocated depends on it
            os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
        with ExitStack() as scope:
            folder = scope.enter_context(
                TemporaryDirectory(prefix="lstmbench-", dir=worker.local_directory)
            )
            team = scope.enter_context(WorkerPool(Path(folder)))
            _teams[run_id] = team, scope.pop_all()
    return _teams[run_id][0]
