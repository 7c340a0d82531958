"""Tasks whose sequences are generated."""

from abc import abstractmethod
from collections.abc import Iterable
from functools import cached_property

import numpy as np

from lstmbench.training.task import Batch, Task, seeded_rng


class GeneratedTask(Task):
    """New sequences for every batch; those of the held-out parts have generators of their own.

    Attributes:
        batch_size: B.
        batches: batches per epoch.
        held_out: sequences per held-out part.
    """

    batch_size: int
    batches: int
    held_out: int

    @abstractmethod
    def draw(self, rng: np.random.Generator, B: int) -> Batch:
        """Return B new sequences with their targets."""

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        rng = seeded_rng(seed, epoch)
        return (self.draw(rng, self.batch_size) for _ in range(self.batches))

    @cached_property
    def held_out_batches(self) -> dict[str, Batch]:
        """The sequences of both held-out parts."""
        return {
            part: self.draw(seeded_rng(k), self.held_out)
            for k, part in enumerate(("validation", "test"))
        }
