"""How fast the GPU ran: the clock of its processors at the end of each round, and its limits."""

from typing import Any

import numpy as np

from lstmbench.measure.metrics import Evidence
from lstmbench.results.schema import number, text

NEEDS = frozenset({"samples"})
COLUMNS = (
    number("gpu_mhz", "GPU clock", {"MHz": 1.0}),
    text("gpu_throttled", "reasons for a slower GPU clock"),
)


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return ``gpu_mhz``, the median over rounds, and ``gpu_throttled``; {} on a CPU."""
    if evidence.workload.device != "cuda":
        return {}
    measurements = [one for process in evidence.measurements for one in process]
    clocks = [one.mhz for one in measurements if one.mhz]
    reasons = {reason for one in measurements for reason in one.throttled.split(", ") if reason}
    return {
        "gpu_mhz": float(np.median(clocks)) if clocks else None,
        "gpu_throttled": ", ".join(sorted(reasons)),
    }
