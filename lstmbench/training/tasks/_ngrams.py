"""A language model that counts: the chances of a character after the n - 1 before it."""

from collections import Counter, defaultdict

import numpy as np

from lstmbench.training.tasks.task import Array


class NGrams:
    """Interpolated Witten-Bell smoothing (Chen & Goodman 1998, section 2.5).

    p(a | context) = (count(context a) + kinds(context) * p(a | shorter context)) / (count(context)
    + kinds(context)), where kinds is how many different characters came after the context; the
    shortest of all is the even distribution.
    """

    def __init__(self, text: Array, order: int, symbols: int) -> None:
        """Count in a text of symbols below ``symbols``, for contexts of up to ``order`` - 1 of
        them.
        """
        self.order, self.symbols = order, symbols
        self.followers: defaultdict[bytes, Counter[int]] = defaultdict(Counter)
        plain = text.astype(np.uint8).tobytes()
        for k, symbol in enumerate(plain):
            for length in range(min(order, k + 1)):
                self.followers[plain[k - length : k]][symbol] += 1
        self.totals = {context: found.total() for context, found in self.followers.items()}

    def bits(self, text: Array) -> float:
        """Return the cross-entropy of a text in bits per symbol."""
        plain = text.astype(np.uint8).tobytes()
        chances = [
            self._chance(plain[max(0, k - self.order + 1) : k], symbol)
            for k, symbol in enumerate(plain)
        ]
        return float(-np.mean(np.log2(chances)))

    def _chance(self, context: bytes, symbol: int) -> float:
        chance = 1 / self.symbols
        for length in range(len(context) + 1):
            known = self.followers.get(context[len(context) - length :])
            if known is None:
                break  # nor is there any longer one
            total = self.totals[context[len(context) - length :]]
            chance = (known[symbol] + len(known) * chance) / (total + len(known))
        return chance
