"""Continue a curve that resembles handwriting: a pen swings in two directions as it moves right.

A sequence is the displacement of the pen at each step, (dx, dy). The curves are Lissajous curves
with random frequencies, widths and phases, on a line that moves to the right. In training the model
sees the true displacements up to every step (teacher forcing); to draw alone it reads its own
outputs (free running). The score is the distance of the pen from the true curve, averaged over the
steps drawn alone.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lstmbench.training.task import Array, Batch, HeldOut, Metric, Predict, Recipe
from lstmbench.training.tasks.common.generated import GeneratedTask

SCALE = 5.0
"""Displacements are multiplied by this, chosen by us to bring them to the order of 1."""


@dataclass(frozen=True)
class Drawing(GeneratedTask):
    """After ``prompt`` steps the model continues alone for ``alone`` steps."""

    prompt: int = 60
    alone: int = 40
    batch_size: int = 50
    batches: int = 30
    held_out: int = 100

    question = "Can it go on with a drawing by itself?"
    loss = "mse"
    metric = Metric("mean distance from the true curve", higher_is_better=False)
    recipe = Recipe(hidden_size=64, learning_rate=5e-3, epochs=10)
    input_size = 2
    output_size = 2

    @property
    def seq_len(self) -> int:
        return self.prompt + self.alone

    def draw(self, rng: np.random.Generator, B: int) -> Batch:
        t = np.arange(self.seq_len + 1)[:, None]
        axes = []
        for frequency in (1.0, 2.0):
            period = rng.uniform(15, 30, B) / frequency
            width, phase = rng.uniform(0.5, 1.0, B), rng.uniform(0, 2 * np.pi, B)
            axes.append(width * np.sin(2 * np.pi * t / period + phase))
        axes[0] += rng.uniform(0.02, 0.06, B) * t
        displacements = SCALE * np.diff(np.stack(axes, axis=2), axis=0)  # (T, B, 2)
        return Batch(displacements[:-1], displacements[1:])

    def score(self, predict: Predict, part: HeldOut) -> float:
        truth = self.truth(part)
        return self._mean_distance(self.free_running(predict, truth), truth)

    def baselines(self) -> dict[str, float]:
        truth = self.truth("test")
        straight = np.broadcast_to(truth[self.prompt - 1], (self.alone, *truth.shape[1:]))
        return {
            "straight on": self._mean_distance(straight, truth),
            "stays": self._mean_distance(0 * straight, truth),
        }

    def truth(self, part: HeldOut) -> Array:
        """Return the displacements of the curves of a part, (prompt + alone, B, 2)."""
        x, targets = self.held_out_batches[part]
        return np.concatenate([x, targets[-1:]])

    def free_running(self, predict: Predict, truth: Array) -> Array:
        """Return what the model draws after the first ``prompt`` steps: (alone, B, 2).

        Args:
            predict: the model; it reads its own outputs.
            truth: true displacements, (at least prompt, B, 2).
        """
        displacements = truth[: self.prompt]
        for _ in range(self.alone):
            displacements = np.concatenate([displacements, predict(displacements)[-1:]])
        return displacements[self.prompt :]

    def errors_by_step(self, predict: Predict) -> pd.DataFrame:
        """Return the mean distance of the pen at each step drawn alone, on the test data.

        Columns: ``free running``, and ``teacher forcing``, where the pen is put back to its true
        place before each step.
        """
        truth = self.truth("test")
        wanted = truth[self.prompt :]
        offsets = {
            "free running": np.cumsum(self.free_running(predict, truth) - wanted, axis=0),
            "teacher forcing": predict(truth[:-1])[-self.alone :] - wanted,
        }
        distances = {name: _distances(offset).mean(axis=1) for name, offset in offsets.items()}
        return pd.DataFrame(distances, index=pd.RangeIndex(1, self.alone + 1, name="step"))

    def _mean_distance(self, displacements: Array, truth: Array) -> float:
        """Return the mean distance of the pen from its true place, over the steps drawn alone."""
        return float(_distances(np.cumsum(displacements - truth[self.prompt :], axis=0)).mean())


def _distances(offsets: Array) -> Array:
    """Return the lengths of scaled offsets (T, B, 2): (T, B)."""
    return np.linalg.norm(offsets, axis=2) / SCALE


TASK = Drawing
