"""Is a word kind or unkind? Read letter by letter, it is told from the words that were rated.

Data: the lexicon of VADER (Hutto & Gilbert 2014), rated by ten people each. Words that begin with
the same five letters (abandon, abandoned, abandonment) are in the same part, or the test would ask
for what was learnt by heart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import ClassVar, Literal

import numpy as np
import vaderSentiment
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

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONGEST, STEM = 16, 5
CLEAR = 0.5
"""Words whose mean rating, from -4 to 4, is nearer to 0 are left out."""
PARTS = {"train": 0.7, "validation": 0.15, "test": 0.15}


@dataclass(frozen=True)
class Sentiment:
    """A word is a sequence, shorter ones after steps of zeros; an epoch shows every word of the
    training part.
    """

    batch_size: int = 50

    question: ClassVar[str] = "Can it tell a kind word from an unkind one by its letters?"
    loss: ClassVar[Literal["cross_entropy"]] = "cross_entropy"
    metric: ClassVar[Metric] = Metric("share of the words right", higher_is_better=True)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=16, learning_rate=5e-3, decay=0.95, epochs=20)
    input_size: ClassVar[int] = len(LETTERS)
    output_size: ClassVar[int] = 2
    horizon: ClassVar[int] = LONGEST

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        return minibatches(*_parts()["train"], self.batch_size, seed, epoch)

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        x, targets = _parts()[part]
        return float(np.mean(predict(x)[-1].argmax(axis=1) == targets[0]))

    def baselines(self) -> dict[str, float]:
        (seen, kind), (x, wanted) = (_bags(_parts()[part]) for part in ("train", "test"))
        often = np.bincount(kind).argmax()
        regression = LogisticRegression(max_iter=1000).fit(seen, kind)
        return {
            "the most frequent": float(np.mean(wanted == often)),
            "bag of characters": float(regression.score(x, wanted)),
        }


@cache
def rated() -> dict[str, float]:
    """Return the words with their mean ratings."""
    lines = (files(vaderSentiment) / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t")[:2] for line in lines if line.strip())
    return {
        word: float(rating)
        for word, rating in pairs
        if 3 <= len(word) <= LONGEST and set(word) <= set(LETTERS) and abs(float(rating)) >= CLEAR
    }


@cache
def _parts() -> dict[str, Batch]:
    families: dict[str, list[str]] = {}
    for word in sorted(rated()):
        families.setdefault(word[:STEM], []).append(word)
    found: dict[str, list[str]] = {part: [] for part in PARTS}
    for kind in (
        False,
        True,
    ):  # apart, so that the share of kind words is about the same in all parts
        several = [
            words
            for words in families.values()
            if bool(np.mean([rated()[word] for word in words]) > 0) is kind
        ]
        order = generator(0).permutation(len(several))
        ends = np.cumsum(list(PARTS.values())) * sum(map(len, several))
        done = 0
        for k in order:
            part = list(PARTS)[int(np.searchsorted(ends[:-1], done, side="right"))]
            found[part] += several[k]
            done += len(several[k])
    return {part: _encoded(chosen) for part, chosen in found.items()}


def _bags(batch: Batch) -> tuple[Array, Array]:
    """Return how often each letter stands in each word (N, 26), and the classes (N,)."""
    return batch.x.sum(axis=0), batch.targets[0]


def _encoded(words: list[str]) -> Batch:
    x: Array = np.zeros((LONGEST, len(words), len(LETTERS)), dtype=np.float32)
    for k, word in enumerate(words):
        x[
            np.arange(LONGEST - len(word), LONGEST), k, [LETTERS.index(letter) for letter in word]
        ] = 1
    return Batch(x, np.array([[int(rated()[word] > 0) for word in words]]))


TASK = Sentiment
