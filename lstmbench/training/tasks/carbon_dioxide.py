"""The weekly concentration of CO2 at Mauna Loa, 24 weeks ahead, from the two years before."""

from dataclasses import dataclass
from typing import ClassVar

from lstmbench.training.tasks._forecasting import Forecasting
from lstmbench.training.tasks._series import carbon_dioxide
from lstmbench.training.tasks.task import Metric, Recipe


@dataclass(frozen=True)
class CarbonDioxide(Forecasting):
    """A season is a year."""

    seq_len: int = 104
    batch_size: int = 100

    question: ClassVar[str] = "How much carbon dioxide will there be in 24 weeks?"
    metric: ClassVar[Metric] = Metric("mean absolute error, ppm", higher_is_better=False)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=16, learning_rate=5e-3, decay=0.9, epochs=10)
    series = staticmethod(carbon_dioxide)
    resolution = 0.1
    period = 52
    output_size = 24


TASK = CarbonDioxide
