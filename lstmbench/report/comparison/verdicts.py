"""Whether a number changed between two runs: the interval of the change and its verdict.

Interval of a change. A record holds an estimate and its 95 % interval, which ``measure.statistics``
widens to Student's distribution for the number n of processes. The standard error is half the
interval's width on the logarithmic scale, divided by Student's 97.5 % quantile for n - 1 degrees of
freedom. Two runs are independent, so their standard errors add in quadrature. With many processes,
this is the usual (log high - log low) / (2 * 1.96). With five processes, 1.96 and normal quantiles
would do for one comparison but not for a thousand: far out, Student's tails are much heavier than
the widening at 95 % makes up for. The sum has the degrees of freedom of Welch and Satterthwaite,
computed from the standard errors, but at most those for equally noisy processes in both runs:
otherwise a run of two processes that happen to agree would count as precise. The number of samples
per process is not used.

Many comparisons. With m comparisons, each interval has the confidence 1 - 0.05 / m (Bonferroni), so
that all m intervals contain their true changes in at least 95 % of runs. Bonferroni instead of
Holm, because it needs no independence (all ratios of a workload share the noise of one reference),
and because all three verdicts FASTER, SLOWER and SAME follow from its intervals. Holm finds
slightly more changes, but gives no simple intervals for the other cases, and hence no verdict SAME.

Limitation. The intervals do not contain changes from day to day that are the same in all processes
of a run. Two things guard against these: the threshold, and ratios to a reference that was measured
on both days.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lstmbench.errors import LstmbenchError

INTERVAL = ["estimate", "low", "high"]
"""The columns of an estimate with its 95 % interval."""

VERDICTS = ("SLOWER", "AMBIGUOUS", "FASTER", "NOT COMPARABLE", "SAME")
"""In the order in which they are reported."""
SLOWER, AMBIGUOUS, FASTER, NOT_COMPARABLE, SAME = VERDICTS

CONFIDENCE = 0.95
"""Of all intervals of one comparison together; also of each interval in the records."""

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
    return contained & (low < high) & (high < np.inf)


def is_replicated(base: pd.DataFrame, new: pd.DataFrame) -> pd.Series:
    """Return which cases had several processes in both runs; others do not show their noise."""
    return (base["processes"] > 1) & (new["processes"] > 1)


def estimate_change(base: pd.DataFrame, new: pd.DataFrame, comparisons: int) -> pd.DataFrame:
    """Return the logarithm of new / base with its interval.

    Args:
        base, new: estimates that have an interval, and ``processes``, the number of processes,
            which is infinite for the interval of a normal distribution. Missing numbers have a
            missing change.
        comparisons: the number of intervals that must hold together.

    Returns:
        ``change``, ``low`` and ``high``. The interval is unbounded if a run had a single process.
    """
    processes = [run["processes"].clip(lower=2) for run in (base, new)]
    freedoms = [number - 1 for number in processes]
    tail = (1 - CONFIDENCE) / 2
    variances = [
        (np.log(run["high"] / run["low"]) / 2 / _quantile(freedom, tail)) ** 2
        for run, freedom in zip((base, new), freedoms, strict=True)
    ]
    limit = _satterthwaite([1 / number for number in processes], freedoms)
    freedom = np.minimum(_satterthwaite(variances, freedoms), limit)
    half = np.sqrt(sum(variances)) * _quantile(freedom, tail / max(comparisons, 1))
    half = half.where(is_replicated(base, new), np.inf)
    change = np.log(new["estimate"] / base["estimate"])
    return pd.DataFrame({"change": change, "low": change - half, "high": change + half})


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

    SLOWER and FASTER need a change beyond the threshold and an interval that excludes no change.
    SAME needs the whole interval within the threshold. Everything else is AMBIGUOUS. The threshold
    is a factor, so that exchanging the runs exchanges SLOWER and FASTER: 5 % means more than 1.05
    times, or less than 1 / 1.05 of the time.
    """
    limit = np.log1p(threshold) + _ROUNDING
    verdicts = {
        SLOWER: (change["change"] > limit) & (change["low"] > 0),
        FASTER: (change["change"] < -limit) & (change["high"] < 0),
        SAME: (change["low"] >= -limit) & (change["high"] <= limit),
    }
    codes = [VERDICTS.index(verdict) for verdict in verdicts]
    first = np.select(list(verdicts.values()), codes, VERDICTS.index(AMBIGUOUS))
    return pd.Series(category(first, VERDICTS), change.index)
