"""Faults of a sensor, put into a series where they were not: so it is known which values are wrong."""

import numpy as np

from lstmbench.training.tasks.task import Array

KINDS = ("spike", "drift", "stuck", "swapped phase")


def with_faults(
    series: Array, draw: np.random.Generator, every: int, size: float
) -> tuple[Array, Array]:
    """Return a copy of a series (N,) with a fault in each stretch of ``every`` values, and each
    value's kind of fault.

    The kind is a place in ``KINDS``, and -1 where the value is right.

    Args:
        series: the true values.
        draw: what decides kinds, places and sizes.
        every: how many values have one fault between them; at least 60.
        size: of spikes, and at the end of a drift, at most; at least half of it.

    A *spike* is one value, a *drift* grows over 24 values, *stuck* is one value for 12 to 24 steps;
    in a *swapped phase* the halves of 24 values have changed places.
    """
    kinds = np.full(len(series), -1)
    found = series.copy()
    for start in range(0, len(series) - every + 1, every):
        number = int(draw.integers(len(KINDS)))
        kind = KINDS[number]
        place = start + int(draw.integers(12, every - 36))
        sized = size * draw.uniform(0.5, 1) * draw.choice([-1, 1])
        length = {"spike": 1, "stuck": int(draw.integers(12, 25))}.get(kind, 24)
        there = slice(place, place + length)
        if kind == "spike":
            found[there] += sized
        elif kind == "drift":
            found[there] += sized * np.arange(1, length + 1) / length
        elif kind == "stuck":
            found[there] = found[place - 1]
        else:
            found[there] = np.roll(series[there], 12)
        kinds[there] = number
    return found, kinds
