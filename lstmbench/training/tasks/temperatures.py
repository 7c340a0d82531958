"""Forecast Seattle's hourly temperatures 24 hours ahead, from the two days before."""

from dataclasses import dataclass

from lstmbench.training.task import Metric, Recipe
from lstmbench.training.tasks.common.forecasting import ForecastingTask
from lstmbench.training.tasks.common.time_series import temperatures


@dataclass(frozen=True)
class HourlyTemperatures(ForecastingTask):
    """A season is a day. It cools much as it warms, so windows may be turned upside down."""

    seq_len: int = 48
    batch_size: int = 100

    question = "How warm will it be in 24 hours?"
    metric = Metric("mean absolute error, °C", higher_is_better=False)
    recipe = Recipe(hidden_size=16, learning_rate=5e-3, decay=0.9, epochs=12)
    resolution = 0.1 / 1.8  # a tenth of a degree Fahrenheit
    period = 24
    output_size = 24
    mirrored = True
    series = staticmethod(temperatures)


TASK = HourlyTemperatures
