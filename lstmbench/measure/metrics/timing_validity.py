"""Was the timing clean? What its samples account for, how many cores were busy, and flags where
something is odd.
"""

from typing import Any

import numpy as np

from lstmbench.measure.metrics import Evidence

NEEDS = frozenset({"samples"})

MIN_ACCOUNTED = 0.99
"""Samples must account for this share of the wall time of the loops that took them."""
MAX_WAITED = 0.1
"""On a CPU a call computes; one that neither computes nor stands in line for a core for more than
this share of its time, in nearly all of its turns (the 10th percentile), waits: it sleeps, or
another process works
for it unseen."""


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return ``accounted_share``, ``cores_busy`` and ``flags``.

    ``accounted_share`` is the sum of all samples over the wall time of the loops that took them;
    ``cores_busy`` the median over turns of computing time over wall time. ``flags`` is "" or some
    of ``unaccounted`` and ``waits``.
    """
    turns = [turn for process in evidence.turns for turn in process]
    accounted = sum(turn.calls * sum(turn.seconds) for turn in turns) / sum(
        turn.loop_s for turn in turns
    )
    busy = [turn.cores_busy for turn in turns]
    flags = []
    if not MIN_ACCOUNTED <= accounted <= 2 - MIN_ACCOUNTED:
        flags.append("unaccounted")
    if (
        evidence.workload.device == "cpu"
        and np.percentile([turn.waited_share for turn in turns], 10) > MAX_WAITED
    ):
        flags.append("waits")
    return {
        "accounted_share": accounted,
        "cores_busy": float(np.median(busy)),
        "flags": ", ".join(flags),
    }
