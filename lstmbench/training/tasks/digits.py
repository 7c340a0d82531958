"""Handwritten digits, pixel by pixel: 64 steps of one grey value each, then the digit is asked for.

Data: scikit-learn's own (Alpaydin & Kaynak 1998), 1,797 images of 8 by 8 pixels by 13 people. They
are divided at
random, so that whoever wrote a digit of the test also wrote some that were learnt from: a new
writer is harder.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from lstmbench.training.tasks.task import (
    Array,
    Batch,
    Metric,
    Predict,
    Recipe,
    generator,
    minibatches,
)

TEST, VALIDATION = 360, 180
SIDE = 8


@dataclass(frozen=True)
class Digits:
    """One image is a sequence; an epoch shows all of the training part, each image moved by up to a
    pixel.
    """

    batch_size: int = 50

    question: ClassVar[str] = "Can it tell a digit whose pixels it sees one after the other?"
    loss: ClassVar[Literal["cross_entropy"]] = "cross_entropy"
    metric: ClassVar[Metric] = Metric("share of the digits right", higher_is_better=True)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=64, learning_rate=5e-3, decay=0.97, epochs=20)
    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 10
    horizon: ClassVar[int] = 64

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        draw = generator(seed, epoch, 1)
        for batch in minibatches(*_parts()["train"], self.batch_size, seed, epoch):
            yield Batch(_shifted(batch.x, draw), batch.targets)

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        x, targets = _parts()[part]
        return float(np.mean(predict(x)[-1].argmax(axis=1) == targets[0]))

    def baselines(self) -> dict[str, float]:
        (seen, digits), (x, wanted) = (_flat(_parts()[part]) for part in ("train", "test"))
        often = np.bincount(digits).argmax()
        regression = LogisticRegression(max_iter=1000).fit(seen, digits)
        return {
            "the most frequent": float(np.mean(wanted == often)),
            "logistic regression on all pixels at once": float(regression.score(x, wanted)),
        }


def _shifted(x: Array, draw: np.random.Generator) -> Array:
    """Move each image by -1, 0 or 1 pixel down and across; what comes in is black."""
    B = x.shape[1]
    padded = np.pad(x[:, :, 0].reshape(SIDE, SIDE, B), ((1, 1), (1, 1), (0, 0)))
    down, across = (
        np.arange(SIDE)[:, None] + draw.integers(0, 3, B) for _ in range(2)
    )  # (SIDE, B)
    moved: Array = padded[down[:, None], across[None], np.arange(B)]  # (SIDE, SIDE, B)
    return moved.reshape(SIDE * SIDE, B, 1)


@cache
def _parts() -> dict[str, Batch]:
    images, digits = load_digits(return_X_y=True)
    order = generator(0).permutation(len(digits))
    images, digits = images[order], digits[order]
    x: Array = (images / 16).T[:, :, None]  # (64, N, 1)
    N = len(digits)
    places = {
        "train": slice(N - TEST - VALIDATION),
        "validation": slice(N - TEST - VALIDATION, N - TEST),
        "test": slice(N - TEST, N),
    }
    return {part: Batch(x[:, place], digits[None, place]) for part, place in places.items()}


def _flat(batch: Batch) -> tuple[Array, Array]:
    return batch.x[:, :, 0].T, batch.targets[0]


TASK = Digits
