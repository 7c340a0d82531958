"""Time of one call in the steady state, its ratio to the reference in the same rounds, and the first call apart."""

from typing import Any

import numpy as np

from lstmbench.measure.metrics import Evidence
from lstmbench.measure.statistics import median_interval

NEEDS = frozenset({"gate", "samples"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return times in seconds and ratios (above 1 is slower than the reference), with 95 % intervals of the medians.

    ``first_call_s`` is the median over processes of the first call; ``compile_s`` is what it took beyond a call in
    the steady state: compilation, lazy initialisation, first touch of memory.
    """
    time = median_interval(evidence.rounds)
    first = float(np.median([process["first_call_s"] for process in evidence.gate]))
    columns: dict[str, Any] = {
        "time_median_s": time.median,
        "time_low_s": time.low,
        "time_high_s": time.high,
        "samples": evidence.samples,
        "processes": len(evidence.rounds),
        "rounds": sum(len(rounds) for rounds in evidence.rounds),
        "first_call_s": first,
        "compile_s": max(0.0, first - time.median),
    }
    if evidence.reference_rounds:
        pairs = zip(evidence.rounds, evidence.reference_rounds, strict=True)
        ratio = median_interval([own / reference for own, reference in pairs])
        columns |= {
            "ratio": ratio.median,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "ratio_to": evidence.reference,
            "converged": (ratio.high - ratio.low) / 2 <= evidence.precision * ratio.median,
        }
    return columns
