"""Find the values that a broken sensor made up: where the next value is far from what was forecast,
something is wrong.

Data: Seattle's hourly temperatures. The model learns to forecast the next hour on the first part of
the year; into the last part faults are put, spikes, drifts, a stuck sensor, a swapped phase.
Nothing is learnt from faults.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, precision_recall_curve

from lstmbench.training.tasks._faults import KINDS, with_faults
from lstmbench.training.tasks._series import SHARES, temperatures
from lstmbench.training.tasks.task import Array, Batch, Metric, Predict, Recipe, minibatches

DAY = 24


class Faulty(NamedTuple):
    """Copies of a stretch with other faults in each: values (N, B), and the kind of each one's
    fault, -1 for none.
    """

    values: Array
    kinds: Array

    @property
    def wrong(self) -> Array:
        """Which values are wrong, (N, B)."""
        found: Array = self.kinds >= 0
        return found


@dataclass(frozen=True)
class Anomalies:
    """A sequence is ``seq_len`` hours; ``copies`` of the held-out stretch have faults of their own
    each.
    """

    seq_len: int = 72
    batch_size: int = 50
    copies: int = 10

    question: ClassVar[str] = "Can it find the values that a broken sensor made up?"
    loss: ClassVar[Literal["mse"]] = "mse"
    metric: ClassVar[Metric] = Metric("average precision", higher_is_better=True)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=32, learning_rate=5e-3, epochs=5)
    input_size: ClassVar[int] = 3
    output_size: ClassVar[int] = 1

    @property
    def horizon(self) -> int:
        return self.seq_len

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        return minibatches(*self._train, self.batch_size, seed, epoch)

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        return _precision(
            self.suspicion(predict, self.held_out[part].values, part), self.held_out[part].wrong
        )

    def suspicion(self, predict: Predict, values: Array, part: str) -> Array:
        """Return how far each value (N, B) is from its forecast, in degrees: (N, B); 0 for the
        first.
        """
        times = np.arange(len(values))[:, None] + self._start(part)
        changes = (
            predict(self._inputs(values, np.broadcast_to(times, values.shape)))[:-1, :, 0] / DAY
        )
        errors = np.diff(self._scaled(values), axis=0) - changes
        return np.abs(np.concatenate([np.zeros_like(errors[:1]), errors])) * self._scales[1]

    def baselines(self) -> dict[str, float]:
        faulty = self.held_out["test"]
        return {
            name: _precision(found, faulty.wrong)
            for name, found in self._z_scores(faulty.values).items()
        }

    def precision_recall(self, predict: Predict) -> pd.DataFrame:
        """Return the curves of this detector and the baselines, test data: ``detector``,
        ``recall``, ``precision``.
        """
        parts = []
        for name, suspicion in self._detectors(predict).items():
            precision, recall, _ = precision_recall_curve(
                self.held_out["test"].wrong.ravel(), suspicion.ravel()
            )
            places = np.unique(np.linspace(0, len(recall) - 1, 300).astype(int))
            curve = {"detector": name, "recall": recall[places], "precision": precision[places]}
            parts.append(pd.DataFrame(curve))
        return pd.concat(parts, ignore_index=True)

    def found_by_kind(self, predict: Predict) -> pd.DataFrame:
        """Return, for each detector and kind of fault, the share of the wrong values that it finds.

        Each detector may name as many values as there are wrong ones: those that it suspects most.
        """
        faulty = self.held_out["test"]
        rows = {}
        for name, suspicion in self._detectors(predict).items():
            named = suspicion >= np.sort(suspicion, axis=None)[-int(faulty.wrong.sum())]
            rows[name] = {
                kind: float(named[faulty.kinds == k].mean()) for k, kind in enumerate(KINDS)
            }
        return pd.DataFrame(rows).T

    def _detectors(self, predict: Predict) -> dict[str, Array]:
        values = self.held_out["test"].values
        return {"LSTM": self.suspicion(predict, values, "test")} | self._z_scores(values)

    def _z_scores(self, values: Array) -> dict[str, Array]:
        return {f"rolling z-score, {n} h": rolling_z_score(values, n) for n in (DAY, 7 * DAY)}

    @cached_property
    def held_out(self) -> dict[str, Faulty]:
        """The validation and the test part, with faults."""
        found = {}
        for k, part in enumerate(("validation", "test")):
            draw = np.random.default_rng([1, k])
            pairs = [
                with_faults(self._part(part), draw, every=4 * DAY, size=4.0)
                for _ in range(self.copies)
            ]
            found[part] = Faulty(*(np.stack(arrays, axis=1) for arrays in zip(*pairs, strict=True)))
        return found

    @cached_property
    def _train(self) -> Batch:
        """Every sequence of the training part that begins at a quarter of a day."""
        hours = self._part("train")
        starts = np.arange(0, len(hours) - self.seq_len - 1, DAY // 4)
        times = starts[None] + np.arange(self.seq_len + 1)[:, None]  # (T + 1, N)
        steps = self._scaled(hours)[times]
        return Batch(
            self._inputs(hours[times[:-1]], times[:-1]), np.diff(steps, axis=0)[:, :, None] * DAY
        )

    @cached_property
    def _scales(self) -> tuple[float, float]:
        known = self._part("train")
        return float(known.mean()), float(known.std())

    def _start(self, part: str) -> int:
        before = list(SHARES.values())[: list(SHARES).index(part)]
        return round(sum(before) * len(temperatures()))

    def _part(self, part: str) -> Array:
        start = self._start(part)
        return temperatures()[start : start + round(SHARES[part] * len(temperatures()))]

    def _scaled(self, values: Array) -> Array:
        mean, spread = self._scales
        found: Array = (values - mean) / spread
        return found

    def _inputs(self, values: Array, times: Array) -> Array:
        phase = 2 * np.pi * times / DAY
        return np.stack([self._scaled(values), np.sin(phase), np.cos(phase)], axis=2)


def rolling_z_score(values: Array, window: int) -> Array:
    """Return how far each value (N, B) is from the mean of those before it, in their standard
    deviations.
    """
    found = np.zeros_like(values)
    for t in range(2, len(values)):
        before = values[max(0, t - window) : t]
        found[t] = np.abs(values[t] - before.mean(axis=0)) / (before.std(axis=0) + 1e-6)
    return found


def _precision(suspicion: Array, wrong: Array) -> float:
    return float(average_precision_score(wrong.ravel(), suspicion.ravel()))


TASK = Anomalies
