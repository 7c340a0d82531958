"""Tasks that forecast one series: from the values so far, the next K.

The model learns the difference from the seasonal naive forecast, which repeats the value of one
period before: so it need not learn the season, and starts from a sensible forecast. Only the past
is used: scale and mean are those of the training part, and a window may reach back from the test
part, never forward into it.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from lstmbench.training.task import Array, Batch, HeldOut, Predict, Task, minibatches, seeded_rng
from lstmbench.training.tasks.common.time_series import PART_ENDS, part_of, time_split, with_phase

PENALTIES = (1e-4, 1e-2, 1e0, 1e2, 1e4)
"""Of ridge regression, chosen by us: from practically none to one that only does harm."""


class ForecastingTask(Task):
    """All K steps are forecast at once; the score is the mean absolute error of the last.

    Inputs are the change over a period, and the season's phase. Values themselves are not among
    them: each occurs once or twice a year, and would be memorised.

    Attributes:
        seq_len: T, the number of values that the model sees before it forecasts.
        batch_size: B.
        resolution: the step to which the series was rounded.
        period: steps per season, such as the hours of a day.
        output_size: K, the number of values that are forecast.
        mirrored: whether training may turn windows upside down.
    """

    seq_len: int
    batch_size: int
    resolution: ClassVar[float]
    period: ClassVar[int]
    mirrored: ClassVar[bool]

    loss = "mse"
    input_size = 3

    @staticmethod
    @abstractmethod
    def series() -> Array:
        """Return the series, (N,)."""

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        """Yield every training window once; the last half of its steps has targets.

        Noise within the rounding of the series is added to the changes, so that its pattern cannot
        be memorised. Half of the windows are upside down where that is allowed.
        """
        rng = seeded_rng(seed, epoch, 1)
        for x, targets in minibatches(*self._train, self.batch_size, seed, epoch):
            B = x.shape[1]
            sign = rng.choice([-1.0, 1.0], B) if self.mirrored else np.ones(B)
            x[:, :, 0] += self.resolution / self.scale * rng.uniform(-1, 1, x.shape[:2])
            x[:, :, 0] *= sign
            yield Batch(x, sign[:, None] * targets)

    def score(self, predict: Predict, part: HeldOut) -> float:
        return _last_step_error(self.errors(predict, part))

    def baselines(self) -> dict[str, float]:
        return {name: _last_step_error(errors) for name, errors in self.baseline_errors().items()}

    def horizon_errors(self, predict: Predict) -> pd.DataFrame:
        """Return mean absolute test errors: ``ahead`` (1 to K steps), ``method``, ``error``."""
        errors = {"LSTM": self.errors(predict, "test"), **self.baseline_errors()}
        means = {name: np.abs(array).mean(axis=0) for name, array in errors.items()}
        table = pd.DataFrame(means, index=pd.Index(self._ahead, name="ahead"))
        return table.melt(var_name="method", value_name="error", ignore_index=False).reset_index()

    def baseline_errors(self) -> dict[str, Array]:
        """Return the test errors of simple methods, in the unit of the series: (N, K) each.

        One ridge regression sees the values that the model's inputs are made of, the other one
        these inputs.
        """
        origins = self.origins("test")
        last = origins[:, None]
        return {
            "persistence": self.series()[last] - self.series()[last + self._ahead],
            "seasonal naive": -self.changes(origins),
            "ridge regression on lags": self._ridge_errors(self._lags),
            "ridge regression on changes": self._ridge_errors(self._flat_windows),
        }

    def origins(self, part: str) -> Array:
        """Return the indices of the last known value of all forecasts that lie within a part."""
        split, first = time_split(len(self.series()))[part], self.period + self.seq_len
        return np.arange(max(split.start - 1, first), split.stop - self.output_size)

    @cached_property
    def scale(self) -> float:
        """The standard deviation of the changes over a period, in the training part."""
        return float((self._known[self.period :] - self._known[: -self.period]).std())

    def errors(self, predict: Predict, part: HeldOut) -> Array:
        """Return the errors of all forecasts of a part, in the unit of the series: (N, K)."""
        origins = self.origins(part)
        return predict(self.windows(origins))[-1] * self.scale - self.changes(origins)

    def _ridge_errors(self, features: Callable[[Array], Array]) -> Array:
        """Return the test errors of ridge regression; validation data choose the penalty."""
        x = {part: features(self.origins(part)) for part in PART_ENDS}
        targets = {part: self.changes(self.origins(part)) for part in PART_ENDS}
        models = [Ridge(alpha).fit(x["train"], targets["train"]) for alpha in PENALTIES]
        errors = [np.abs(m.predict(x["validation"]) - targets["validation"]).mean() for m in models]
        return np.asarray(models[np.argmin(errors)].predict(x["test"]) - targets["test"])

    @cached_property
    def _train(self) -> Batch:
        origins = self.origins("train")
        steps = np.arange(-(self.seq_len // 2) + 1, 1)  # those with targets, up to the origin
        targets = np.stack([self.changes(origins + step) for step in steps])  # (S, N, K)
        return Batch(self.windows(origins), targets / self.scale)

    @property
    def _ahead(self) -> Array:
        """1 to K steps."""
        return np.arange(1, self.output_size + 1)

    @property
    def _known(self) -> Array:
        """The training part of the series."""
        return part_of(self.series(), "train")

    def windows(self, origins: Array) -> Array:
        """Return the model's inputs, up to each origin: (T, N, 3)."""
        times = origins[None] + np.arange(-self.seq_len + 1, 1)[:, None]  # (T, N)
        changes = self.series()[times] - self.series()[times - self.period]
        return with_phase(changes / self.scale, times, self.period)

    def _flat_windows(self, origins: Array) -> Array:
        """Return the model's inputs, one row per origin: (N, 3 T)."""
        return self.windows(origins).transpose(1, 0, 2).reshape(len(origins), -1)

    def _lags(self, origins: Array) -> Array:
        """Return the values of a window and of the period before it, and the phase at its end.

        Shape (N, T + period + 2).
        """
        lags = np.arange(-self.seq_len - self.period + 1, 1)
        known = self._known
        values = (self.series()[origins[:, None] + lags] - known.mean()) / known.std()
        return np.concatenate([values, self.windows(origins)[-1, :, 1:]], axis=1)

    def changes(self, origins: Array) -> Array:
        """Return the next K values less those one period (or several) before: (N, K)."""
        times = origins[:, None] + self._ahead
        lag = self.period * -(-self._ahead // self.period)  # whole periods, to a known value
        return np.asarray(self.series()[times] - self.series()[times - lag])


def _last_step_error(errors: Array) -> float:
    return float(np.mean(np.abs(errors[:, -1])))
