"""Many hosts, as a client of their dask scheduler sees them: workloads go there, and what was
measured comes back.

A workload is one task. The scheduler holds on to the tasks of a run by its id, so that the client
may leave and come
back: what was finished in the meantime is collected, what is being measured is not begun again.
"""

import logging
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from distributed.comm import get_address_host, get_address_host_port

from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.executors import dask_worker
from lstmbench.measure.executors.dask_worker import RESOURCE
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.measure.suites.suite import Suite
from lstmbench.measure.suites.training_suite import BASELINES, TrainingSuite, TrainingWorkload

Found = tuple[Any, list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]
"""A workload, its records, its samples, and what else was learnt."""
CONNECT_S = 5.0
MAX_REFUSALS = 3
"""So often may a workload come to a host that cannot measure it, before the run is given up."""
QUIET: Mapping[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,  # it would look at the measuring thread a hundred times a second
}
"""Settings of a scheduler and worker of our own: they serve no pages."""


@contextmanager
def cluster(scheduler: str | None) -> Iterator["Cluster"]:
    """Connect to a scheduler, for the block; without an address to one of our own, in this process,
    with one worker.

    Raises:
        LstmbenchError: if there is no scheduler at this address.
    """
    with ExitStack() as scope:
        if scheduler is None:
            yield Cluster(
                scope.enter_context(Client(scope.enter_context(_own()), set_as_default=False))
            )
        else:
            yield Cluster(scope.enter_context(_client(scheduler)))


@contextmanager
def _own() -> Iterator[LocalCluster]:
    """Give a scheduler with a worker, both in this process; what they listen to, no other machine
    can reach.
    """
    loopback = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    one = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "resources": {RESOURCE: 1}}
    with dask.config.set(QUIET):
        own = LocalCluster(**one, **loopback, silence_logs=logging.ERROR)
    try:
        yield own
    finally:
        dask_worker.dismiss_all()  # where it was interrupted, what is being measured ends with this
        for worker in own.workers.values():
            own.sync(worker.close, executor_wait=False)
        own.close()


def _client(address: str) -> Client:
    try:
        host, port = get_address_host_port(address, strict=True)
    except ValueError:
        raise LstmbenchError(
            f"{address!r} is no scheduler's address; one looks like tcp://10.0.0.1:8786, or tls://10.0.0.1:8786."
        ) from None
    try:
        socket.create_connection(
            (host, port), CONNECT_S
        ).close()  # the client itself would go on trying
        return Client(address, set_as_default=False)
    except (OSError, TypeError, ValueError) as error:
        raise LstmbenchError(f"No scheduler answers at {address}: {error}.") from None


class Cluster:
    """The hosts of one run.

    Attributes:
        machine: the description of the first host of the run's kind, once ``choose`` has been
            called.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.machine: dict[str, Any] = {}
        self._wanted: dict[str, str] = {}
        self._only: list[str] | None = None
        self._said: set[str] = set()

    def choose(self, machine: Mapping[str, Any] | None = None) -> None:
        """Choose the hosts that measure: those of one kind of machine with the software that is
        here.

        Waits for the first worker if there is none yet.

        Args:
            machine: what a run that goes on was begun on; for a new run, the kind that most hosts
                are of is taken.

        Raises:
            LstmbenchError: if no worker offers to measure, or none has the kind of machine and the
                software.
        """
        with _answering():
            found = self._described()
            if not found:
                _say("the scheduler has no worker yet; this run waits for the first.")
                self.client.wait_for_workers(1)
                found = self._described()
        there = {address: each for address, each in found.items() if each["offers"]}
        if not there:
            raise LstmbenchError(
                "No worker of this scheduler offers to measure: start them with --nthreads 1 "
                f"--resources {RESOURCE}=1 (dask worker)."
            )
        software = environment.software()
        if machine is None:
            kinds = {(each["host"], each["traits"]["machine"]) for each in there.values()}
            counts = Counter(kind for _, kind in kinds)
            kind = min(counts, key=lambda kind: (-counts[kind], kind))
        else:
            kind = environment.kind(machine)
        self._wanted = {"machine": kind} | software
        why = {
            address: dask_worker.unlike(self._wanted, each["traits"])
            for address, each in there.items()
        }
        fit = [address for address in there if not why[address]]
        if not fit:
            host = next(iter(there))
            raise LstmbenchError(
                f"No worker can measure this run: {there[host]['host']} has {why[host]}."
            )
        self.machine = there[fit[0]]["machine"]
        for host, reason in {
            there[address]["host"]: why[address] for address in there if why[address]
        }.items():
            if host not in self._said:
                _say(f"{host} measures nothing of this run, for it has {reason}.")
                self._said.add(host)
        self._only = None if len(fit) == len(there) else sorted(set(map(get_address_host, fit)))

    def _described(self) -> dict[str, dict[str, Any]]:
        try:
            return self.client.run(dask_worker.describe)
        except ModuleNotFoundError as error:
            raise LstmbenchError(
                f"A worker cannot describe its host: {error}; lstmbench is needed there."
            ) from None

    def measure(
        self,
        workloads: Sequence[Workload | TrainingWorkload],
        suite: Suite | TrainingSuite,
        run_id: str,
        seed: int,
    ) -> Iterator[Found]:
        """Yield the workloads as they come back.

        What is yielded, the scheduler forgets when the next one is asked for: by then it must be
            kept.

        Raises:
            LstmbenchError: if a workload could not be measured for another reason than the death of
                workers, or the scheduler does not answer any more.
        """
        tasks = _Tasks(
            self, suite.model_copy(update={"implementations": suite.names()}), run_id, seed
        )
        with _answering():
            arriving = as_completed(tasks.begin(workloads), loop=self.client.loop)
            for future in arriving:
                found = tasks.found(future)
                if isinstance(found, Future):
                    arriving.add(found)
                    continue
                yield found
                tasks.forget(found[0])
            self.client.run(dask_worker.dismiss, run_id)


class _Tasks:
    """The tasks of a run: each is published at the scheduler under the run's id and the workload's."""

    def __init__(
        self, hosts: Cluster, suite: Suite | TrainingSuite, run_id: str, seed: int
    ) -> None:
        self.hosts, self.client, self.suite, self.run_id, self.seed = (
            hosts,
            hosts.client,
            suite,
            run_id,
            seed,
        )
        self._workloads: dict[str, Workload | TrainingWorkload] = {}

    def begin(self, workloads: Sequence[Workload | TrainingWorkload]) -> list[Future]:
        """Take up the tasks that the scheduler holds, and submit the others."""
        self._workloads = {workload.id: workload for workload in workloads}
        held = {
            name for name in self.client.list_datasets() if str(name).startswith(self._name(""))
        }
        if kept := sorted(held - {*map(self._name, self._workloads)}):  # before the client left
            self.client.unpublish_dataset(kept)
        found = [
            self.client.get_dataset(name)
            for name in map(self._name, self._workloads)
            if name in held
        ]
        return found + self._submit([each for each in workloads if self._name(each.id) not in held])

    def _submit(
        self, workloads: Sequence[Workload | TrainingWorkload], attempt: int = 0
    ) -> list[Future]:
        if not workloads:
            return []
        futures: list[Future] = self.client.map(
            dask_worker.measure,
            workloads,
            key=[f"{self._name(workload.id)}-{attempt}" for workload in workloads],
            resources={RESOURCE: 1},
            workers=self.hosts._only,
            pure=False,
            suite=self.suite, run_id=self.run_id, seed=self.seed, wanted=self.hosts._wanted,
        )  # fmt: skip
        named = {
            self._name(workload.id): future
            for workload, future in zip(workloads, futures, strict=True)
        }
        self.client.publish_dataset(**named, override=True)
        return futures

    def found(self, future: Future) -> Found | Future:
        """Return what came back of a workload, or the task that measures it again."""
        name, _, attempt = str(future.key).rpartition("-")
        workload = self._workloads[name.rpartition("-")[2]]
        if future.status in (
            "pending",
            "lost",
        ):  # what it brought has gone with its worker: it is measured again
            return future
        if future.status == "finished":
            result = future.result()
            if "refused" not in result:
                return workload, result["records"], result["samples"], result["note"]
            if int(attempt) >= MAX_REFUSALS:
                self.forget(workload)
                raise LstmbenchError(f"No worker can measure this run: {result['refused']}.")
            self.hosts.choose(self.hosts.machine)  # it came after the others
        elif future.status == "error":
            error = future.exception()
            if not isinstance(error, KilledWorker):
                self.forget(workload)  # or it would be there again when the run goes on
                raise LstmbenchError(
                    f"A worker could not measure {workload}: {type(error).__name__}: {error}"
                ) from error
            deaths = sum(
                event["begun"] == workload.id
                for _, event in self.client.get_events(dask_worker.topic(self.run_id))
            )
            if deaths > error.allowed_failures:
                reason = f"the dask worker died {deaths} times while it measured this"
                note: dict[str, Any] = {"controls": [], "environments": {}}
                return workload, _marked(workload, self.suite, reason), [], note
        else:
            raise CancelledError
        (again,) = self._submit(
            [workload], int(attempt) + 1
        )  # it had only waited where others died
        return again

    def forget(self, workload: Workload | TrainingWorkload) -> None:
        """Have the scheduler forget a workload."""
        self.client.unpublish_dataset(self._name(workload.id))

    def _name(self, workload: str) -> str:
        return f"lstmbench-{self.run_id}-{workload}"


def _marked(workload: Any, suite: Suite | TrainingSuite, reason: str) -> list[dict[str, Any]]:
    """Return the rows of a workload that could not be measured anywhere."""
    failed = {"status": "failed", "error": reason, "workload": workload.id}
    names = suite.names()
    if isinstance(workload, TrainingWorkload):
        names = ["baseline"] if workload.cell == BASELINES else names
        failed |= workload.columns()
    return [Case(name, workload).columns() | failed for name in names]


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what is raised when the scheduler has gone into one sentence."""
    try:
        yield
    except (OSError, TimeoutError, CancelledError):
        raise LstmbenchError(
            "The scheduler does not answer any more; the same command goes on with what is missing."
        ) from None


def _say(what: str) -> None:
    sys.stderr.write(f"lstmbench: {what}\n")
