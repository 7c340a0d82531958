"""Rounding error: relative L2 distance to the float64 oracle, the worst over outputs and over
gradients.
"""

from typing import Any

from lstmbench.measure.metrics import Evidence

NEEDS = frozenset({"gate"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return ``output_rel_error`` and ``grad_rel_error``, the worst process counting."""
    columns: dict[str, Any] = {}
    for name in ("output_rel_error", "grad_rel_error"):
        found = [process[name] for process in evidence.gate if process[name] is not None]
        columns[name] = max(found) if found else None
    return columns
