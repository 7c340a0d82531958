"""Tell kind words from unkind ones by their letters alone.

Data: the VADER lexicon (Hutto & Gilbert 2014), each word rated by ten people. Words that begin with
the same five letters (abandon, abandoned, abandonment) are in the same part; otherwise the test
could be passed by memorising stems.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from string import ascii_lowercase

import numpy as np
import vaderSentiment

from lstmbench.training.task import Array, Batch, Metric, Recipe, minibatches, seeded_rng
from lstmbench.training.tasks.common.classification import ClassificationTask

MAX_LENGTH, STEM = 16, 5
"""Letters of the longest words, and of the beginning that related words share; chosen by us."""
MIN_RATING = 0.5
"""Words whose mean rating, from -4 to 4, is nearer to 0 are left out; chosen by us."""
WORD_PART_ENDS = {"train": 0.7, "validation": 0.85, "test": 1.0}
"""Where each part ends, as a fraction of the shuffled words; chosen by us."""


@cache
def rated_words() -> dict[str, float]:
    """Return the words with their mean ratings."""
    lexicon = (files(vaderSentiment) / "vader_lexicon.txt").read_text(encoding="utf-8")
    pairs = re.findall(rf"^([a-z]{{3,{MAX_LENGTH}}})\t(\S+)", lexicon, re.MULTILINE)
    return {word: float(rating) for word, rating in pairs if abs(float(rating)) >= MIN_RATING}


@cache
def encoded_words() -> dict[str, Batch]:
    """Return the words of each part, one-hot (16, N, 26), and whether they are kind (1, N)."""
    ratings = rated_words()
    families = [list(words) for _, words in groupby(sorted(ratings), lambda word: word[:STEM])]
    parts: dict[str, list[str]] = {part: [] for part in WORD_PART_ENDS}
    for is_kind in (False, True):  # separately: all parts have about the same share of each
        group = [
            words
            for words in families
            if (np.mean([ratings[word] for word in words]) > 0) == is_kind
        ]
        total, count = sum(map(len, group)), 0
        for k in seeded_rng(0).permutation(len(group)):
            parts[next(part for part, end in WORD_PART_ENDS.items() if count < end * total)] += (
                group[k]
            )
            count += len(group[k])
    return {part: _encode(words) for part, words in parts.items()}


def _encode(words: list[str]) -> Batch:
    letters = np.array([list(word.rjust(MAX_LENGTH)) for word in words]).T[:, :, None]  # (T, N, 1)
    x = (letters == np.array(list(ascii_lowercase))).astype(np.float32)
    return Batch(x, np.array([[int(rated_words()[word] > 0) for word in words]]))


@dataclass(frozen=True)
class Sentiment(ClassificationTask):
    """A word is a sequence that ends at the last step; shorter ones begin with zeros."""

    batch_size: int = 50

    question = "Can it tell a kind word from an unkind one by its letters?"
    metric = Metric("share of the words right", higher_is_better=True)
    recipe = Recipe(hidden_size=16, learning_rate=5e-3, decay=0.95, epochs=20)
    input_size = len(ascii_lowercase)
    output_size = 2
    seq_len = MAX_LENGTH
    linear_baseline = "bag of characters"
    parts = staticmethod(encoded_words)

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        return minibatches(*encoded_words()["train"], self.batch_size, seed, epoch)

    @staticmethod
    def features(x: Array) -> Array:
        return np.asarray(x.sum(axis=0))


TASK = Sentiment
