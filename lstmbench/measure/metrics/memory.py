"""Memory of one call: by the allocator, by the process's peak, and by the formula.

Allocator and formula also have the growth per time step. The process's peak does not: a process
keeps memory that it once had, so that its growth shows only between cases of different length.
"""

from typing import Any

from lstmbench.measure.metrics import Evidence

NEEDS = frozenset({"memory"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return bytes: the worker's answer (``WorkerServer.memory``), and ``formula_bytes``."""
    workload = evidence.workload
    return evidence.memory | {
        "formula_bytes": workload.formula_bytes,
        "formula_bytes_per_step": workload.formula_bytes_per_step,
    }
