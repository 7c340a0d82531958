"""A language model that counts n-grams."""

from collections import Counter

import numpy as np

from lstmbench.training.task import Array


class NGramModel:
    """Interpolated Witten-Bell smoothing (Chen & Goodman 1998, section 2.5).

    p(a | context) = (count(context a) + kinds(context) * p(a | shorter context)) / (count(context)
    + kinds(context)), where kinds is the number of different symbols seen after the context. The
    empty context backs off to the uniform distribution.
    """

    def __init__(self, text: Array, order: int, symbols: int) -> None:
        """Count contexts of up to ``order`` - 1 symbols in a text of symbols below ``symbols``."""
        self.order, self.symbols = order, symbols
        encoded = text.astype(np.uint8).tobytes()
        self.counts = Counter(
            encoded[k : k + n] for n in range(1, order + 1) for k in range(len(encoded) - n + 1)
        )
        self.kinds = Counter(ngram[:-1] for ngram in self.counts)
        self.totals: Counter[bytes] = Counter()
        for ngram, count in self.counts.items():
            self.totals[ngram[:-1]] += count

    def bits(self, text: Array) -> float:
        """Return the cross-entropy of a text in bits per symbol."""
        encoded = text.astype(np.uint8).tobytes()
        probabilities = [
            self.probability(encoded[max(0, k - self.order + 1) : k], symbol)
            for k, symbol in enumerate(encoded)
        ]
        return float(-np.mean(np.log2(probabilities)))

    def probability(self, context: bytes, symbol: int) -> float:
        """Return p(symbol | context)."""
        shorter = self.probability(context[1:], symbol) if context else 1 / self.symbols
        total, kinds = self.totals[context], self.kinds[context]
        if not total:
            return shorter
        count = self.counts[context + bytes([symbol])]
        return (count + kinds * shorter) / (total + kinds)
