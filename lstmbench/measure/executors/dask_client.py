"""Measure workloads on many hosts: the client side of a dask scheduler.

Each workload is one task. The scheduler keeps a run's tasks under its id, so that a client may
disconnect: on its return it collects what has finished, and what still runs is not begun again.
"""

import logging
import socket
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from distributed.comm import get_address_host, get_address_host_port

from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.executors import dask_worker
from lstmbench.measure.executors.dask_worker import RESOURCE
from lstmbench.measure.suites.interface import AnySuite, AnyWorkload, Result

CONNECT_S = 5.0
"""Timeout of the first connection; a scheduler in a local network answers within milliseconds."""
MAX_REFUSALS = 3
"""The run fails once a workload was sent to this many more hosts that cannot measure it."""
QUIET: Mapping[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,  # it samples the measuring thread every 10 ms
}
"""Settings of our own scheduler and worker: no pages, no profiler."""


@contextmanager
def cluster(scheduler: str | None) -> Iterator["DaskExecutor"]:
    """Connect to a scheduler; without an address, start one in this process with one worker.

    Raises:
        LstmbenchError: if no scheduler answers at this address.
    """
    if scheduler is not None:
        with _connect(scheduler) as client:
            yield DaskExecutor(client)
    else:
        with _own_cluster() as local, Client(local, set_as_default=False) as client:
            yield DaskExecutor(client)


@contextmanager
def _own_cluster() -> Iterator[LocalCluster]:
    """Start a scheduler and a worker in this process; no other machine can connect to them."""
    with dask.config.set(QUIET):
        local = LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            resources={RESOURCE: 1},
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        )
    try:
        yield local
    finally:
        dask_worker.end_processes()  # after an interrupt, some may still be measuring
        for worker in local.workers.values():
            local.sync(worker.close, executor_wait=False)
        local.close()


def _connect(address: str) -> Client:
    try:
        host, port = get_address_host_port(address, strict=True)
    except ValueError:
        raise LstmbenchError(
            f"{address!r} is not the address of a scheduler, such as tcp://10.0.0.1:8786 or "
            "tls://10.0.0.1:8786."
        ) from None
    try:
        # Try the port first: the client itself would retry for long
        socket.create_connection((host, port), CONNECT_S).close()
        return Client(address, set_as_default=False)
    except (OSError, TypeError, ValueError) as error:
        raise LstmbenchError(f"No scheduler answers at {address}: {error}.") from None


class DaskExecutor:
    """The executor ``dask``; see ``Executor`` for its methods.

    Attributes:
        client: the connection to the scheduler.
        machine: the description of the first chosen host.
        wanted: the traits that a host must have.
        addresses: the hosts that measure; None for all of the scheduler's.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.machine: dict[str, Any] = {}
        self.wanted: dict[str, str] = {}
        self.addresses: list[str] | None = None
        self._reported: set[str] = set()

    def load_average(self) -> None:
        """Return None: other machines measure."""

    def choose(self, machine: Mapping[str, Any] | None) -> None:
        """Choose the hosts of one kind of machine with this software; wait for the first worker.

        Args:
            machine: the machine that began the run; None to choose the most frequent kind.

        Raises:
            LstmbenchError: if no worker offers to measure, or none has the kind of machine and the
                software.
        """
        with _connected():
            hosts = self._describe()
            if not hosts:
                _print("the scheduler has no worker yet; waiting for the first one.")
                self.client.wait_for_workers(1)
                hosts = self._describe()
        hosts = {address: host for address, host in hosts.items() if host["offers"]}
        if not hosts:
            raise LstmbenchError(
                "No worker of this scheduler offers to measure: start them with --nthreads 1 "
                f"--resources {RESOURCE}=1 (dask worker)."
            )
        if machine is None:
            kinds = {(host["host"], host["traits"]["machine"]) for host in hosts.values()}
            counts = Counter(kind for _, kind in kinds)
            kind = min(counts, key=lambda kind: (-counts[kind], kind))
        else:
            kind = environment.kind(machine)
        self.wanted = {"machine": kind} | environment.software()
        differences, suitable = {}, {}
        for address, host in hosts.items():
            if reason := dask_worker.difference(self.wanted, host["traits"]):
                differences[host["host"]] = reason
            else:
                suitable[address] = host
        if not suitable:
            name, reason = next(iter(differences.items()))
            raise LstmbenchError(f"No worker can measure this run: {name} has {reason}.")
        self.machine = next(iter(suitable.values()))["machine"]
        for name in sorted(differences.keys() - self._reported):
            _print(f"{name} is not used by this run: it has {differences[name]}.")
        self._reported |= differences.keys()
        everyone = len(suitable) == len(hosts)
        self.addresses = None if everyone else sorted(set(map(get_address_host, suitable)))

    def _describe(self) -> dict[str, dict[str, Any]]:
        try:
            return self.client.run(dask_worker.describe)
        except ModuleNotFoundError as error:
            raise LstmbenchError(
                f"A worker cannot describe its host: {error}; install lstmbench there."
            ) from None

    def measure(
        self, workloads: Sequence[AnyWorkload], suite: AnySuite, run_id: str, seed: int
    ) -> Generator[Result]:
        """Yield the workloads as they come back.

        The scheduler forgets a result when the next one is requested: store it before that.

        Raises:
            LstmbenchError: if measuring a workload raised an error, or the connection is lost.
        """
        suite = suite.model_copy(update={"implementations": suite.names()})
        tasks = _Tasks(self, suite, run_id, seed, workloads)
        with _connected():
            futures = as_completed(tasks.begin(), loop=self.client.loop)
            for future in futures:
                result = tasks.result(future)
                if isinstance(result, Future):
                    futures.add(result)
                    continue
                yield result
                tasks.forget(result[0])
            self.client.run(dask_worker.end_processes, run_id)


@dataclass
class _Tasks:
    """The tasks of a run, each published at the scheduler under the ids of run and workload."""

    hosts: DaskExecutor
    suite: AnySuite
    run_id: str
    seed: int
    workloads: Sequence[AnyWorkload]

    def __post_init__(self) -> None:
        self.client, self.prefix = self.hosts.client, f"{dask_worker.topic(self.run_id)}-"
        self.by_name = {self._name(workload): workload for workload in self.workloads}

    def begin(self) -> list[Future]:
        """Collect the tasks that the scheduler has already, and submit the others."""
        names = map(str, self.client.list_datasets())
        published = {name for name in names if name.startswith(self.prefix)}
        if stored := sorted(published - {*self.by_name}):  # stored before the client left
            self.client.unpublish_dataset(stored)
        futures = [self.client.get_dataset(name) for name in self.by_name if name in published]
        missing = [workload for name, workload in self.by_name.items() if name not in published]
        return futures + self._submit(missing)

    def _submit(self, workloads: Sequence[AnyWorkload], attempt: int = 0) -> list[Future]:
        if not workloads:
            return []
        names = [self._name(workload) for workload in workloads]
        futures: list[Future] = self.client.map(
            dask_worker.measure,
            workloads,
            key=[f"{name}-{attempt}" for name in names],
            resources={RESOURCE: 1},
            workers=self.hosts.addresses,
            pure=False,
            suite=self.suite, run_id=self.run_id, seed=self.seed, wanted=self.hosts.wanted,
        )  # fmt: skip
        self.client.publish_dataset(**dict(zip(names, futures, strict=True)), override=True)
        return futures

    def result(self, future: Future) -> Result | Future:
        """Return the result of a task, or the new task that measures its workload again."""
        name, _, attempt = str(future.key).rpartition("-")
        workload = self.by_name[name]
        if future.status in ("pending", "lost"):  # the result was lost with its worker
            return future
        if future.status == "finished":
            answer = future.result()
            if "refused" not in answer:
                return workload, answer["records"], answer["samples"], answer["note"]
            if int(attempt) >= MAX_REFUSALS:
                self.forget(workload)
                raise LstmbenchError(f"No worker can measure this run: {answer['refused']}.")
            self.hosts.choose(self.hosts.machine)  # that host came after the choice
        elif future.status == "error":
            error = future.exception()
            if not isinstance(error, KilledWorker):
                self.forget(workload)  # or a resumed run would get the error again
                raise LstmbenchError(
                    f"A worker could not measure {workload}: {type(error).__name__}: {error}"
                ) from error
            events = self.client.get_events(dask_worker.topic(self.run_id))
            deaths = sum(event["begun"] == workload.id for _, event in events)
            if deaths > error.allowed_failures:
                reason = f"the dask worker died {deaths} times while it measured this"
                outcome = {"status": "failed", "error": reason, "workload": workload.id}
                records = [case.columns() | outcome for case in self.suite.cases(workload)]
                return workload, records, [], {"controls": [], "environments": {}}
        else:
            raise CancelledError
        # Of a killed worker's tasks, those that only waited are not at fault
        (again,) = self._submit([workload], int(attempt) + 1)
        return again

    def forget(self, workload: AnyWorkload) -> None:
        """Delete a workload's task at the scheduler."""
        self.client.unpublish_dataset(self._name(workload))

    def _name(self, workload: AnyWorkload) -> str:
        return f"{self.prefix}{workload.id}"


@contextmanager
def _connected() -> Iterator[None]:
    """Raise an LstmbenchError if the connection to the scheduler is lost in the block."""
    try:
        yield
    except (OSError, TimeoutError, CancelledError):
        raise LstmbenchError(
            "The scheduler no longer answers; repeat the command to measure what is missing."
        ) from None


def _print(message: str) -> None:
    sys.stderr.write(f"lstmbench: {message}\n")
