"""How fast a GPU ran: the clock of its processors at the end of each round, and what held it down."""

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
    """Return ``gpu_mhz``, the median over rounds, and ``gpu_throttled``, all reasons; nothing of a
    CPU.
    """
    if evidence.workload.device != "cuda":
        return {}
    turns = [turn for process in evidence.turns for turn in process]
    told = [turn.mhz for turn in turns if turn.mhz]
    reasons = {reason for turn in turns for reason in turn.throttled.split(", ") if reason}
    return {
        "gpu_mhz": float(np.median(told)) if told else None,
        "gpu_throttled": ", ".join(sorted(reasons)),
    }
