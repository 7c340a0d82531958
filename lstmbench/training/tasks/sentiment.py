"""Tell kind words from unkind ones by their letters alone.

Data: the VADER lexicon (Hutto & Gilbert 2014), each word rated by ten people. Words that begin with
the same five letters (abandon, abandoned, abandonment) are in the same part; otherwise the test
could be passed by memorising stems.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import vaderSentiment

from lstmbench.training.task import Array, Batch, Metric, Recipe, minibatches, seeded_rng
from lstmbench.training.tasks.common.classification import ClassificationTask

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MAX_LENGTH, STEM = 16, 5
MIN_RATING = 0.5
"""Words whose mean rating, from -4 to 4, is nearer to 0 are left out."""
PARTS = {"train": 0.7, "validation": 0.15, "test": 0.15}


@cache
def rated_words() -> dict[str, float]:
    """Return the words with their mean ratings."""
    lines = (files(vaderSentiment) / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t")[:2] for line in lines if line.strip())
    ratings = {word: float(rating) for word, rating in pairs}
    return {
        word: rating
        for word, rating in ratings.items()
        if 3 <= len(word) <= MAX_LENGTH and set(word) <= set(LETTERS) and abs(rating) >= MIN_RATING
    }


@cache
def encoded_words() -> dict[str, Batch]:
    """Return the words of each part, one-hot (16, N, 26), and whether they are kind (1, N)."""
    families: dict[str, list[str]] = {}
    for word in sorted(rated_words()):
        families.setdefault(word[:STEM], []).append(word)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for kind in (False, True):  # separately, so that all parts have about the same share of each
        group = [
            words
            for words in families.values()
            if (np.mean([rated_words()[word] for word in words]) > 0) == kind
        ]
        ends = np.cumsum(list(PARTS.values())) * sum(map(len, group))
        count = 0
        for k in seeded_rng(0).permutation(len(group)):
            parts[list(PARTS)[np.searchsorted(ends[:-1], count, side="right")]] += group[k]
            count += len(group[k])
    return {part: _encode(words) for part, words in parts.items()}


def _encode(words: list[str]) -> Batch:
    x: Array = np.zeros((MAX_LENGTH, len(words), len(LETTERS)), dtype=np.float32)
    for k, word in enumerate(words):
        letters = [LETTERS.index(letter) for letter in word]
        x[np.arange(MAX_LENGTH - len(word), MAX_LENGTH), k, letters] = 1
    return Batch(x, np.array([[int(rated_words()[word] > 0) for word in words]]))


@dataclass(frozen=True)
class Sentiment(ClassificationTask):
    """A word is a sequence that ends at the last step; shorter ones begin with zeros."""

    batch_size: int = 50

    question = "Can it tell a kind word from an unkind one by its letters?"
    metric = Metric("share of the words right", higher_is_better=True)
    recipe = Recipe(hidden_size=16, learning_rate=5e-3, decay=0.95, epochs=20)
    input_size = len(LETTERS)
    output_size = 2
    horizon = MAX_LENGTH
    linear_baseline = "bag of characters"
    parts = staticmethod(encoded_words)

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        return minibatches(*encoded_words()["train"], self.batch_size, seed, epoch)

    @staticmethod
    def features(x: Array) -> Array:
        return np.asarray(x.sum(axis=0))


TASK = Sentiment
