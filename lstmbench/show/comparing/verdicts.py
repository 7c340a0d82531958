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
that all m intervals contain their true changes in at least 95 % of runs. Bonferroni instead of Holm,
because it needs no independence (all ratios of a workload share the noise of one reference), and
because FASTER, SLOWER and SAME are read in the same way from its intervals. Holm rejects slightly
more often, but has no simple intervals for what it does not reject, and hence no verdict SAME.

Limitation. The intervals do not contain what differs from day to day but is equal in all processes
of a run. The threshold, and ratios to a reference that was measured on both days, protect from it.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from lstmbench.errors import LstmbenchError

Floats = NDArray[np.float64]

VERDICTS = ("SLOWER", "AMBIGUOUS", "FASTER", "NOT COMPARABLE", "SAME")
"""In the order in which they are reported."""
SLOWER, AMBIGUOUS, FASTER, NOT_COMPARABLE, SAME = VERDICTS

CONFIDENCE = 0.95
"""Of all intervals of one comparison together; also of each interval in the records."""

_ROUNDING = 1e-12
"""Rounding error of a logarithm: an excess over the threshold up to this does not count."""


def check_threshold(threshold: float) -> None:
    """Check that the threshold is a fraction.

    Raises:
        LstmbenchError: if it is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise LstmbenchError(
            f"A threshold lies between 0 and 1, such as 0.05 for 5 %, but this is {threshold}."
        )


class Estimates(NamedTuple):
    """Estimates of one run with their 95 % intervals; one array entry per case, all positive."""

    estimate: Floats
    low: Floats
    high: Floats
    processes: Floats  # NaN if not recorded; the interval then counts as a normal one

    def take(self, rows: NDArray[np.int64]) -> "Estimates":
        """Return the estimates of these rows."""
        return Estimates(*(values[rows] for values in self))


class Change(NamedTuple):
    """Logarithm of new / base with its interval, which is unbounded if a run had a single process."""

    estimate: Floats
    low: Floats
    high: Floats


def has_interval(estimates: Estimates) -> NDArray[np.bool_]:
    """Return which cases have an interval with a width, around a positive estimate."""
    estimate, low, high, _ = estimates
    contained = (low > 0) & (low <= estimate) & (estimate <= high)
    return contained & (low < high) & np.isfinite(high)


def is_replicated(base: Estimates, new: Estimates) -> NDArray[np.bool_]:
    """Return which cases had several processes in both runs; others do not show their noise."""
    return ~((base.processes <= 1) | (new.processes <= 1))


def estimate_change(base: Estimates, new: Estimates, comparisons: int) -> Change:
    """Return the change from base to new.

    Args:
        base, new: estimates that have an interval.
        comparisons: the number of intervals that must hold together.
    """
    estimate = np.log(new.estimate / base.estimate)
    processes = [
        np.where(np.isnan(run.processes), np.inf, np.maximum(run.processes, 2))
        for run in (base, new)
    ]
    freedoms = [number - 1 for number in processes]
    half_widths = [np.log(run.high / run.low) / 2 for run in (base, new)]
    tail = (1 - CONFIDENCE) / 2
    variances = [
        (half / _quantile(freedom, tail)) ** 2
        for half, freedom in zip(half_widths, freedoms, strict=True)
    ]
    equally_noisy = [1 / number for number in processes]
    limit = _satterthwaite(equally_noisy, freedoms)
    freedom = np.minimum(_satterthwaite(variances, freedoms), limit)
    half = np.sqrt(sum(variances)) * _quantile(freedom, tail / max(comparisons, 1))
    half = np.where(is_replicated(base, new), half, np.inf)
    return Change(estimate, estimate - half, estimate + half)


def _satterthwaite(variances: list[Floats], freedoms: list[Floats]) -> Floats:
    """Return the degrees of freedom of a sum of variances; infinite if those of all are."""
    terms = zip(variances, freedoms, strict=True)
    weight = sum(variance**2 / freedom for variance, freedom in terms)
    known = weight > 0
    return np.where(known, sum(variances) ** 2 / np.where(known, weight, 1), np.inf)


def _quantile(freedom: Floats, tail: float) -> Floats:
    """Return how many standard errors leave this probability in one tail."""
    if len(freedom) and np.all(freedom == freedom[0]):  # the usual case, and much faster
        return np.full(len(freedom), -stdtrit(freedom[0], tail))
    return -np.asarray(stdtrit(freedom, tail), dtype=np.float64)


def classify_change(change: Change, threshold: float) -> pd.Categorical:
    """Return the verdict on each change.

    SLOWER and FASTER need an estimate beyond the threshold and an interval that excludes no change.
    SAME needs the whole interval within the threshold. Everything else is AMBIGUOUS. The threshold
    is a factor, so that exchanging the runs exchanges SLOWER and FASTER: 5 % means more than 1.05
    times, or less than 1 / 1.05 of the time.
    """
    limit = np.log1p(threshold) + _ROUNDING
    conditions = {
        SLOWER: (change.estimate > limit) & (change.low > 0),
        FASTER: (change.estimate < -limit) & (change.high < 0),
        SAME: (change.low >= -limit) & (change.high <= limit),
    }
    codes = [VERDICTS.index(verdict) for verdict in conditions]
    verdicts = np.select(list(conditions.values()), codes, VERDICTS.index(AMBIGUOUS))
    return pd.Categorical.from_codes(verdicts, VERDICTS)
