"""Seattle's hourly temperatures, 24 hours ahead, from the two days before."""

from dataclasses import dataclass
from typing import ClassVar

from lstmbench.training.tasks._forecasting import Forecasting
from lstmbench.training.tasks._series import temperatures
from lstmbench.training.tasks.task import Metric, Recipe


@dataclass(frozen=True)
class Temperatures(Forecasting):
    """A season is a day; it cools as it warms, upside down."""

    seq_len: int = 48
    batch_size: int = 100

    question: ClassVar[str] = "How warm will it be in 24 hours?"
    metric: ClassVar[Metric] = Metric("mean absolute error, °C", higher_is_better=False)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=16, learning_rate=5e-3, decay=0.9, epochs=12)
    series = staticmethod(temperatures)
    resolution = 0.1 / 1.8  # a tenth of a degree Fahrenheit
    period = 24
    output_size = 24
    mirrored = True


TASK = Temperatures
