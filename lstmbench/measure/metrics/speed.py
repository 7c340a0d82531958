"""Time of one call in the steady state, its ratio to the reference in the same rounds, and the
first call apart.
"""

from typing import Any

import numpy as np

from lstmbench.measure.disturbance import Turn, disturbed, left_out
from lstmbench.measure.metrics import Evidence, round_times
from lstmbench.measure.statistics import Interval, median_interval

NEEDS = frozenset({"gate", "samples"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return times in seconds and ratios (above 1 is slower than the reference), with 95 %
    intervals of the medians.

    A round's time is the mean over its calls (see ``round_times``), and what is quoted is the
    median over rounds. ``first_call_s`` is the median over processes of the first call;
    ``compile_s`` is what it took beyond a call in
    the steady state: compilation, lazy initialisation, first touch of memory. Medians leave out
    disturbed rounds (see ``lstmbench.measure.disturbance``); ``time_p05_s`` and ``time_p95_s`` are
    percentiles of all samples.
    """
    marks = [disturbed(turns) for turns in evidence.turns]
    out, noisy = left_out(marks)
    rounds = evidence.rounds
    time = median_interval([own[~leave] for own, leave in zip(rounds, out, strict=True)])
    samples = np.concatenate([turn.seconds for process in evidence.turns for turn in process])
    low, high = np.percentile(samples, [5, 95])
    first = float(np.median([process["first_call_s"] for process in evidence.gate]))
    columns: dict[str, Any] = {
        "time_median_s": time.median,
        "time_low_s": time.low,
        "time_high_s": time.high,
        "time_p05_s": float(low),
        "time_p95_s": float(high),
        "samples": len(samples),
        "processes": len(rounds),
        "rounds": sum(len(own) for own in rounds),
        "disturbed_rounds": sum(int(mark.sum()) for mark in marks),
        "noisy": noisy,
        "first_call_s": first,
        "compile_s": max(0.0, first - time.median),
    }
    if evidence.reference_turns:
        ratio, disturbed_beside = ratio_interval(evidence.turns, evidence.reference_turns)
        columns |= {
            "ratio": ratio.median,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "ratio_to": evidence.reference,
            "converged": ratio.precision <= evidence.precision,
            "noisy": columns["noisy"] or disturbed_beside,
        }
    return columns


def ratio_interval(turns: list[list[Turn]], reference: list[list[Turn]]) -> tuple[Interval, bool]:
    """Return the median of the ratios within rounds and its interval, and whether too many rounds
    were disturbed.
    """
    pairs = list(zip(turns, reference, strict=True))
    out, noisy = left_out([disturbed(own) | disturbed(base) for own, base in pairs])
    ratios = [
        own / base for own, base in zip(round_times(turns), round_times(reference), strict=True)
    ]
    return median_interval([ratio[~leave] for ratio, leave in zip(ratios, out, strict=True)]), noisy
