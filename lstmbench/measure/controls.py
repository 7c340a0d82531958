"""Two controls run along with every workload, at no one's request: what they show is how far a
ratio can be trusted.

``same`` is the reference once more, under another name, in processes of its own: its ratio must
hold 1, and how far it strays is the run's noise floor. ``slower`` is the reference made slower by a
known share, by repeating that share of its calls (or of its time steps, where a call is long): its
ratio must lie above 1, and hold the truth, which is known by the count of calls, or, of time steps,
measured apart in the same process.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lstmbench.measure.statistics import Interval

SLOWER = 0.05
"""The share that ``slower`` repeats: as much as a comparison of two runs takes for a change, by its
default.
"""
CONTROLS: Mapping[str, float] = {"same": 0.0, "slower": SLOWER}
"""The controls, and the share that each repeats."""


def row(
    kind: str, workload: str, truth: float, ratio: "Interval", processes: int
) -> dict[str, Any]:
    """Return what one control showed at one workload."""
    return {
        "control": kind,
        "workload": workload,
        "truth": truth,
        "ratio": ratio.median,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "processes": processes,
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the controls of a run showed.

    Returns:
        ``noise_floor``: one phrase, for the footers of tables; ``floor``: how far the ratio of
        ``same`` strayed from 1 in 95 % of the workloads; ``false_alarms``: at how many its interval
        left 1 out; ``seen``: at how many the interval of ``slower`` lay above 1; ``held``: at how
        many it held the truth; ``failed``: whether the controls contradict the run's intervals, by
        more than chance explains; ``rows``: what was given. A slowdown that is not
        seen contradicts nothing: the machine was too noisy, or the budget too small, and the phrase
            says so.
    """
    same = [row for row in rows if row["control"] == "same"]
    slower = [row for row in rows if row["control"] == "slower"]
    if not same or not slower:
        return {
            "noise_floor": "not measured: the reference did not run",
            "failed": False,
            "rows": list(rows),
        }
    floor = float(np.percentile([abs(row["ratio"] - 1) for row in same], 95))
    alarms = sum(not row["ratio_low"] <= 1 <= row["ratio_high"] for row in same)
    seen = sum(row["ratio_low"] > 1 for row in slower)
    held = sum(row["ratio_low"] <= row["truth"] <= row["ratio_high"] for row in slower)
    # One in twenty is what a 95 % interval promises; so many that chance does not explain them are
    # a fault
    failed = bool(
        alarms > _most_by_chance(len(same)) or len(slower) - held > _most_by_chance(len(slower))
    )
    blind = " (too noisy, or too little time, to see that)" if seen < len(slower) / 2 else ""
    phrase = (
        f"{floor:.1%} (the reference against itself at {len(same)} workloads: {alarms} false alarms; a slowdown of "
        f"{SLOWER:.0%} was seen at {seen} of {len(slower)}{blind}, and the interval held the truth at {held})"
    )
    return {
        "noise_floor": f"CONTROLS FAILED: {phrase}" if failed else phrase,
        "floor": floor,
        "false_alarms": alarms,
        "seen": seen,
        "held": held,
        "failed": failed,
        "rows": list(rows),
    }


def _most_by_chance(trials: int, rate: float = 0.05) -> int:
    """Return the number of events at such a rate that is exceeded by chance in less than one run of
    a hundred.
    """
    from scipy.special import bdtrc

    return next(k for k in range(trials + 1) if k == trials or bdtrc(k, trials, rate) < 0.01)
