"""A character-level language model of Python's own manual (``pydoc_data.topics``).

Topics are split into training, validation and test parts; a paragraph of several topics counts
once, in the first of them. The text is that of the running Python, so scores of two Python versions
are not comparable.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pydoc_data.topics import topics

import numpy as np
from scipy.special import log_softmax

from lstmbench.training.task import (
    Array,
    Batch,
    HeldOut,
    Metric,
    Predict,
    Recipe,
    Task,
    minibatches,
    seeded_rng,
)
from lstmbench.training.tasks.common.ngram_model import NGramModel

MIN_COUNT = 50
"""Rarer characters share one symbol. Chosen by us: 50 occurrences are few to learn from."""
PARTS = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""The share of the text in each part; chosen by us."""
STREAMS = 16
"""Held-out text is read as this many sequences side by side; chosen by us."""


@dataclass(frozen=True)
class Language(Task):
    """An epoch shows ``share`` percent of the training text.

    The text is cut into windows at new places in every epoch; each starts from a zero state.
    """

    seq_len: int = 64
    batch_size: int = 16
    share: int = 100

    question = "How well does it know what character comes next?"
    loss = "cross_entropy"
    metric = Metric("bits per character", higher_is_better=False)
    recipe = Recipe(hidden_size=128, learning_rate=5e-3, decay=0.8, epochs=3)

    @property
    def input_size(self) -> int:
        return len(alphabet())

    output_size = input_size

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        text = encoded("train")
        start = int(seeded_rng(seed, epoch, 1).integers(self.seq_len))
        windows = (len(text) - start - 1) // self.seq_len
        inputs, targets = _side_by_side(text[start:], windows, self.seq_len)
        batches = math.ceil(windows * self.share / (100 * self.batch_size))
        for symbols, next_symbols in islice(
            minibatches(inputs, targets, self.batch_size, seed, epoch), batches
        ):
            yield Batch(_one_hot(symbols), next_symbols)

    def score(self, predict: Predict, part: HeldOut) -> float:
        text = encoded(part)
        inputs, targets = _side_by_side(text, STREAMS, (len(text) - 1) // STREAMS)
        log_p = log_softmax(predict(_one_hot(inputs)).astype(np.float64), axis=2)  # (T, B, K)
        return float(-np.mean(np.take_along_axis(log_p, targets[:, :, None], axis=2)) / np.log(2))

    def baselines(self) -> dict[str, float]:
        train, test = encoded("train"), encoded("test")
        return {f"{n}-gram": NGramModel(train, n, len(alphabet())).bits(test) for n in (1, 3, 5)}


@cache
def texts() -> dict[str, str]:
    """Return the text of each part."""
    seen: set[str] = set()
    unique = []
    for k in seeded_rng(0).permutation(len(topics)):
        paragraphs = [text.rstrip() for text in re.split(r"\n\n+", topics[sorted(topics)[k]])]
        unique.append("\n\n".join(text for text in dict.fromkeys(paragraphs) if text not in seen))
        seen.update(paragraphs)
    whole = "\n\n".join(unique)
    ends = np.cumsum([round(len(whole) * share) for share in PARTS.values()])
    return {part: whole[a:b] for part, a, b in zip(PARTS, [0, *ends], ends, strict=False)}


@cache
def alphabet() -> str:
    """Return the known characters, each at its symbol's index; the last stands for all others."""
    counts = Counter("".join(texts().values()))
    common = sorted(character for character, count in counts.items() if count >= MIN_COUNT)
    return "".join(common) + "\N{REPLACEMENT CHARACTER}"


@cache
def encoded(part: str) -> Array:
    """Return a part of the text as symbols."""
    return encode(texts()[part])


def encode(text: str) -> Array:
    """Return a text as symbols, indices in ``alphabet``."""
    indices = {character: k for k, character in enumerate(alphabet())}
    return np.array([indices.get(character, len(indices) - 1) for character in text])


def _side_by_side(text: Array, B: int, T: int) -> tuple[Array, Array]:
    """Return the first B windows of T symbols, and the symbols after each: (T, B) each."""
    inputs, targets = (text[k : k + B * T].reshape(B, T).T.copy() for k in (0, 1))
    return inputs, targets


def _one_hot(symbols: Array) -> Array:
    return np.eye(len(alphabet()), dtype=np.float32)[symbols]


TASK = Language
