"""Steady-state time of a call, its ratio to the reference, and the time of the first call."""

from typing import Any

import numpy as np

from lstmbench.measure.disturbance import Measurement, discarded_rounds, disturbed
from lstmbench.measure.metrics import Evidence, round_times
from lstmbench.measure.statistics import Interval, median_interval

NEEDS = frozenset({"first_calls", "samples"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return times in seconds and ratios (above 1: slower than the reference).

    The time of a round is the mean over its calls (``round_times``). The columns are the median
    over the rounds that are not disturbed, with its 95 % interval. ``first_call_s`` is the median
    over processes; ``compile_s`` is what it takes in addition to a steady call: compilation, lazy
    initialisation, first use of memory. ``time_p05_s`` and ``time_p95_s`` are percentiles of all
    samples.
    """
    marks = [disturbed(process) for process in evidence.measurements]
    discarded, noisy = discarded_rounds(marks)
    rounds = evidence.rounds
    time = median_interval([own[~out] for own, out in zip(rounds, discarded, strict=True)])
    samples = np.concatenate([one.seconds for process in evidence.measurements for one in process])
    p05, p95 = np.percentile(samples, [5, 95])
    first = float(np.median([call["first_call_s"] for call in evidence.first_calls]))
    columns: dict[str, Any] = {
        "time_median_s": time.median,
        "time_low_s": time.low,
        "time_high_s": time.high,
        "time_p05_s": float(p05),
        "time_p95_s": float(p95),
        "samples": len(samples),
        "processes": len(rounds),
        "rounds": sum(len(own) for own in rounds),
        "disturbed_rounds": sum(int(mark.sum()) for mark in marks),
        "noisy": noisy,
        "first_call_s": first,
        "compile_s": max(0.0, first - time.median),
    }
    if evidence.reference_measurements:
        ratio, noisy_ratio = ratio_interval(evidence.measurements, evidence.reference_measurements)
        columns |= {
            "ratio": ratio.median,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "ratio_to": evidence.reference,
            "converged": ratio.precision <= evidence.precision,
            "noisy": noisy or noisy_ratio,
        }
    return columns


def ratio_interval(
    measurements: list[list[Measurement]], reference: list[list[Measurement]]
) -> tuple[Interval, bool]:
    """Return the median of the ratios within rounds, and whether too many rounds were disturbed."""
    pairs = list(zip(measurements, reference, strict=True))
    discarded, noisy = discarded_rounds([disturbed(own) | disturbed(base) for own, base in pairs])
    times = zip(round_times(measurements), round_times(reference), discarded, strict=True)
    return median_interval([(own / base)[~out] for own, base, out in times]), noisy
