"""Real series that come with packages, as they are.

SHARES divides a series in time, so that what is forecast lies after what was learnt from.
"""

import csv
from functools import cache
from importlib.resources import files

import numpy as np

from lstmbench.training.tasks.task import Array

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


@cache
def fahrenheit() -> Array:
    """Return Seattle's hourly temperatures in degrees Fahrenheit, (8759,), from vega_datasets.

    They are the normals of the National Oceanic and Atmospheric Administration: means of each hour
    over 1981 to 2010.
    """
    lines = (
        (files("vega_datasets") / "_data" / "seattle-temps.csv")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    return np.array([float(row["temp"]) for row in csv.DictReader(lines)])


@cache
def temperatures() -> Array:
    """Return Seattle's hourly temperatures in degrees Celsius, (8759,)."""
    return (fahrenheit() - 32) / 1.8


@cache
def carbon_dioxide() -> Array:
    """Return the weekly concentration of CO2 at Mauna Loa in ppm, 1958 to 2001, (2284,), from
    statsmodels.

    Weeks without a measurement take the value on the line between their neighbours.
    """
    from statsmodels.datasets import co2

    found: Array = co2.load_pandas().data["co2"].interpolate().to_numpy()
    return found
