"""Memory of one call, three ways: the allocator's word, the process's high-water mark, and the formula."""

from typing import Any

from lstmbench.measure.metrics import Evidence

NEEDS = frozenset({"memory"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return bytes: ``allocated_bytes`` beyond the inputs, ``peak_host_bytes`` of the process, ``formula_bytes``."""
    return dict(evidence.memory) | {"formula_bytes": evidence.workload.formula_bytes}
