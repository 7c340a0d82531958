"""Forecast the weekly CO2 concentration at Mauna Loa 24 weeks ahead, from the two years before."""

from dataclasses import dataclass

from lstmbench.training.task import Metric, Recipe
from lstmbench.training.tasks.common.forecasting import ForecastingTask
from lstmbench.training.tasks.common.time_series import carbon_dioxide


@dataclass(frozen=True)
class CarbonDioxide(ForecastingTask):
    """A season is a year."""

    seq_len: int = 104
    batch_size: int = 100

    question = "How much carbon dioxide will there be in 24 weeks?"
    metric = Metric("mean absolute error, ppm", higher_is_better=False)
    recipe = Recipe(hidden_size=16, learning_rate=5e-3, decay=0.9, epochs=10)
    resolution = 0.1
    period = 52
    output_size = 24
    mirrored = False
    series = staticmethod(carbon_dioxide)


TASK = CarbonDioxide
