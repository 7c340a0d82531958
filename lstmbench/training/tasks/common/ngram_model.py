"""A language model that counts n-grams."""

from collections import Counter, defaultdict

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
        self.followers: defaultdict[bytes, Counter[int]] = defaultdict(Counter)
        encoded = text.astype(np.uint8).tobytes()
        for k, symbol in enumerate(encoded):
            for length in range(min(order, k + 1)):
                self.followers[encoded[k - length : k]][symbol] += 1
        self.totals = {context: counts.total() for context, counts in self.followers.items()}

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
        probability = 1 / self.symbols
        for start in range(len(context), -1, -1):
            suffix = context[start:]
            counts = self.followers.get(suffix)
            if counts is None:
                break  # no longer context was seen either
            total, kinds = self.totals[suffix], len(counts)
            probability = (counts[symbol] + kinds * probability) / (total + kinds)
        return probability
