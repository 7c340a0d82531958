"""A language model, character by character, of the manual that comes with Python itself
(``pydoc_data.topics``).

Topics are divided among training, validation and test; a paragraph that stands in several topics
counts once, where it comes first. The text is that of the Python that runs, so scores of two
versions of Python are not of the same text.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pydoc_data.topics import topics
from typing import ClassVar, Literal

import numpy as np

from lstmbench.training.tasks._ngrams import NGrams
from lstmbench.training.tasks.task import (
    Array,
    Batch,
    Metric,
    Predict,
    Recipe,
    generator,
    minibatches,
)

RARE = 50
"""A character that comes less often in all of the text is one of a kind, "something else"."""
PARTS = {"train": 0.8, "validation": 0.1, "test": 0.1}
STREAMS = 16
"""PreparedCase-out text is read as so many streams side by side."""


@dataclass(frozen=True)
class Language:
    """An epoch is ``share`` percent of the training text, cut at other places each time into
    windows from nothing.
    """

    seq_len: int = 64
    batch_size: int = 16
    share: int = 100

    question: ClassVar[str] = "How well does it know what character comes next?"
    loss: ClassVar[Literal["cross_entropy"]] = "cross_entropy"
    metric: ClassVar[Metric] = Metric("bits per character", higher_is_better=False)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=128, learning_rate=5e-3, decay=0.8, epochs=3)

    @property
    def input_size(self) -> int:
        return len(alphabet())

    @property
    def output_size(self) -> int:
        return len(alphabet())

    @property
    def horizon(self) -> int:
        return self.seq_len

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        T, text = self.seq_len, encoded("train")
        start = int(generator(seed, epoch, 1).integers(T))
        windows = (len(text) - start - 1) // T
        seen = text[start : start + windows * T].reshape(windows, T).T  # (T, N)
        next_ones = text[start + 1 : start + 1 + windows * T].reshape(windows, T).T
        for k, batch in enumerate(minibatches(seen, next_ones, self.batch_size, seed, epoch)):
            if k * self.batch_size >= windows * self.share / 100:
                return
            yield Batch(self._one_hot(batch.x), batch.targets)

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        text = encoded(part)
        T = (len(text) - 1) // STREAMS
        seen, next_ones = (text[k : k + STREAMS * T].reshape(STREAMS, T).T for k in (0, 1))
        outputs = predict(self._one_hot(seen)).astype(np.float64)  # (T, B, K)
        outputs -= outputs.max(axis=2, keepdims=True)
        chosen = np.take_along_axis(outputs, next_ones[:, :, None], axis=2)[:, :, 0]
        return float(np.mean(np.log(np.exp(outputs).sum(axis=2)) - chosen) / np.log(2))

    def baselines(self) -> dict[str, float]:
        text = encoded("test")
        return {
            f"{n}-gram": NGrams(encoded("train"), n, len(alphabet())).bits(text) for n in (1, 3, 5)
        }

    def _one_hot(self, symbols: Array) -> Array:
        return np.eye(len(alphabet()), dtype=np.float32)[symbols]


@cache
def _texts() -> dict[str, str]:
    names = sorted(topics)
    order = generator(0).permutation(len(names))
    seen: set[str] = set()
    kept = []
    for k in order:
        paragraphs = dict.fromkeys(each.rstrip() for each in re.split(r"\n\n+", topics[names[k]]))
        kept.append("\n\n".join(each for each in paragraphs if each not in seen))
        seen |= paragraphs.keys()
    whole = "\n\n".join(kept)
    ends = np.cumsum([0, *(round(len(whole) * share) for share in PARTS.values())])
    return {part: whole[a:b] for part, a, b in zip(PARTS, ends[:-1], ends[1:], strict=True)}


@cache
def alphabet() -> str:
    """Return the characters that are told apart, in the order of their numbers; the last stands for
    all others.
    """
    counts = Counter("".join(_texts().values()))
    return (
        "".join(sorted(each for each, count in counts.items() if count >= RARE))
        + "\N{REPLACEMENT CHARACTER}"
    )


@cache
def encoded(part: str) -> Array:
    """Return a part of the text as numbers."""
    places = {each: k for k, each in enumerate(alphabet())}
    return np.array([places.get(each, len(places) - 1) for each in _texts()[part]])


TASK = Language
