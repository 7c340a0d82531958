"""The adding problem (Hochreiter & Schmidhuber 1997, section 5.4): add two numbers that came long
ago.

Each step brings a number, drawn evenly from 0 to 1, and a mark; two steps are marked, one in each
half of the sequence. At the end the sum of the two is asked for. Who says 1 always has a mean
squared error of 1/6. Usually an error below 0.01 is asked for; here training ends below 0.005 on
the validation data, to be sure of it on the test's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from lstmbench.training.tasks.task import Array, Batch, Metric, Predict, Recipe, generator


@dataclass(frozen=True)
class Adding:
    """Sequences are drawn afresh for every batch; an epoch has so many batches."""

    seq_len: int = 50
    batch_size: int = 50
    batches: int = 50
    held_out: int = 500

    question: ClassVar[str] = "Can it add two numbers that came far apart?"
    loss: ClassVar[Literal["mse"]] = "mse"
    metric: ClassVar[Metric] = Metric("mean squared error", higher_is_better=False, solved=0.005)
    recipe: ClassVar[Recipe] = Recipe(
        hidden_size=64, learning_rate=5e-3, forget_bias="chrono", epochs=20
    )
    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1

    @property
    def horizon(self) -> int:
        return self.seq_len

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        draw = generator(seed, epoch)
        return (self._draw(draw, self.batch_size) for _ in range(self.batches))

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        x, targets = self._held_out[part]
        return float(np.mean((predict(x)[-1:] - targets) ** 2))

    def baselines(self) -> dict[str, float]:
        targets = self._held_out["test"].targets
        return {"always 1": float(np.mean((1 - targets) ** 2))}

    @cached_property
    def _held_out(self) -> dict[str, Batch]:
        return {
            part: self._draw(generator(k), self.held_out)
            for k, part in enumerate(("validation", "test"))
        }

    def _draw(self, draw: np.random.Generator, B: int) -> Batch:
        T, half = self.seq_len, max(1, self.seq_len // 2)
        values = draw.random((T, B))
        marks: Array = np.zeros((T, B))
        marked = draw.integers(0, half, B), draw.integers(min(half, T - 1), T, B)
        for times in marked:
            marks[times, np.arange(B)] = 1
        return Batch(np.stack([values, marks], axis=2), (values * marks).sum(axis=0)[None, :, None])


TASK = Adding
