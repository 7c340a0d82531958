"""Real time series that come with installed packages."""

from functools import cache
from importlib.resources import files
from typing import cast

import numpy as np

from lstmbench.training.task import Array

PART_ENDS = {"train": 0.7, "validation": 0.8, "test": 1.0}
"""Where each part ends, as a fraction of the series: the test part is the latest. Chosen by us."""


def time_split(length: int) -> dict[str, slice]:
    """Return the parts of a series of this length, in the order of time."""
    ends = [round(end * length) for end in PART_ENDS.values()]
    return dict(zip(PART_ENDS, map(slice, [0, *ends], ends), strict=True))


def part_of(series: Array, part: str) -> Array:
    """Return the part ``train``, ``validation`` or ``test`` of a series."""
    return series[time_split(len(series))[part]]


def with_phase(values: Array, times: Array, period: int) -> Array:
    """Return values (T, N), and sine and cosine of the season's phase at their times: (T, N, 3)."""
    phase = 2 * np.pi * times / period
    return np.stack(np.broadcast_arrays(values, np.sin(phase), np.cos(phase)), axis=2)


@cache
def fahrenheit() -> Array:
    """Return Seattle's hourly temperatures in degrees Fahrenheit, (8759,), from vega_datasets.

    They are the normals of the National Oceanic and Atmospheric Administration: means of each hour
    over 1981 to 2010.
    """
    with (files("vega_datasets") / "_data" / "seattle-temps.csv").open(encoding="utf-8") as file:
        return np.loadtxt(file, delimiter=",", skiprows=1, usecols=1)


@cache
def temperatures() -> Array:
    """Return Seattle's hourly temperatures in degrees Celsius, (8759,)."""
    return (fahrenheit() - 32) / 1.8


@cache
def carbon_dioxide() -> Array:
    """Return the weekly CO2 concentration at Mauna Loa in ppm, 1958 to 2001, (2284,).

    From statsmodels. Weeks without a measurement are interpolated linearly.
    """
    from statsmodels.datasets import co2

    return cast(Array, co2.load_pandas().data["co2"].interpolate().to_numpy())
