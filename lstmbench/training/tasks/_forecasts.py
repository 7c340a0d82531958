"""Forecasts of one series: from the values up to now, the next K, each as a change from one period
before.

What is learnt is the difference from the seasonal naive forecast, which says what was one period
ago: the model need not learn the season by heart, and starts from a forecast that makes sense. The
past is all that is used: scale and mean come from the training part, and a window may reach back
from the test part, never forward into it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from lstmbench.training.tasks._series import SHARES
from lstmbench.training.tasks.task import Array, Batch, Predict, generator, minibatches

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Forecasts:
    """Windows of one series.

    Attributes:
        values: the series, (N,).
        period: how many steps a season has; a day of hours, a year of weeks.
        steps: T, how many values the model sees before it forecasts.
        ahead: K, how many values it forecasts.
        resolution: the step to which the series was rounded.
        mirrored: whether a fall may be learnt from as a rise upside down.
    """

    values: tuple[float, ...]
    period: int
    steps: int
    ahead: int
    resolution: float = 0.0
    mirrored: bool = False

    FEATURES = 3

    def epoch(self, batch_size: int, seed: int, epoch: int) -> Iterable[Batch]:
        """Yield the windows of the training part, each once; the last half of a window's steps has
        targets.

        The changes that go in are moved within what their rounding left open, else its pattern is
        learnt by heart; and half of the windows stand upside down if that is allowed.
        """
        draw = generator(seed, epoch, 1)
        for batch in minibatches(*self._train, batch_size, seed, epoch):
            T, B, _ = batch.x.shape
            sign = draw.choice([-1.0, 1.0], B) if self.mirrored else np.ones(B)
            changes = batch.x[:, :, 0] + self.resolution / self._scale * draw.uniform(-1, 1, (T, B))
            x = np.concatenate([(sign * changes)[:, :, None], batch.x[:, :, 1:]], axis=2)
            yield Batch(x, sign[:, None] * batch.targets)

    @cached_property
    def _train(self) -> Batch:
        origins = self._origins("train")
        late = np.arange(
            -(self.steps // 2) + 1, 1
        )  # the steps that have targets, before and at the origin
        targets = np.stack([self._changes(origins + k) for k in late])  # (S, N, K)
        return Batch(self._windows(origins), targets / self._scale)

    def errors(self, predict: Predict, part: Part) -> Array:
        """Return the errors of all forecasts of a part, from every origin, in the units of the
        series: (N, K).
        """
        origins = self._origins(part)
        changes = predict(self._windows(origins))[-1] * self._scale
        found: Array = changes - self._changes(origins)
        return found

    def baselines(self, part: Part = "test") -> dict[str, Array]:
        """Return the errors of persistence, of the seasonal naive forecast and of ridge regression:
        (N, K) each.

        The regression sees either the values that the model's inputs are made of, or these inputs.
        """
        origins = self._origins(part)
        return {
            "persistence": self._series[origins][:, None] - self._next(origins),
            "seasonal naive": -self._changes(origins),
            "ridge regression on lags": self._ridge(origins, self._lags) - self._changes(origins),
            "ridge regression on changes": self._ridge(origins, self._flat)
            - self._changes(origins),
        }

    def horizon_errors(self, predict: Predict) -> pd.DataFrame:
        """Return the mean absolute errors on the test part by steps ahead: ``method``, ``ahead``,
        ``error``.
        """
        found = {"LSTM": self.errors(predict, "test"), **self.baselines()}
        rows = [
            (name, ahead, float(error))
            for name, errors in found.items()
            for ahead, error in enumerate(np.abs(errors).mean(axis=0), 1)
        ]
        return pd.DataFrame(rows, columns=["method", "ahead", "error"])

    def _ridge(self, origins: Array, see: Callable[[Array], Array]) -> Array:
        """Forecast the changes by one linear map from what ``see`` shows; the penalty is chosen on
        validation data.
        """
        train, validation = self._origins("train"), self._origins("validation")
        seen, known = see(train), self._changes(train)
        held, wanted = see(validation), self._changes(validation)
        models = [Ridge(alpha).fit(seen, known) for alpha in (1e-4, 1e-2, 1e0, 1e2, 1e4)]
        best = min(models, key=lambda model: np.mean(np.abs(model.predict(held) - wanted)))
        found: Array = best.predict(see(origins))
        return found

    def _lags(self, origins: Array) -> Array:
        """Return the values of a window and of the period before it, and the phase at its end: (N,
        T + period + 2).
        """
        back = np.arange(-self.steps - self.period + 1, 1)
        known = self._series[: self._end("train")]
        values = (self._series[origins[:, None] + back] - known.mean()) / known.std()
        return np.concatenate([values, self._windows(origins)[-1, :, 1:]], axis=1)

    def _flat(self, origins: Array) -> Array:
        """Return all that the model sees: (N, 3 T)."""
        return self._windows(origins).transpose(1, 0, 2).reshape(len(origins), -1)

    @cached_property
    def _series(self) -> Array:
        return np.array(self.values)

    @cached_property
    def _scale(self) -> float:
        """The standard deviation of the changes over a period, of the training part."""
        known = self._series[: self._end("train")]
        return float((known[self.period :] - known[: -self.period]).std())

    def _end(self, part: str) -> int:
        shares: Sequence[float] = list(SHARES.values())[: list(SHARES).index(part) + 1]
        return round(sum(shares) * len(self._series))

    def _origins(self, part: Part) -> Array:
        """Return the places of the last known value, for all forecasts that lie in a part
        altogether.
        """
        parts = list(SHARES)
        start = (
            self._end(parts[parts.index(part) - 1]) if part != "train" else self.period + self.steps
        )
        return np.arange(max(start - 1, self.period + self.steps), self._end(part) - self.ahead)

    def _windows(self, origins: Array) -> Array:
        """Return the change over a period, and the season's phase as sine and cosine: (T, N, 3).

        Not the value itself: in one year each comes once or twice, and would be learnt by heart.
        """
        times = origins[None] + np.arange(-self.steps + 1, 1)[:, None]  # (T, N)
        changes = (self._series[times] - self._series[times - self.period]) / self._scale
        phase = 2 * np.pi * times / self.period
        return np.stack([changes, np.sin(phase), np.cos(phase)], axis=2)

    def _next(self, origins: Array) -> Array:
        found: Array = self._series[origins[:, None] + np.arange(1, self.ahead + 1)]
        return found

    def _changes(self, origins: Array) -> Array:
        """Return by how much the next K values differ from those one period (or several) before:
        (N, K).
        """
        ahead = np.arange(1, self.ahead + 1)
        back = self.period * -(-ahead // self.period)  # the last time that is known already
        found: Array = self._next(origins) - self._series[origins[:, None] + ahead - back]
        return found
