"""Medians and their intervals, with respect for the levels: rounds within processes.

A process is the unit of replication (Kalibera & Jones, "Rigorous benchmarking in reasonable time", 2013): two
processes of the same code differ by more than two rounds of one process do, so the bootstrap draws processes first,
then rounds within each.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000


class Interval(NamedTuple):
    """A median with its 95 % interval."""

    median: float
    low: float
    high: float


def median_interval(
    groups: Sequence[NDArray[np.float64]], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the median of all values and its interval by a hierarchical percentile bootstrap.

    Args:
        groups: the values of each process, one array per process; none empty.
        confidence: how often the interval should hold the true median.
        resamples: number of bootstrap samples.
        seed: the bootstrap's own seed, so that the same values give the same interval.
    """
    values = np.concatenate(groups)
    generator = np.random.default_rng(seed)
    most = max(len(group) for group in groups)
    padded = np.full((len(groups), most), np.nan)
    for row, group in zip(padded, groups, strict=True):
        row[: len(group)] = group
    sizes = np.array([len(group) for group in groups])
    processes = generator.integers(len(groups), size=(resamples, len(groups)))
    drawn = sizes[processes][:, :, None]  # (resamples, processes, 1)
    rounds = (generator.random((resamples, len(groups), most)) * drawn).astype(int)
    sample = padded[processes[:, :, None], rounds]
    sample[np.arange(most) >= drawn] = np.nan  # a process contributes as many rounds as it has
    medians = np.nanmedian(sample.reshape(resamples, -1), axis=1)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(medians, [tail, 100 - tail])
    return Interval(float(np.median(values)), float(low), float(high))
