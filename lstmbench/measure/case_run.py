"""One case while it is measured: what was collected of it, and whether it is still in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstmbench.core.tolerance import TOLERANCE
from lstmbench.measure import controls, disturbance, metrics
from lstmbench.measure.metrics.speed import ratio_interval
from lstmbench.measure.process.forkserver import HARNESS_FAILED, WorkerTimeout
from lstmbench.measure.suites.case import Case

MEMORY_SIGNS = (
    "MemoryError",
    "OutOfMemory",
    "out of memory",
    "can't allocate memory",
    "RESOURCE_EXHAUSTED",
    "SIGKILL",
)
"""What errors say when memory ran out. SIGKILL: no one but the kernel's out-of-memory killer sends
it unasked.
"""
MAX_BUSY = 1.2
"""Most cores that a case may keep busy for each thread that it is allowed. Not 1: XLA hands each
call from one thread
to another, and both are awake for a moment, which for short calls comes to 5 %."""
REAL_SHARE = 0.05
"""A thread that did this share of a process's computing counts."""
HELPERS = 3
"""So many threads may take part beside those allowed: XLA hands calls to a pool of two, one after
the other.
"""


def status_of(error: Exception) -> str:
    """Return the status of a case whose worker ended in this way."""
    if isinstance(error, WorkerTimeout):
        return "timeout"
    return "out_of_memory" if any(sign in str(error) for sign in MEMORY_SIGNS) else "failed"


def status_without_worker(reason: str) -> str:
    """Return the status of a case that cannot run for this reason, which is its own unless the
    harness failed.
    """
    return "failed" if HARNESS_FAILED in reason else "skipped"


@dataclass
class CaseRun:
    """One case while it is measured."""

    case: Case
    evidence: metrics.Evidence
    peer: bool = False
    status: str = "ok"
    error: str = ""
    environment_id: str = ""
    control: str = ""
    truths: list[float] = field(default_factory=list)
    whole_calls: bool | None = None

    def fail(self, error: Exception) -> None:
        """Take the case out, with its reason."""
        self.status, self.error = status_of(error), str(error)

    def check_pools(self, frameworks: Mapping[str, Any]) -> None:
        """Take the case out if a thread pool of its process is larger than it is allowed."""
        allowed = self.case.workload.threads
        pools = {
            pool.get("internal_api", "a pool"): pool["num_threads"] for pool in frameworks["pools"]
        }
        pools["torch"] = frameworks.get("torch_threads", 0)
        for pool, threads in pools.items():
            if threads > allowed:
                self.status, self.error = (
                    "failed",
                    f"{pool} has {threads} threads, and {allowed} are allowed",
                )

    def check_threads(self, thread_shares: Sequence[float], descendants_share: float = 0.0) -> None:
        """Take the case out if it computed on more than its threads, in the process that was
        measured last.

        Either it kept more cores busy; or, where the machine had no core to spare for that, many
        more threads than allowed did a real share of its computing. A few are let pass there, who
        cannot be told from a pool to which calls are handed on.

        Args:
            thread_shares: of its threads, see ``CpuUsage.shares``.
            descendants_share: the share of the computing that processes did which it has started.
        """
        workload, turns = self.case.workload, self.evidence.turns[-1]
        busy = float(np.median([turn.cores_busy for turn in turns])) if turns else 0.0
        threads = sum(share >= REAL_SHARE for share in thread_shares)
        if workload.device != "cpu":
            return
        if busy > MAX_BUSY * workload.threads:
            self.status, self.error = (
                "failed",
                f"it kept {busy:.1f} cores busy, and {workload.threads} are allowed",
            )
        elif descendants_share >= REAL_SHARE:
            self.status, self.error = (
                "failed",
                f"processes that it started did {descendants_share:.0%} of its computing",
            )
        elif threads > workload.threads + HELPERS:
            self.status, self.error = (
                "failed",
                f"{threads} threads computed, and {workload.threads} are allowed",
            )

    def judge(self, gate: dict[str, Any]) -> None:
        """Take the case out if what it computed is not the LSTM."""
        self.evidence.gate.append(gate)
        bound = TOLERANCE[self.case.workload.dtype]
        for name in ("output_rel_error", "grad_rel_error"):
            if gate[name] is not None and not gate[name] <= bound:
                self.status = "wrong_result"
                self.error = gate["invalid_outputs"] or (
                    f"{name} is {gate[name]:.2g}, and {bound:g} is the most for {self.case.workload.dtype}"
                )

    def samples(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of all samples, with what disturbed their round, and the machine's limits
        in it.
        """
        where = self.case.columns() | {"peer": self.peer}
        for process, turns in enumerate(self.evidence.turns):
            reasons = disturbance.reasons(turns)
            for round_, turn in enumerate(turns):
                why = ", ".join(reason for reason, marks in reasons.items() if marks[round_])
                at = where | {"process": process, "round": round_, "calls": turn.calls}
                at |= {"disturbed": bool(why), "disturbance": why}
                at |= self.evidence.limits[process][round_] if self.evidence.limits else {}
                yield from (
                    at | {"sample": k, "seconds": value} for k, value in enumerate(turn.seconds)
                )

    def shown(self) -> dict[str, Any]:
        """Return what this control showed."""
        ratio, _ = ratio_interval(self.evidence.turns, self.evidence.reference_turns)
        processes = len(self.evidence.turns)
        return controls.row(
            self.control, self.case.workload.id, float(np.median(self.truths)), ratio, processes
        )

    def record(self) -> dict[str, Any]:
        """Return the row. A case that is not ok keeps its errors against the oracle, and gets no
        times.
        """
        columns = self.case.columns() | {
            "peer": self.peer,
            "status": self.status,
            "error": self.error or None,
        }
        columns |= {
            "workload": self.case.workload.id,
            "environment_id": self.environment_id or None,
        }
        if self.status == "ok":
            columns |= metrics.compute(self.evidence)
        elif self.evidence.gate:
            columns |= metrics.compute(self.evidence, frozenset({"gate"}))
        return columns
