"""The weekly concentration of CO2 at Mauna Loa, 24 weeks ahead, from the two years before."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from lstmbench.tasks._forecasts import Forecasts
from lstmbench.tasks._series import carbon_dioxide
from lstmbench.tasks.task import Batch, Metric, Predict, Recipe


@dataclass(frozen=True)
class CarbonDioxide:
    """All 24 weeks are forecast at once; the score is that of the last."""

    seq_len: int = 104
    batch_size: int = 100

    question: ClassVar[str] = "How much carbon dioxide will there be in 24 weeks?"
    loss: ClassVar[Literal["mse"]] = "mse"
    metric: ClassVar[Metric] = Metric("mean absolute error, ppm", higher_is_better=False)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=16, learning_rate=5e-3, decay=0.9, epochs=10)
    input_size: ClassVar[int] = Forecasts.FEATURES
    output_size: ClassVar[int] = 24

    @property
    def horizon(self) -> int:
        return self.seq_len

    @cached_property
    def forecasts(self) -> Forecasts:
        """The windows of the series."""
        return Forecasts(tuple(carbon_dioxide()), period=52, steps=self.seq_len, ahead=24)

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        return self.forecasts.epoch(self.batch_size, seed, epoch)

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        return float(np.mean(np.abs(self.forecasts.errors(predict, part)[:, -1])))

    def horizon_errors(self, predict: Predict) -> pd.DataFrame:
        """Return the mean absolute errors on the test data by steps ahead, beside the baselines'."""
        return self.forecasts.horizon_errors(predict)

    def baselines(self) -> dict[str, float]:
        return {name: float(np.mean(np.abs(errors[:, -1]))) for name, errors in self.forecasts.baselines().items()}


TASK = CarbonDioxide
