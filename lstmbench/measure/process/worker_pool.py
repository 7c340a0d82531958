"""The worker processes of a run: fork servers by backend, started when needed."""

import itertools
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from lstmbench.core.registry import (
    ENTRY_POINTS,
    FRAMEWORKS,
    is_session_only,
    unsupported_reason,
)
from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.ab_sources import Variant
from lstmbench.measure.process import worker_environment
from lstmbench.measure.process.available_resources import available_cores
from lstmbench.measure.process.forkserver import (
    CLOSE_TIMEOUT_S,
    HARNESS_FAILED,
    NO_IMPORTS,
    ORACLE,
    START_TIMEOUT_S,
    ForkServer,
    Worker,
    WorkerDied,
)
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.suites.interface import AnyWorkload

SESSION_ONLY_REASON = (
    "it is registered in this session alone, and workers are other processes. Put it into a "
    f"module, and name that in an entry point of the group {ENTRY_POINTS!r} of an installed "
    "package; "
    "CONTRIBUTING.md shows how"
)


def skip_reason(row: dict[str, Any], workload: AnyWorkload) -> str | None:
    """Return why an implementation cannot run a workload on this machine, None if it can.

    Args:
        row: the implementation's row of ``lstmbench.implementations()``.
        workload: what it should run.
    """
    name, threads, available = row["name"], workload.threads, available_cores()
    if not row["available"]:
        return f"{name} is not available here: {row['reason']}"
    if workload.device not in row["devices"]:
        return (
            f"{name} sees no device {workload.device!r} here; it sees {', '.join(row['devices'])}"
        )
    if workload.dtype not in row["dtypes"]:
        return f"{name} does not support {workload.dtype}; it supports {', '.join(row['dtypes'])}"
    if reason := unsupported_reason(workload.dtype, workload.device):
        return f"{name} does not support {workload.dtype} on {workload.device}: {reason}"
    if workload.mode not in row["modes"]:
        return f"{name} has no {workload.mode}"
    if threads > available:
        cores = os.cpu_count() or 1
        usable = f", of which {available} may be used" if available < cores else ""
        return f"{threads} threads were requested, and this machine has {cores} cores{usable}"
    return None


class WorkerPool:
    """Starts workers, and caches what they tell about implementations.

    Attributes:
        scratch: folder for inputs and logs that is removed after the run.
        variants: by label, the implementations that run on other code or another interpreter.
        environments: by ``environment_id``, what each kind of worker runs on.
    """

    def __init__(self, scratch: Path, variants: Iterable[Variant] = ()) -> None:
        self.scratch = scratch
        self.variants = {variant.label: variant for variant in variants}
        self.environments: dict[str, Any] = {}
        self._fork_servers: dict[tuple[str, int, str, int], ForkServer] = {}
        self._rows: dict[tuple[str, int, str], dict[str, Any]] = {}
        self._machine = {"machine": environment.machine(), "packages": environment.packages()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._fork_servers.values():
            server.disconnect()
        end = time.monotonic() + CLOSE_TIMEOUT_S  # for all together: many may still be importing
        for server in self._fork_servers.values():
            server.close(max(0.0, end - time.monotonic()))

    def implementation(self, label: str) -> str:
        """Return the name of the implementation with this label; they differ for A/B variants."""
        return self._variant(label).name

    def _variant(self, label: str) -> Variant:
        return self.variants.get(label) or Variant(label, label)

    def worker(
        self, label: str, workload: AnyWorkload, layout: int = 0, fresh: bool = False
    ) -> Worker:
        """Return a new process for an implementation, with the workload's threads and device.

        Args:
            label: the implementation, or ``ORACLE``. Those of numpy, torch and jax share a fork
                server; any other has its own, so that a failing import affects no other.
            workload: what it will run.
            layout: number of the memory layout, see ``worker_environment``.
            fresh: whether the process must not have imported anything yet.

        Raises:
            WorkerDied: if its fork server ends, or does not become ready.
        """
        return self._fork_server(label, workload, layout, fresh).fork()

    @contextmanager
    def running_worker(
        self, label: str, workload: AnyWorkload, fresh: bool = False
    ) -> Iterator[Worker]:
        """Give a new process as ``worker`` returns it, and kill it after the block."""
        worker = self.worker(label, workload, fresh=fresh)
        try:
            yield worker
        finally:
            worker.kill()

    def preload(self, labels: Iterable[str], workload: AnyWorkload, layouts: Iterable[int]) -> None:
        """Start the fork servers of these workers at the same time, and wait for their imports.

        On two cores that takes half as long as one after the other. One that cannot start is
        reported when a worker is requested.
        """
        pairs = itertools.product(labels, layouts)
        servers = [self._fork_server(label, workload, layout) for label, layout in pairs]
        for server in dict.fromkeys(servers):  # started once, all of them, before the first wait
            if not server.ready:
                with suppress(WorkerDied):
                    server.fork().kill()

    def _fork_server(
        self, label: str, workload: AnyWorkload, layout: int, fresh: bool = False
    ) -> ForkServer:
        """Return the fork server for a worker, started if need be; it may not be ready yet."""
        variant = self._variant(label)
        backend = variant.name.partition(".")[0]
        shared = backend if backend in (*FRAMEWORKS, ORACLE) else variant.name
        imports = NO_IMPORTS if fresh else shared
        key_name = f"{label}, {imports}" if variant.needs_own_process else imports
        key = (key_name, workload.threads, workload.device, layout)
        server = self._fork_servers.get(key)
        if server is None or not server.alive:
            log, code = self.scratch / f"{key_name}.log", variant.unpack(self.scratch)
            server = ForkServer(imports, *key[1:], log=log, python=variant.python, code=code)
            self._fork_servers[key] = server
        return server

    def describe(self, label: str, workload: AnyWorkload) -> dict[str, Any]:
        """Return the row of ``lstmbench.implementations()``, as a worker sees it."""
        key = (label, workload.threads, workload.device)
        if key in self._rows:
            return self._rows[key]
        name = self.implementation(label)
        try:
            with self.running_worker(label, workload) as worker:
                (row,) = worker.request("describe", START_TIMEOUT_S, names=[name])
        except LstmbenchError as error:
            row = {"name": label, "available": False, "reason": str(error), "peer": False}
        if HARNESS_FAILED in row.get("reason", ""):
            return row  # not cached: the next workload tries again
        if not row["available"] and is_session_only(name):
            row["reason"] = SESSION_ONLY_REASON
        self._rows[key] = row
        return row

    def write_inputs(self, workload: Workload, seed: int, path: Path, timeout: float) -> None:
        """Have a worker draw the workload's inputs and compute the oracle's answers."""
        with self.running_worker(ORACLE, workload) as worker:
            worker.request("write_inputs", timeout, workload=workload, seed=seed, path=str(path))

    def machine_worker(self, workload: Workload) -> Worker | None:
        """Return a worker that measures the machine's peak rates; None on a GPU.

        Raises:
            WorkerDied: if it does not become ready.
        """
        return self.worker(ORACLE, workload) if workload.device == "cpu" else None

    def record_environment(
        self, label: str, frameworks: dict[str, Any], workload: AnyWorkload
    ) -> str:
        """Add the environment of a worker to ``environments``, and return its id."""
        threads, device = workload.threads, workload.device
        worker = {
            "frameworks": frameworks,
            "threads": threads,
            "device": device,
            "variables": worker_environment.recorded_variables(threads, device),
        }
        if label in self.variants:
            worker["revision"] = self.variants[label].revision or None
        environment_id = environment.environment_id(self._machine, worker)
        self.environments[environment_id] = worker
        return environment_id
