"""Two controls are measured with every workload: they show how far its ratios can be trusted.

``same`` is the reference under another name, in its own processes. Its true ratio is 1, and its
deviation from 1 is the run's noise floor. ``slower`` is the reference with a known share of its
calls repeated (of its time steps, if a call is long). Its ratio must be above 1, and its interval
must contain the true one, which is known from the number of calls, or, for time steps, measured
separately in the same process.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lstmbench.measure.statistics import Interval

SLOWER = 0.05
"""The share that ``slower`` repeats: the default threshold of ``lstmbench compare``."""
CONTROLS: Mapping[str, float] = {"same": 0.0, "slower": SLOWER}
"""The controls, and the share that each repeats."""
MISS_RATE = 0.05
"""How often a 95 % interval misses the true value."""
SIGNIFICANCE = 0.01
"""Controls of an honest run fail by chance with at most this probability."""


def row(
    control: str, workload: str, true_ratio: float, ratio: "Interval", processes: int
) -> dict[str, Any]:
    """Return what one control showed at one workload, as the manifest holds it."""
    return {
        "control": control,
        "workload": workload,
        "truth": true_ratio,
        "ratio": ratio.estimate,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "processes": processes,
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the controls of a run showed.

    Returns:
        ``noise_floor``: a phrase for the footers of tables; ``floor``: the deviation of ``same``
        from 1 in 95 % of the workloads; ``false_alarms``: at how many its interval excludes 1;
        ``seen``: at how many the interval of ``slower`` is above 1; ``held``: at how many it
        contains the true ratio; ``failed``: whether intervals miss more often than by chance;
        ``rows``: the argument. A slowdown that is not seen is no failure: the machine was too
        noisy or the budget too small, and the phrase says so.
    """
    same = [row for row in rows if row["control"] == "same"]
    slower = [row for row in rows if row["control"] == "slower"]
    if not same or not slower:
        noise_floor = "not measured: the reference did not run in two processes"
        return {"noise_floor": noise_floor, "failed": False, "rows": list(rows)}
    floor = float(np.percentile([abs(row["ratio"] - 1) for row in same], 95))
    alarms = sum(not row["ratio_low"] <= 1 <= row["ratio_high"] for row in same)
    seen = sum(row["ratio_low"] > 1 for row in slower)
    held = sum(row["ratio_low"] <= row["truth"] <= row["ratio_high"] for row in slower)
    misses = len(slower) - held
    failed = alarms > _max_misses(len(same)) or misses > _max_misses(len(slower))
    unseen = " (too noisy, or too little time, to see that)" if seen < len(slower) / 2 else ""
    phrase = (
        f"{floor:.1%} (the reference against itself at {len(same)} workloads: {alarms} false "
        f"alarms; a slowdown of {SLOWER:.0%} was seen at {seen} of {len(slower)}{unseen}, and the "
        f"interval held the truth at {held})"
    )  # committed manifests contain this phrase, and verify computes it again
    return {
        "noise_floor": f"CONTROLS FAILED: {phrase}" if failed else phrase,
        "floor": floor,
        "false_alarms": alarms,
        "seen": seen,
        "held": held,
        "failed": failed,
        "rows": list(rows),
    }


def _max_misses(intervals: int) -> int:
    """Return the number of misses that chance exceeds with a probability below SIGNIFICANCE."""
    from scipy.special import bdtrc  # only runs need it; suites are read without scipy

    tails = bdtrc(np.arange(intervals), intervals, MISS_RATE)
    return int(np.append(tails < SIGNIFICANCE, True).argmax())
