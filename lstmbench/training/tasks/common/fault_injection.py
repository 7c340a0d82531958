"""Sensor faults put into a clean series, so that it is known which values are wrong."""

import numpy as np

from lstmbench.training.task import Array

FAULT_KINDS = ("spike", "drift", "stuck", "swapped phase")


def inject_faults(
    series: Array, rng: np.random.Generator, every: int, size: float
) -> tuple[Array, Array]:
    """Return a copy of a series (N,) with faults, and their ``FAULT_KINDS`` indices (-1: clean).

    Args:
        series: the true values.
        rng: draws kinds, places and sizes.
        every: number of values that share one fault; at least 60.
        size: the largest size of spikes and of the end of a drift; the smallest is half of it.

    A *spike* is one value, a *drift* grows over 24 values, *stuck* repeats one value for 12 to 24
    steps; in a *swapped phase* the halves of 24 values have changed places.
    """
    kinds = np.full(len(series), -1)
    faulty = series.copy()
    for start in range(0, len(series) - every + 1, every):
        kind = int(rng.integers(len(FAULT_KINDS)))
        first = start + int(rng.integers(12, every - 36))
        offset = size * rng.uniform(0.5, 1) * rng.choice([-1, 1])
        stuck_length = int(rng.integers(12, 25))
        length = {"spike": 1, "stuck": stuck_length}.get(FAULT_KINDS[kind], 24)
        fault = slice(first, first + length)
        clean = series[fault]
        faulty[fault] = {
            "spike": clean + offset,
            "drift": clean + offset * np.arange(1, length + 1) / length,
            "stuck": np.full(length, series[first - 1]),
            "swapped phase": np.roll(clean, 12),
        }[FAULT_KINDS[kind]]
        kinds[fault] = kind
    return faulty, kinds
