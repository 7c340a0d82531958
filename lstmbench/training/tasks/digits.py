"""Recognise handwritten digits pixel by pixel: 64 steps of one grey value each.

Data: scikit-learn's digits (Alpaydin & Kaynak 1998), 1,797 images of 8 by 8 pixels by 13 people.
The split is random, so the test part holds digits by writers that are in the training part too: new
writers are harder.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from lstmbench.training.task import Array, Batch, Metric, Recipe, minibatches, seeded_rng
from lstmbench.training.tasks.common.classification import ClassificationTask

TEST, VALIDATION = 360, 180
"""Images in these parts, a fifth and a tenth of all; chosen by us."""
SIDE = 8
"""Pixels on each side of an image, as scikit-learn has them."""


@cache
def digit_images() -> dict[str, Batch]:
    """Return the images of each part as sequences, (64, N, 1)."""
    images, digits = load_digits(return_X_y=True)
    order = seeded_rng(0).permutation(len(digits))
    x = (images[order] / 16).T[:, :, None]
    cuts = [-TEST - VALIDATION, -TEST]
    batches = map(Batch, np.split(x, cuts, axis=1), np.split(digits[None, order], cuts, axis=1))
    return dict(zip(("train", "validation", "test"), batches, strict=True))


@dataclass(frozen=True)
class Digits(ClassificationTask):
    """An epoch shows every training image, shifted by up to a pixel in each direction."""

    batch_size: int = 50

    question = "Can it tell a digit whose pixels it sees one after the other?"
    metric = Metric("share of the digits right", higher_is_better=True)
    recipe = Recipe(hidden_size=64, learning_rate=5e-3, decay=0.97, epochs=20)
    input_size = 1
    output_size = 10
    seq_len = SIDE * SIDE
    linear_baseline = "logistic regression on all pixels at once"
    parts = staticmethod(digit_images)

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        rng = seeded_rng(seed, epoch, 1)
        for x, targets in minibatches(*digit_images()["train"], self.batch_size, seed, epoch):
            yield Batch(shift_images(x, rng), targets)

    @staticmethod
    def features(x: Array) -> Array:
        return x[:, :, 0].T


def shift_images(x: Array, rng: np.random.Generator) -> Array:
    """Shift each image of x (64, B, 1) by -1, 0 or 1 pixel down and across; black comes in."""
    B = x.shape[1]
    padded = np.pad(x.reshape(SIDE, SIDE, B), ((1, 1), (1, 1), (0, 0)))
    rows, columns = (np.arange(SIDE)[:, None] + rng.integers(0, 3, B) for _ in range(2))
    shifted = padded[rows[:, None], columns[None], np.arange(B)]  # (SIDE, SIDE, B)
    return np.asarray(shifted.reshape(x.shape))


TASK = Digits
