"""Memory of one call, three ways: the allocator's word, the process's high-water mark, and the
formula.

Allocator and formula also as growth per time step. The process's mark has no such column: a process
keeps what it once had, so that its growth shows between cases of different length only, each in a
process of its own.
"""

from typing import Any

from lstmbench.measure.metrics import Evidence

NEEDS = frozenset({"memory"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return bytes: ``allocated_bytes`` beyond the inputs, ``peak_host_bytes`` of the process,
    ``formula_bytes``.
    """
    workload = evidence.workload
    formula = {
        "formula_bytes": workload.formula_bytes,
        "formula_bytes_per_step": workload.formula_bytes_per_step,
    }
    return dict(evidence.memory) | formula
