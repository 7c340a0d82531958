"""Rounding error: the relative L2 distance to the float64 oracle."""

from typing import Any

from lstmbench.measure.metrics import Evidence

NEEDS = frozenset({"first_calls"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return ``output_rel_error`` and ``grad_rel_error``, each of the worst array and process."""
    columns: dict[str, Any] = {}
    for name in ("output_rel_error", "grad_rel_error"):
        errors = [call[name] for call in evidence.first_calls if call[name] is not None]
        columns[name] = max(errors, default=None)
    return columns
