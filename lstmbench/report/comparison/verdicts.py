"""Whether a number changed between two runs: the interval of the change and its verdict.

Interval of a change. A record holds an estimate, its 95 % interval and the freedom of Student's
distribution that it is based on (of earlier versions: the number of processes less one). The
standard error is half the interval's width on the logarithmic scale, divided by the 97.5 % quantile
of that distribution. Two runs are independent, so their standard errors add in quadrature, and the
sum has the freedom of Welch and Satterthwaite, but at most that for equally noisy runs: otherwise a
run of two processes that happen to agree would count as precise. Each interval holds its true
change in 95 % of runs.

Many comparisons. SLOWER and FASTER must be significant among all of the cases: by the procedure of
Benjamini and Hochberg (1995), at most 5 % of such verdicts are false on average, and if nothing
changed at all, any verdict is false in at most 5 % of runs. SAME is an equivalence test of its row:
the whole 95 % interval lies within the threshold.

Limitation. The intervals do not contain what differs from day to day but is equal in all processes
of a run. The threshold, and ratios to a reference that was measured on both days, protect from it.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from lstmbench.errors import LstmbenchError

INTERVAL = ["estimate", "low", "high"]
"""The columns of an estimate with its 95 % interval."""

VERDICTS = ("SLOWER", "AMBIGUOUS", "FASTER", "NOT COMPARABLE", "SAME")
"""In the order in which they are reported."""
SLOWER, AMBIGUOUS, FASTER, NOT_COMPARABLE, SAME = VERDICTS

CONFIDENCE = 0.95
"""Of each interval, in records and of changes."""

FALSE_DISCOVERIES = 0.05
"""The largest expected share of false verdicts among SLOWER and FASTER."""

_ROUNDING = 1e-12
"""Rounding error of a logarithm: an excess over the threshold up to this does not count."""


def verdict_words(verdict: str) -> str:
    """Return a verdict as it stands in a sentence."""
    return "the same" if verdict == SAME else verdict.lower()


def category(positions: Any, names: Any) -> pd.Categorical:
    """Return the names at these positions; -1 is missing."""
    return pd.Categorical.from_codes(positions, names)


def check_threshold(threshold: float) -> None:
    """Check that the threshold is a fraction.

    Raises:
        LstmbenchError: if it is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        expected = "A threshold lies between 0 and 1, such as 0.05 for 5 %"
        raise LstmbenchError(f"{expected}, but this is {threshold}.")


def has_interval(run: pd.DataFrame) -> pd.Series:
    """Return which estimates have an interval with a width, around a positive number."""
    estimate, low, high = (run[column] for column in INTERVAL)
    contained = (low > 0) & (low <= estimate) & (estimate <= high)
    return contained & (low < high) & (high < np.inf) & (run["freedom"] > 0)


def estimate_change(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return the logarithm of new / base with its interval.

    Args:
        base, new: estimates that have an interval, and its ``freedom``, which is infinite for that
            of a normal distribution. Missing numbers have a missing change.

    Returns:
        ``change``, ``low`` and ``high``; ``significant``: whether there is a change, judged among
        all rows.
    """
    freedoms = [run["freedom"] for run in (base, new)]
    tail = (1 - CONFIDENCE) / 2
    variances = [
        (np.log(run["high"] / run["low"]) / 2 / _quantile(freedom, tail)) ** 2
        for run, freedom in zip((base, new), freedoms, strict=True)
    ]
    limit = _satterthwaite([1 / (freedom + 1) for freedom in freedoms], freedoms)
    freedom = np.minimum(_satterthwaite(variances, freedoms), limit)
    error = np.sqrt(sum(variances))
    change = np.log(new["estimate"] / base["estimate"])
    half = error * _quantile(freedom, tail)
    frame = pd.DataFrame({"change": change, "low": change - half, "high": change + half})
    from scipy.stats import false_discovery_control  # slow to import

    tested = error > 0
    p_values = 2 * stdtr(freedom[tested], -change[tested].abs() / error[tested])
    significant = pd.Series(False, frame.index)
    significant[tested] = false_discovery_control(p_values) <= FALSE_DISCOVERIES
    return frame.assign(significant=significant)


def _satterthwaite(variances: list[Any], freedoms: list[Any]) -> Any:
    """Return the degrees of freedom of a sum of variances; infinite if those of all are."""
    terms = zip(variances, freedoms, strict=True)
    weight = sum(variance**2 / freedom for variance, freedom in terms)
    return (sum(variances) ** 2 / weight).where(weight > 0, np.inf)


def _quantile(freedom: pd.Series, tail: float) -> Any:
    """Return how many standard errors leave this probability in one tail."""
    is_constant = freedom.min() == freedom.max()  # the usual case, and much faster
    return -stdtrit(freedom.max() if is_constant else freedom, tail)


def classify_change(change: pd.DataFrame, threshold: float) -> pd.Series:
    """Return the verdict on each change.

    SLOWER and FASTER need a significant change beyond the threshold. SAME needs the whole interval
    within the threshold. Everything else is AMBIGUOUS. The threshold is a factor, so that
    exchanging the runs exchanges SLOWER and FASTER: 5 % means more than 1.05 times, or less than
    1 / 1.05 of the time.
    """
    limit = np.log1p(threshold) + _ROUNDING
    verdicts = {
        SLOWER: (change["change"] > limit) & change["significant"],
        FASTER: (change["change"] < -limit) & change["significant"],
        SAME: (change["low"] >= -limit) & (change["high"] <= limit),
    }
    codes = [VERDICTS.index(verdict) for verdict in verdicts]
    first = np.select(list(verdicts.values()), codes, VERDICTS.index(AMBIGUOUS))
    return pd.Series(category(first, VERDICTS), change.index)
