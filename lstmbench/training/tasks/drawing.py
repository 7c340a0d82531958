"""Go on with a drawing: curves like handwriting, a pen that swings in two directions while it moves
on.

A sequence is the way of the pen at each step, (dx, dy), drawn from a family of curves with other
frequencies, widths and phases each time (Lissajous's curves, on a line that moves to the right). In
training the model is shown the true way up to every step (teacher forcing); to draw by itself (free
running) it reads what it has drawn. The score is how far the pen is from where it should be, over
the steps that it drew alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from lstmbench.training.tasks.task import Array, Batch, Metric, Predict, Recipe, generator

SCALE = 5.0
"""The way of one step is multiplied by this, so that it is about as large as 1."""


@dataclass(frozen=True)
class Drawing:
    """Curves are drawn afresh for every batch; after ``prompt`` steps the model goes on for
    ``alone`` steps.
    """

    prompt: int = 60
    alone: int = 40
    batch_size: int = 50
    batches: int = 30
    held_out: int = 100

    question: ClassVar[str] = "Can it go on with a drawing by itself?"
    loss: ClassVar[Literal["mse"]] = "mse"
    metric: ClassVar[Metric] = Metric("mean distance from the true curve", higher_is_better=False)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=64, learning_rate=5e-3, epochs=10)
    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 2

    @property
    def horizon(self) -> int:
        return self.prompt + self.alone

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        draw = generator(seed, epoch)
        for _ in range(self.batches):
            ways = self._draw(draw, self.batch_size)
            yield Batch(ways[:-1], ways[1:])

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        truth = self._held_out[part]
        return self._distance(self.free_running(predict, truth[: self.prompt]), truth)

    def free_running(self, predict: Predict, beginning: Array) -> Array:
        """Return the ways that the model draws after this beginning (P, B, 2), reading its own:
        (alone, B, 2).
        """
        ways = beginning
        for _ in range(self.alone):
            ways = np.concatenate([ways, predict(ways)[-1:]])
        return ways[len(beginning) :]

    def truth(self, part: Literal["validation", "test"]) -> Array:
        """Return the ways of the curves of a part, (prompt + alone, B, 2)."""
        return self._held_out[part]

    def errors_by_step(self, predict: Predict) -> pd.DataFrame:
        """Return the mean distance of the pen on the test data at each step, running free and
        forced: one row per step.

        Forced, the pen is put where it should be before each step.
        """
        truth = self.truth("test")
        wanted = truth[self.prompt :]
        free = np.cumsum(self.free_running(predict, truth[: self.prompt]) - wanted, axis=0)
        off = {
            "free running": free,
            "teacher forcing": self.teacher_forcing(predict, truth) - wanted,
        }
        means = {
            name: np.hypot(way[:, :, 0], way[:, :, 1]).mean(axis=1) / SCALE
            for name, way in off.items()
        }
        return pd.DataFrame(means, index=pd.RangeIndex(1, self.alone + 1, name="step"))

    def teacher_forcing(self, predict: Predict, truth: Array) -> Array:
        """Return each of the last ways as the model sees it coming after the true ones: (alone, B,
        2).
        """
        return predict(truth[:-1])[-self.alone :]

    def baselines(self) -> dict[str, float]:
        truth = self._held_out["test"]
        straight = np.broadcast_to(truth[self.prompt - 1], (self.alone, *truth.shape[1:]))
        return {
            "straight on": self._distance(straight, truth),
            "stays": self._distance(0 * straight, truth),
        }

    def _distance(self, ways: Array, truth: Array) -> float:
        """Return the mean distance of the pen over the steps drawn alone, in the units of the page."""
        off = np.cumsum(ways - truth[self.prompt :], axis=0) / SCALE
        return float(np.mean(np.hypot(off[:, :, 0], off[:, :, 1])))

    @cached_property
    def _held_out(self) -> dict[str, Array]:
        return {
            part: self._draw(generator(k), self.held_out)
            for k, part in enumerate(("validation", "test"))
        }

    def _draw(self, draw: np.random.Generator, B: int) -> Array:
        """Return the ways of B curves: (prompt + alone, B, 2)."""
        t = np.arange(self.prompt + self.alone + 1)[:, None]
        places = []
        for base in (1.0, 2.0):
            period, width, phase = (
                draw.uniform(15, 30, B) / base,
                draw.uniform(0.5, 1.0, B),
                draw.uniform(0, 2 * np.pi, B),
            )
            places.append(width * np.sin(2 * np.pi * t / period + phase))
        places[0] = places[0] + draw.uniform(0.02, 0.06, B) * t
        return SCALE * np.diff(np.stack(places, axis=2), axis=0)


TASK = Drawing
