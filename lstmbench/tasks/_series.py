"""Real series that come with packages, as they are."""

import csv
from functools import cache
from importlib.resources import files

import numpy as np
import vega_datasets

from lstmbench.tasks.task import Array


@cache
def temperatures() -> Array:
    """Return Seattle's hourly temperatures in degrees Celsius, (8759,), from vega_datasets.

    They are the normals of the National Oceanic and Atmospheric Administration: means of each hour over 1981 to 2010.
    """
    lines = (files(vega_datasets) / "_data" / "seattle-temps.csv").read_text(encoding="utf-8").splitlines()
    return (np.array([float(row["temp"]) for row in csv.DictReader(lines)]) - 32) / 1.8


@cache
def carbon_dioxide() -> Array:
    """Return the weekly concentration of CO2 at Mauna Loa in ppm, 1958 to 2001, (2284,), from statsmodels.

    Weeks without a measurement take the value on the line between their neighbours.
    """
    from statsmodels.datasets import co2

    found: Array = co2.load_pandas().data["co2"].interpolate().to_numpy()
    return found
