"""The copy task (Hochreiter & Schmidhuber 1997; in this form Arjovsky et al. 2016): say again what
came long ago.

Ten symbols of eight come first, then blanks for ``delay`` steps, then a sign to begin; in the last
ten steps the symbols must be said in their order, and before that the blank. Who remembers nothing,
but knows when to speak, has a cross-entropy of 10 log 8 / (delay + 20).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from lstmbench.training.tasks.task import Batch, Metric, Predict, Recipe, generator

SYMBOLS, LENGTH = 8, 10
BLANK, BEGIN = 8, 9


@dataclass(frozen=True)
class Copying:
    """Sequences are drawn afresh for every batch; an epoch has so many batches."""

    delay: int = 30
    batch_size: int = 50
    batches: int = 50
    held_out: int = 200

    question: ClassVar[str] = "Can it say again what it read long ago?"
    loss: ClassVar[Literal["cross_entropy"]] = "cross_entropy"
    metric: ClassVar[Metric] = Metric(
        "share of the symbols right", higher_is_better=True, solved=0.99
    )
    recipe: ClassVar[Recipe] = Recipe(
        hidden_size=100, learning_rate=5e-3, forget_bias="chrono", epochs=20
    )
    input_size: ClassVar[int] = SYMBOLS + 2
    output_size: ClassVar[int] = SYMBOLS + 1

    @property
    def horizon(self) -> int:
        return self.delay + LENGTH

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        draw = generator(seed, epoch)
        return (self._draw(draw, self.batch_size) for _ in range(self.batches))

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        x, targets = self._held_out[part]
        said = predict(x)[-LENGTH:, :, :SYMBOLS].argmax(axis=2)
        return float(np.mean(said == targets[-LENGTH:]))

    def baselines(self) -> dict[str, float]:
        targets = self._held_out["test"].targets[-LENGTH:]
        return {"one symbol always": float(np.bincount(targets.ravel()).max() / targets.size)}

    @cached_property
    def _held_out(self) -> dict[str, Batch]:
        return {
            part: self._draw(generator(k), self.held_out)
            for k, part in enumerate(("validation", "test"))
        }

    def _draw(self, draw: np.random.Generator, B: int) -> Batch:
        symbols = draw.integers(0, SYMBOLS, (LENGTH, B))
        T = self.delay + 2 * LENGTH
        read, said = np.full((T, B), BLANK), np.full((T, B), BLANK)
        read[:LENGTH], said[-LENGTH:] = symbols, symbols
        read[-LENGTH - 1] = BEGIN
        return Batch(np.eye(self.input_size)[read], said)


TASK = Copying
