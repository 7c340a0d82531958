"""Steady-state time of a call, its ratio to the reference, and the time of the first call."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmbench.measure.disturbance import Mask, disturbed
from lstmbench.measure.metrics import Evidence
from lstmbench.measure.statistics import Groups, Interval, process_interval

NEEDS = frozenset({"first_calls", "samples"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return times in seconds and ratios (above 1: slower than the reference).

    The time of a round is the mean over its calls (``round_times``). The columns are the estimates
    of ``lstmbench.measure.statistics`` with their 95 % intervals. ``first_call_s`` is the median
    over processes; ``compile_s`` is what it takes in addition to a steady call: compilation, lazy
    initialisation, first use of memory. ``time_p05_s`` and ``time_p95_s`` are percentiles of all
    samples. ``noisy``: without the disturbed rounds, an estimate would be outside its interval.
    """
    marks = [disturbed(process) for process in evidence.measurements]
    rounds = evidence.rounds
    time = process_interval(rounds, evidence.time_prior)
    samples = np.concatenate([one.seconds for process in evidence.measurements for one in process])
    p05, p95 = np.percentile(samples, [5, 95])
    first = float(np.median([call["first_call_s"] for call in evidence.first_calls]))
    columns: dict[str, Any] = {
        "time_median_s": time.estimate,
        "time_low_s": time.low,
        "time_high_s": time.high,
        "time_freedom": time.freedom,
        "time_p05_s": float(p05),
        "time_p95_s": float(p95),
        "samples": len(samples),
        "processes": len(rounds),
        "rounds": sum(len(own) for own in rounds),
        "disturbed_rounds": sum(int(mark.sum()) for mark in marks),
        "noisy": _depends_on_disturbed(rounds, marks, time),
        "first_call_s": first,
        "compile_s": max(0.0, first - time.estimate),
    }
    if evidence.reference_measurements:
        ratios = evidence.ratios
        ratio = process_interval(ratios, evidence.ratio_prior)
        base_marks = [disturbed(process) for process in evidence.reference_measurements]
        either = [own | base for own, base in zip(marks, base_marks, strict=True)]
        columns |= {
            "ratio": ratio.estimate,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "ratio_freedom": ratio.freedom,
            "ratio_to": evidence.reference,
            "converged": ratio.precision <= evidence.precision,
            "noisy": _depends_on_disturbed(ratios, either, ratio),
        }
    return columns


def _depends_on_disturbed(groups: Groups, marks: Sequence[Mask], interval: Interval) -> bool:
    """Return whether the estimate without the disturbed rounds lies outside the interval.

    Only processes with undisturbed rounds are used. If there are none, or there is no interval,
    nothing is known.
    """
    quiet = [group[~mark] for group, mark in zip(groups, marks, strict=True) if not mark.all()]
    if not quiet:
        return False
    estimate = process_interval(quiet).estimate
    return estimate < interval.low or estimate > interval.high
