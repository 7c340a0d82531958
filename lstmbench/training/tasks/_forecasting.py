"""The task of forecasting a series: what is the same whatever the series."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from lstmbench.training.tasks._forecasts import Forecasts
from lstmbench.training.tasks.task import Array, Batch, Predict


@dataclass(frozen=True)
class Forecasting:
    """All steps ahead are forecast at once; the score is the mean absolute error of the last.

    A task names its series, to which ``resolution`` it was rounded, of which ``period`` steps are a
    season, how many steps are forecast, and whether the series may be learnt from upside down.
    """

    seq_len: int
    batch_size: int

    series: ClassVar[Callable[[], Array]]
    resolution: ClassVar[float]
    period: ClassVar[int]
    output_size: ClassVar[int]
    mirrored: ClassVar[bool] = False

    loss: ClassVar[Literal["mse"]] = "mse"
    input_size: ClassVar[int] = Forecasts.FEATURES

    @property
    def horizon(self) -> int:
        return self.seq_len

    @cached_property
    def forecasts(self) -> Forecasts:
        """The windows of the series."""
        values = tuple(type(self).series())
        return Forecasts(
            values, self.period, self.seq_len, self.output_size, self.resolution, self.mirrored
        )

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        return self.forecasts.epoch(self.batch_size, seed, epoch)

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        return float(np.mean(np.abs(self.forecasts.errors(predict, part)[:, -1])))

    def horizon_errors(self, predict: Predict) -> pd.DataFrame:
        """Return the mean absolute errors on the test data by steps ahead, beside the baselines'."""
        return self.forecasts.horizon_errors(predict)

    def baselines(self) -> dict[str, float]:
        return {
            name: float(np.mean(np.abs(errors[:, -1])))
            for name, errors in self.forecasts.baselines().items()
        }
