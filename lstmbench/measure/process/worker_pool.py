"""All the worker processes of a run: zygotes by backend, started when first needed, ended with the
run.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lstmbench.core.registry import (
    ENTRY_POINTS,
    FRAMEWORKS,
    is_session_only,
    unsupported_reason,
)
from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.ab import Variant
from lstmbench.measure.process import worker_environment
from lstmbench.measure.process.available_resources import available_cores
from lstmbench.measure.process.forkserver import (
    HARNESS_FAILED,
    NO_IMPORTS,
    ORACLE,
    START_TIMEOUT_S,
    ForkServer,
    Worker,
    WorkerDied,
    WorkerTimeout,
)
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.suites.interface import AnyWorkload

CLOSE_TIMEOUT_S = 2.0
"""So long may the processes of a run take to end by themselves; what is left is killed."""
SESSION_ONLY_REASON = (
    "it is registered in this session alone, and workers are other processes. Put it into a module, "
    f"and name that in an entry point of the group {ENTRY_POINTS!r} of a package that is installed; "
    "CONTRIBUTING.md shows how"
)


def skip_reason(known: dict[str, Any], workload: AnyWorkload) -> str | None:
    """Return why what is described cannot run a workload on this machine, or None if it can.

    Args:
        known: one row of ``lstmbench.implementations()``.
        workload: what it should run.
    """
    name, threads, cores = known["name"], workload.threads, available_cores()
    if not known["available"]:
        return f"{name} is not available here: {known['reason']}"
    if workload.device not in known["devices"]:
        return (
            f"{name} sees no device {workload.device!r} here; it sees {', '.join(known['devices'])}"
        )
    if workload.dtype not in known["dtypes"]:
        return f"{name} does not support {workload.dtype}; it supports {', '.join(known['dtypes'])}"
    if reason := unsupported_reason(workload.dtype, workload.device):
        return f"{name} does not support {workload.dtype} on {workload.device}: {reason}"
    if workload.mode not in known["modes"]:
        return f"{name} has no {workload.mode}"
    if threads > cores:
        machine = os.cpu_count() or 1
        limit = f"this machine has {machine} cores" + (
            f", of which {cores} may be used" if cores < machine else ""
        )
        return f"{threads} threads were asked for, and {limit}"
    return None


class WorkerPool:
    """Zygotes, and what was learnt through them about implementations and environments.

    Attributes:
        scratch: a folder for inputs and logs that goes with the run.
        variants: by label, the implementations that run on other code or another interpreter, see
            ``lstmbench.measure.ab``.
        environments: by ``environment_id``, what each kind of worker runs on.
    """

    def __init__(self, scratch: Path, variants: Iterable[Variant] = ()) -> None:
        self.scratch = scratch
        self.variants = {variant.label: variant for variant in variants}
        self.environments: dict[str, Any] = {}
        self._zygotes: dict[tuple[str, int, str, int], ForkServer] = {}
        self._known: dict[tuple[str, int, str], dict[str, Any]] = {}
        self._base = {"machine": environment.machine(), "packages": environment.packages()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for zygote in self._zygotes.values():
            zygote.disconnect()
        end = time.monotonic() + CLOSE_TIMEOUT_S  # for all of them: many may still be importing
        for zygote in self._zygotes.values():
            zygote.close(max(0.0, end - time.monotonic()))

    def implementation(self, label: str) -> str:
        """Return the implementation that a label stands for: itself, but for a side of a duel."""
        return self.variants[label].name if label in self.variants else label

    def worker(
        self, label: str, workload: AnyWorkload, layout: int = 0, fresh: bool = False
    ) -> Worker:
        """Return a new process that has imported an implementation, with the workload's threads and
        devices.

        The implementations of numpy, of torch, and of jax share a process to be forked from; any
        other has its own, so that one that fails at import fails alone. One that is ``fresh`` has
        imported nothing yet.

        Raises:
            WorkerDied: if the process that imports it ends, or does not become ready.
        """
        return self._zygote(label, workload, layout, fresh).fork()

    def preload(self, labels: Iterable[str], workload: AnyWorkload, layouts: Iterable[int]) -> None:
        """Have what these workers are forked from imported, all at once, and wait until it is.

        On two cores that takes half as long as one after the other, and nothing is being timed yet.
        What cannot start is left to be found out when a worker is asked for.
        """
        for zygote in [
            self._zygote(label, workload, layout) for label in labels for layout in layouts
        ]:
            with suppress(WorkerDied):
                zygote.fork().kill()

    def _zygote(
        self, label: str, workload: AnyWorkload, layout: int, fresh: bool = False
    ) -> ForkServer:
        """Return the process that this worker is forked from, started if it is not there; it may
        not be ready yet.
        """
        variant, name = self.variants.get(label), self.implementation(label)
        own = variant is not None and variant.needs_own_process
        backend = name.partition(".")[0]
        family = NO_IMPORTS if fresh else backend if backend in (*FRAMEWORKS, ORACLE) else name
        key = (f"{label}, {family}" if own else family, workload.threads, workload.device, layout)
        if key not in self._zygotes or not self._zygotes[key].alive:
            python, code = (
                (variant.python, variant.unpack(self.scratch))
                if variant is not None and own
                else (None, None)
            )
            log = self.scratch / f"{key[0]}.log"
            self._zygotes[key] = ForkServer(family, *key[1:], log=log, python=python, code=code)
        return self._zygotes[key]

    def describe(self, name: str, workload: AnyWorkload) -> dict[str, Any]:
        """Return what is known of an implementation: one row of ``lstmbench.implementations()``."""
        key = (name, workload.threads, workload.device)
        if key not in self._known:
            try:
                (known,) = self._ask_once(
                    name, workload, "describe", names=[self.implementation(name)]
                )
            except (WorkerDied, WorkerTimeout, LstmbenchError) as error:
                known = {"name": name, "available": False, "reason": str(error), "peer": False}
            if HARNESS_FAILED in known.get("reason", ""):
                return known  # and the next workload asks again
            if not known["available"] and is_session_only(self.implementation(name)):
                known["reason"] = SESSION_ONLY_REASON
            self._known[key] = known
        return self._known[key]

    def write_inputs(self, workload: Workload, seed: int, path: Path, timeout: float) -> None:
        """Have the workload's inputs drawn and the oracle's answers computed, in a process of their
        own.
        """
        self._ask_once(
            ORACLE,
            workload,
            "write_inputs",
            timeout,
            workload=vars(workload),
            seed=seed,
            path=str(path),
        )

    def machine_worker(self, workload: Workload) -> Worker | None:
        """Return a fresh process that can measure the machine's limits; None on a GPU, whose limits
        are not measured.

        Raises:
            WorkerDied: if it does not become ready.
        """
        return self.worker(ORACLE, workload) if workload.device == "cpu" else None

    def _ask_once(
        self,
        label: str,
        workload: AnyWorkload,
        command: str,
        timeout: float = START_TIMEOUT_S,
        /,
        **arguments: Any,
    ) -> Any:
        """Ask a worker that is ended after its answer."""
        worker = self.worker(label, workload)
        try:
            return worker.request(command, timeout, **arguments)
        finally:
            worker.kill()

    def record_environment(
        self, label: str, frameworks: dict[str, Any], workload: AnyWorkload
    ) -> str:
        """Keep the environment of a worker, and return its id."""
        described = {
            "frameworks": frameworks,
            "threads": workload.threads,
            "device": workload.device,
        }
        described["variables"] = worker_environment.recorded_variables(
            workload.threads, workload.device
        )
        if label in self.variants:
            described["revision"] = self.variants[label].revision or None
        found = environment.environment_id(self._base, described)
        self.environments[found] = described
        return found
