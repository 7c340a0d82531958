"""Find the values that a broken sensor made up: they are far from what was forecast.

Data: Seattle's hourly temperatures. The model learns to forecast the next hour on the first part of
the year. Faults are put into the later parts: spikes, drifts, a stuck sensor, a swapped phase. No
faults are in the training data.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, precision_recall_curve

from lstmbench.training.task import (
    Array,
    Batch,
    HeldOut,
    Metric,
    Predict,
    Recipe,
    Task,
    minibatches,
)
from lstmbench.training.tasks.common.fault_injection import FAULT_KINDS, inject_faults
from lstmbench.training.tasks.common.time_series import (
    part_of,
    temperatures,
    time_split,
    with_phase,
)

DAY = 24
CURVE_POINTS = 300
"""The most points of a precision-recall curve; chosen by us: no figure shows more."""


class FaultySeries(NamedTuple):
    """Copies of a series with faults: values, and their indices in ``FAULT_KINDS``, (N, B)."""

    values: Array
    kinds: Array

    @property
    def wrong(self) -> Array:
        """Which values are wrong, (N, B)."""
        return np.asarray(self.kinds >= 0)

    def average_precision(self, scores: Array) -> float:
        """Return how well anomaly scores (N, B) find the wrong values."""
        return float(average_precision_score(self.wrong.ravel(), scores.ravel()))


@dataclass(frozen=True)
class Anomalies(Task):
    """A sequence is ``seq_len`` hours; faults are put into ``copies`` of each held-out part."""

    seq_len: int = 72
    batch_size: int = 50
    copies: int = 10

    question = "Can it find the values that a broken sensor made up?"
    loss = "mse"
    metric = Metric("average precision", higher_is_better=True)
    recipe = Recipe(hidden_size=32, learning_rate=5e-3, epochs=5)
    input_size = 3
    output_size = 1

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        return minibatches(*self._train, self.batch_size, seed, epoch)

    def score(self, predict: Predict, part: HeldOut) -> float:
        return self.held_out[part].average_precision(self.anomaly_scores(predict, part))

    def anomaly_scores(self, predict: Predict, part: HeldOut) -> Array:
        """Return the distance of each value from its forecast, in degrees: (N, B); 0 at first."""
        values = self.held_out[part].values
        times = np.arange(len(values))[:, None] + time_split(len(temperatures()))[part].start
        x, changes = _inputs_and_changes(values, times)
        errors = (changes - predict(x) / DAY)[:, :, 0]
        return np.abs(np.pad(errors, ((1, 0), (0, 0)))) * _hours("train").std()

    def baselines(self) -> dict[str, float]:
        test = self.held_out["test"]
        return {name: test.average_precision(scores) for name, scores in self._z_scores().items()}

    def precision_recall(self, predict: Predict) -> pd.DataFrame:
        """Return all detectors' test curves: ``detector``, ``recall``, ``precision``."""
        wrong = self.held_out["test"].wrong.ravel()
        curves = []
        for name, scores in self._detectors(predict).items():
            precision, recall, _ = precision_recall_curve(wrong, scores.ravel())
            points = np.unique(np.linspace(0, len(recall) - 1, CURVE_POINTS).astype(int))
            columns = {"recall": recall[points], "precision": precision[points]}
            curves.append(pd.DataFrame({"detector": name} | columns))
        return pd.concat(curves, ignore_index=True)

    def recall_by_kind(self, predict: Predict) -> pd.DataFrame:
        """Return the recall of each detector (row) for each kind of fault (column), test data.

        Each detector reports as many values as are wrong: those with its highest scores.
        """
        test = self.held_out["test"]
        recall = {}
        for name, scores in self._detectors(predict).items():
            reported = scores >= np.sort(scores, axis=None)[-int(test.wrong.sum())]
            recall[name] = [
                float(reported[test.kinds == k].mean()) for k in range(len(FAULT_KINDS))
            ]
        return pd.DataFrame.from_dict(recall, orient="index", columns=FAULT_KINDS)

    @cached_property
    def held_out(self) -> dict[str, FaultySeries]:
        """The validation and the test part, with faults."""
        parts = {}
        for k, part in enumerate(("validation", "test")):
            rng = np.random.default_rng([1, k])
            faults = [inject_faults(_hours(part), rng, 4 * DAY, 4.0) for _ in range(self.copies)]
            values, kinds = (np.stack(arrays, axis=1) for arrays in zip(*faults, strict=True))
            parts[part] = FaultySeries(values, kinds)
        return parts

    def _detectors(self, predict: Predict) -> dict[str, Array]:
        """Return the anomaly scores of the model and of the baselines, on the test data."""
        return {"LSTM": self.anomaly_scores(predict, "test")} | self._z_scores()

    def _z_scores(self) -> dict[str, Array]:
        values = self.held_out["test"].values
        return {f"rolling z-score, {n} h": rolling_z_score(values, n) for n in (DAY, 7 * DAY)}

    @cached_property
    def _train(self) -> Batch:
        """Windows of the training part, one from every sixth hour on."""
        hours = _hours("train")
        starts = np.arange(0, len(hours) - self.seq_len - 1, DAY // 4)
        times = starts[None] + np.arange(self.seq_len + 1)[:, None]  # (T + 1, N)
        x, changes = _inputs_and_changes(hours[times], times)
        return Batch(x, changes * DAY)  # to the order of 1


def _hours(part: str) -> Array:
    """Return a part of the series."""
    return part_of(temperatures(), part)


def _inputs_and_changes(values: Array, times: Array) -> Batch:
    """Return all but the last of the values (T + 1, N) as inputs, and the changes that follow."""
    known = _hours("train")
    standardized = (values - known.mean()) / known.std()
    changes = np.diff(standardized, axis=0)[:, :, None]  # (T, N, 1)
    return Batch(with_phase(standardized[:-1], times[:-1], DAY), changes)


def rolling_z_score(values: Array, window: int) -> Array:
    """Return the distance of each value (N, B) from the mean of the ``window`` values before it.

    In their standard deviations. The first two values, which have too few before them, get 0.
    """
    scores = np.zeros_like(values)
    for t in range(2, len(values)):
        before = values[max(0, t - window) : t]
        scores[t] = np.abs(values[t] - before.mean(axis=0)) / (before.std(axis=0) + 1e-6)
    return scores


TASK = Anomalies
