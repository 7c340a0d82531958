"""Is the timing valid? How much time the samples account for, and how many cores were busy."""

from typing import Any

import numpy as np

from lstmbench.measure.metrics import Evidence

NEEDS = frozenset({"samples"})

MIN_ACCOUNTED = 0.99
"""Minimum share of the loops' wall time that the samples account for. Only reading
the clock is outside a sample, and a sample lasts 2 ms or longer."""
MAX_WAITED = 0.1
"""Maximum share of a call's time in which a CPU implementation neither computes nor waits for a
core, in 90 % of its measurements. More means that it sleeps, or another process works for it."""


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return ``accounted_share``, ``cores_busy`` and ``flags``.

    ``accounted_share`` is the sum of all samples over the wall time of the loops that took them;
    ``cores_busy`` is the median over processes, each in a turn on all cores. ``flags`` lists
    ``unaccounted`` and ``waits``.
    """
    measurements = [one for process in evidence.measurements for one in process]
    sampled = sum(one.calls * sum(one.seconds) for one in measurements)
    accounted = sampled / sum(one.loop_s for one in measurements)
    waited = np.percentile([one.waited_share for one in measurements], 10)
    flags = {
        "unaccounted": not MIN_ACCOUNTED <= accounted <= 2 - MIN_ACCOUNTED,
        "waits": evidence.workload.device == "cpu" and waited > MAX_WAITED,
    }
    return {
        "accounted_share": accounted,
        "cores_busy": float(np.median(evidence.cores_busy)),
        "flags": ", ".join(name for name, raised in flags.items() if raised),
    }
