"""One case while it is measured: what was collected, and whether it is still measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstmbench.core.tolerance import TOLERANCE
from lstmbench.measure import controls, disturbance, metrics
from lstmbench.measure.process.forkserver import HARNESS_FAILED, Worker, WorkerTimeout
from lstmbench.measure.statistics import process_interval
from lstmbench.measure.suites.case import Case
from lstmbench.measure.suites.interface import Row

OUT_OF_MEMORY_MESSAGES = (
    "MemoryError", "OutOfMemory", "out of memory", "can't allocate memory", "RESOURCE_EXHAUSTED",
    "SIGKILL",
)  # fmt: skip
"""Parts of the errors of Python, PyTorch, CUDA, Linux and XLA. SIGKILL comes from the kernel's
out-of-memory killer: nothing else sends it without being asked to."""
MAX_BUSY_CORES = 1.2
"""Maximum busy cores per allowed thread. Not 1: XLA hands each call from one thread to another, and
both are awake for a moment. For short calls that was seen to add 5 %."""
MIN_THREAD_SHARE = 0.05
"""Threads with a smaller share of a process's computing do not count: they only hand work on."""
MAX_EXTRA_THREADS = 3
"""Threads that may compute in addition to the allowed ones. XLA hands calls to a pool of two, one
after the other; one more is margin."""


def status_of(error: Exception) -> str:
    """Return the status of a case whose request raised this error."""
    if isinstance(error, WorkerTimeout):
        return "timeout"
    message = str(error)
    return "out_of_memory" if any(part in message for part in OUT_OF_MEMORY_MESSAGES) else "failed"


def status_without_worker(reason: str) -> str:
    """Return the status of a case that cannot run; ``failed`` if the harness is the reason."""
    return "failed" if HARNESS_FAILED in reason else "skipped"


@dataclass(kw_only=True)
class CaseRun(metrics.Evidence):
    """One case while it is measured: the evidence for its metrics, and its state.

    Attributes:
        implementation: its name, or its label in an A/B comparison.
        peer: whether the implementation is a peer.
        status: ``ok`` as long as it is measured; then a status of ``schema.STATUSES``.
        error: the reason for another status.
        environment_id: of the environment of its workers.
        control: its name if it is a control, see ``lstmbench.measure.controls``.
        true_ratios: per process, the slowdown that the control adds.
        whole_calls: whether the control repeats whole calls, as its first process chose.
        worker: its current process.
    """

    implementation: str
    peer: bool = False
    status: str = "ok"
    error: str = ""
    environment_id: str = ""
    control: str = ""
    true_ratios: list[float] = field(default_factory=list)
    whole_calls: bool | None = None
    worker: Worker | None = None

    def exclude(self, status: str, reason: str) -> None:
        """Stop measuring the case."""
        self.status, self.error = status, reason

    def fail(self, error: Exception) -> None:
        """Stop measuring the case because of an error."""
        self.exclude(status_of(error), str(error))

    def check_pools(self, frameworks: Mapping[str, Any]) -> None:
        """Exclude the case if a thread pool of its process is larger than allowed."""
        allowed = self.workload.threads
        pools = {
            pool.get("internal_api", "a pool"): pool["num_threads"] for pool in frameworks["pools"]
        }
        pools["torch"] = frameworks.get("torch_threads", 0)
        for pool, threads in pools.items():
            if threads > allowed:
                self.exclude("failed", f"{pool} has {threads} threads, but {allowed} are allowed")

    def check_threads(self, thread_shares: Sequence[float], descendants_share: float = 0.0) -> None:
        """Exclude the case if its last process computed on more threads than allowed.

        It may have kept more cores busy in the turn that could use them all. Where other programs
        left no core for that, many more threads than allowed have a share of the computing.

        Args:
            thread_shares: of the process's computing, see ``CpuUsage.shares``.
            descendants_share: of the computing, done by processes which it started.
        """
        allowed, busy = self.workload.threads, float(np.median(self.cores_busy))
        if self.workload.device != "cpu":
            return
        threads = sum(share >= MIN_THREAD_SHARE for share in thread_shares)
        if busy > MAX_BUSY_CORES * allowed:
            self.exclude("failed", f"it kept {busy:.1f} cores busy, but {allowed} are allowed")
        elif descendants_share >= MIN_THREAD_SHARE:
            reason = f"processes that it started did {descendants_share:.0%} of its computing"
            self.exclude("failed", reason)
        elif threads > allowed + MAX_EXTRA_THREADS:
            self.exclude("failed", f"{threads} threads computed, but {allowed} are allowed")

    def check_accuracy(self, check: dict[str, Any]) -> None:
        """Exclude the case if its outputs or gradients are not those of the LSTM."""
        self.first_calls.append(check)
        dtype = self.workload.dtype
        for name in ("output_rel_error", "grad_rel_error"):
            if check[name] is not None and not check[name] <= TOLERANCE[dtype]:
                limit = f"at most {TOLERANCE[dtype]:g} is allowed for {dtype}"
                reason = check["invalid_outputs"] or f"{name} is {check[name]:.2g}, but {limit}"
                self.exclude("wrong_result", reason)

    def samples(self) -> Iterator[Row]:
        """Yield a row per sample, with the disturbance and the machine's peaks of its round."""
        case = self._columns()
        for process, measurements in enumerate(self.measurements):
            reasons = disturbance.reasons(measurements)
            for round_, one in enumerate(measurements):
                reason = ", ".join(name for name, marks in reasons.items() if marks[round_])
                row = case | {"process": process, "round": round_, "calls": one.calls}
                row |= {"disturbed": bool(reason), "disturbance": reason}
                if self.machine_peaks:
                    row |= self.machine_peaks[process][round_]
                for number, seconds in enumerate(one.seconds):
                    yield row | {"sample": number, "seconds": seconds}

    def control_row(self) -> Row:
        """Return what this control showed."""
        ratio = process_interval(self.ratios, self.ratio_prior)
        true_ratio, processes = float(np.median(self.true_ratios)), len(self.measurements)
        return controls.row(self.control, self.workload.id, true_ratio, ratio, processes)

    def record(self) -> Row:
        """Return the record. A case that is not ok has its rounding errors, but no times."""
        record = self._columns() | {
            "status": self.status,
            "error": self.error or None,
            "workload": self.workload.id,
            "environment_id": self.environment_id or None,
        }
        timed = self.status == "ok" and self.measurements
        kinds = metrics.EVIDENCE_KINDS if timed else frozenset({"first_calls"})
        return record | (metrics.compute(self, kinds) if self.first_calls else {})

    def _columns(self) -> Row:
        return Case(self.implementation, self.workload).columns() | {"peer": self.peer}
