"""Whether a number has changed between two runs: intervals of the change, and what they allow one to say.

The interval of a change. A record holds an estimate and its 95 % interval, as ``measure.statistics`` makes it: of n
processes, widened to Student's. Half its width on the scale of logarithms, divided by Student's quantile of n - 1
degrees of freedom, is the standard error; those of two runs, which are independent, add in quadrature. With many
processes this is the usual (log high - log low) / (2 * 1.96). With five, 1.96 here and normal quantiles afterwards
would do for one comparison, but not for a thousand: far out, Student's tails are much heavier than widening at 95 %
makes up for. The sum has the degrees of freedom of Welch and Satterthwaite, from the standard errors that were found,
but no more than if a process were as noisy in one run as in the other: else a run of two processes that happen to
agree would be taken for a precise one. How many samples a process took is nowhere used.

Many comparisons. With m of them, each interval has the confidence 1 - 0.05 / m (Bonferroni), so that all m hold their
true changes at once in at least 95 % of runs. Bonferroni, not Holm: it needs no independence (all ratios of a workload
share the noise of one reference), and it is a set of intervals, from which FASTER, SLOWER and SAME are read alike.
Holm rejects a little more often, but has no simple intervals for what it doesn't reject, and no verdict SAME.

What this cannot see: what differs from one day to the next and is the same in all processes of a run. The practical
threshold, and ratios to a reference that was there on both days, stand against it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lstmbench.errors import LstmbenchError

Floats = NDArray[np.float64]

VERDICTS = ("SLOWER", "AMBIGUOUS", "FASTER", "NOT COMPARABLE", "SAME")
"""In the order in which they are told."""
SLOWER, AMBIGUOUS, FASTER, NOT_COMPARABLE, SAME = VERDICTS

CONFIDENCE = 0.95
"""How often all intervals of one comparison of two runs hold at once; also that of each interval in the records."""

_ROUNDING = 1e-12
"""So much beyond the threshold is rounding, on the scale of logarithms."""


def check_threshold(threshold: float) -> None:
    """Do nothing if it is a fraction.

    Raises:
        LstmbenchError: if not.
    """
    if not 0 < threshold < 1:
        raise LstmbenchError(f"A threshold lies between 0 and 1, such as 0.05 for 5 %, but this is {threshold}.")


class Side(NamedTuple):
    """The numbers of one run, an array entry for each case: estimate with its 95 % interval, all positive."""

    estimate: Floats
    low: Floats
    high: Floats
    processes: Floats  # NaN where it is not recorded: then the interval is taken at its word, as a normal one

    def take(self, places: NDArray[np.int64]) -> "Side":
        """Return the numbers at these places."""
        return Side(*(values[places] for values in self))


class Change(NamedTuple):
    """Logarithms of new / base, with their interval; the ends are infinite where a side had a single process."""

    estimate: Floats
    low: Floats
    high: Floats


def usable(side: Side) -> NDArray[np.bool_]:
    """Say which cases have an interval: of positive finite numbers, around the estimate, and with a width."""
    with np.errstate(invalid="ignore"):
        ordered = (side.low > 0) & (side.low <= side.estimate) & (side.estimate <= side.high)
        return ordered & (side.low < side.high) & np.isfinite(side.high)


def replicated(base: Side, new: Side) -> NDArray[np.bool_]:
    """Say which cases had more than one process in both runs; nothing can be told of the others."""
    return ~((base.processes <= 1) | (new.processes <= 1))


def change(base: Side, new: Side, comparisons: int) -> Change:
    """Return the change from base to new, each with an interval for so many comparisons together.

    Args:
        base, new: usable numbers.
        comparisons: how many intervals must hold at once.
    """
    estimate = np.log(new.estimate / base.estimate)
    processes = [np.where(np.isnan(side.processes), np.inf, np.maximum(side.processes, 2)) for side in (base, new)]
    freedoms = [each - 1 for each in processes]
    halves = [np.log(side.high / side.low) / 2 for side in (base, new)]
    tail = (1 - CONFIDENCE) / 2
    squares = [(half / _quantile(freedom, tail)) ** 2 for half, freedom in zip(halves, freedoms, strict=True)]
    freedom = np.minimum(_freedom(squares, freedoms), _freedom([1 / each for each in processes], freedoms))
    half = np.sqrt(sum(squares)) * _quantile(freedom, tail / max(comparisons, 1))
    half = np.where(replicated(base, new), half, np.inf)
    return Change(estimate, estimate - half, estimate + half)


def _freedom(variances: list[Floats], freedoms: list[Floats]) -> Floats:
    """Return the degrees of freedom of a sum of variances (Satterthwaite); infinite where those of all are."""
    weight = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    known = weight > 0
    return np.where(known, sum(variances) ** 2 / np.where(known, weight, 1), np.inf)


def _quantile(freedom: Floats, tail: float) -> Floats:
    """Return by how many standard errors Student's distribution leaves out so much at one side."""
    if len(freedom) and np.all(freedom == freedom[0]):  # as often as not: every case had as many processes
        return np.full(len(freedom), -stdtrit(freedom[0], tail))
    return -np.asarray(stdtrit(freedom, tail), dtype=np.float64)


def judge(found: Change, threshold: float) -> NDArray[np.int8]:
    """Return the verdict on each change, by its place in ``VERDICTS``.

    SLOWER and FASTER need both: an estimate beyond the threshold, and an interval without 1. SAME needs the whole
    interval within it. Everything else is AMBIGUOUS. New and base exchanged, SLOWER and FASTER change places, so
    the threshold is a factor: with 5 %, more than 1.05 times, or less than 1 / 1.05 of the time.
    """
    limit = np.log1p(threshold)
    inside = limit + _ROUNDING
    conditions = [
        (found.estimate > inside) & (found.low > 0),
        (found.estimate < -inside) & (found.high < 0),
        (found.low >= -inside) & (found.high <= inside),
    ]
    places = [np.int8(VERDICTS.index(verdict)) for verdict in (SLOWER, FASTER, SAME)]
    return np.select(conditions, places, np.int8(VERDICTS.index(AMBIGUOUS)))
