"""The interface of a training task: its data, loss, metric, recipe and baselines."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError

Array = NDArray[Any]
ArraysByName = dict[str, Array]
Predict = Callable[[Array], Array]
"""From inputs x (T, B, I) to the model's outputs at every step, (T, B, K)."""
HeldOut = Literal["validation", "test"]
Loss = Literal["mse", "cross_entropy"]
"""Mean over all targets: of the squared error (over the K outputs too), or of the cross-entropy in
nats.
"""
ForgetBias = float | Literal["chrono"]


class Batch(NamedTuple):
    """Inputs x (T, B, I), and targets of the last S steps: classes (S, B) or numbers (S, B, K)."""

    x: Array
    targets: Array


@dataclass(frozen=True)
class Recipe:
    """The hyper-parameters with which a model is trained for a task.

    Attributes:
        hidden_size: H.
        optimizer: ``adam`` or ``sgd``, see ``lstmbench.training.backends.interface``.
        learning_rate: that of the first epoch.
        decay: factor of the learning rate from one epoch to the next.
        clip: the norm of all gradients together to which larger ones are scaled down (Pascanu et
            al. 2013, section 3.2); None does not clip.
        forget_bias: added to the bias of the LSTM's forget gate; ``chrono`` draws it for all lags
            of the task, see ``ModelSpec``.
        epochs: the maximum number of epochs; an epoch is what ``Task.epoch`` yields.
        patience: stop after this many epochs without a better validation score; None never does.
    """

    hidden_size: int = 64
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-2
    decay: float = 1.0
    clip: float | None = 1.0
    forget_bias: ForgetBias = 1.0
    epochs: int = 20
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.optimizer not in ("adam", "sgd"):
            raise LstmbenchError(
                f"optimizer must be 'adam' or 'sgd', but it is {self.optimizer!r}."
            )
        if not self.learning_rate > 0:
            raise LstmbenchError(
                f"learning_rate must be positive, but it is {self.learning_rate!r}."
            )
        if self.clip is not None and not self.clip > 0:
            raise LstmbenchError(f"clip must be positive, or None, but it is {self.clip!r}.")


@dataclass(frozen=True)
class Metric:
    """The number by which a task is judged, on data that were not trained on.

    Attributes:
        name: in words, with its unit.
        higher_is_better: whether a higher score is better.
        solved: the score from which on the task counts as solved, which ends training; or None.
    """

    name: str
    higher_is_better: bool
    solved: float | None = None

    def is_solved(self, score: float) -> bool:
        """Return whether this score solves the task; NaN never does."""
        if self.solved is None:
            return False
        return score >= self.solved if self.higher_is_better else score <= self.solved


class Task(Protocol):
    """One use of an LSTM: a frozen dataclass whose fields are the sizes that a suite may change."""

    question: ClassVar[str]
    loss: ClassVar[Loss]
    metric: ClassVar[Metric]
    recipe: ClassVar[Recipe]

    @property
    def input_size(self) -> int:
        """I."""
        ...

    @property
    def output_size(self) -> int:
        """K."""
        ...

    @property
    def seq_len(self) -> int:
        """The longest lag, in steps, over which something must be remembered; T in most tasks."""
        ...

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        """Yield the batches of an epoch; they depend on seed and epoch only, not on the model."""
        ...

    def score(self, predict: Predict, part: HeldOut) -> float:
        """Return the metric on held-out data; the ``test`` part decides nothing in training."""
        ...

    def baselines(self) -> dict[str, float]:
        """Return the metric of simple methods on the test data, by the methods' names."""
        ...


def seeded_rng(*key: int) -> np.random.Generator:
    """Return a generator for a key, such as a seed and an epoch; every other key gives another."""
    # NumPy takes (3,) and (3, 0) for one seed: without the length, held-out data would be training
    # data.
    return np.random.default_rng([len(key), *key])


def minibatches(x: Array, targets: Array, size: int, seed: int, epoch: int) -> Iterable[Batch]:
    """Yield copies of the sequences of x (T, N, I), shuffled, ``size`` at a time.

    An incomplete last batch is dropped, unless it is the only one.
    """
    order = seeded_rng(seed, epoch).permutation(x.shape[1])
    for start in range(0, max(1, len(order) - size + 1), size):
        rows = order[start : start + size]
        yield Batch(x[:, rows], targets[:, rows])
