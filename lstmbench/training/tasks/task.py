"""What a task is: where its data come from, what is learnt, how it is scored, and what must be
beaten.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError

Array = NDArray[Any]
Predict = Callable[[Array], Array]
"""From x (T, B, I) to the outputs of the model at every step, (T, B, K)."""


class Batch(NamedTuple):
    """Inputs x (T, B, I), and the targets of the last S steps: classes (S, B), or numbers (S, B,
    K).
    """

    x: Array
    targets: Array


@dataclass(frozen=True)
class Recipe:
    """How a model is trained for a task.

    Attributes:
        hidden_size: H.
        optimizer: ``adam``, or ``sgd`` with momentum 0.9.
        learning_rate: of the optimiser, in the first epoch.
        decay: the learning rate of an epoch is that of the one before times this.
        clip: the largest norm of all gradients together.
        forget_bias: added to the bias of the LSTM's forget gate; ``chrono``: drawn for all lags of
            the task.
        epochs: at most so many; an epoch is what ``Task.epoch`` yields.
        patience: end after so many epochs without a better score on the validation data; never if
            None.
    """

    hidden_size: int = 64
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-2
    decay: float = 1.0
    clip: float | None = 1.0
    forget_bias: float | Literal["chrono"] = 1.0
    epochs: int = 20
    patience: int | None = None


@dataclass(frozen=True)
class Metric:
    """The number by which a task is judged, on data that was not learnt from.

    Attributes:
        name: in words, with its unit.
        higher_is_better: whether it is.
        solved: from where on the task counts as solved, and training ends; None if there is no such
            point.
    """

    name: str
    higher_is_better: bool
    solved: float | None = None

    def better(self, one: float, other: float) -> bool:
        """Say whether one score is better than another; NaN never is."""
        return one > other if self.higher_is_better else one < other

    def is_solved(self, score: float) -> bool:
        """Say whether the task is solved with this score."""
        return self.solved is not None and (score == self.solved or self.better(score, self.solved))


class Task(Protocol):
    """One use of an LSTM. A class is a frozen dataclass whose fields are its sizes; the file's
    ``TASK`` names it.
    """

    question: ClassVar[str]
    loss: ClassVar[Literal["mse", "cross_entropy"]]
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
    def horizon(self) -> int:
        """The longest lag, in steps, over which something must be kept."""
        ...

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        """Yield the batches of an epoch: the same for the same seed and epoch, whoever learns from
        them.
        """
        ...

    def score(self, predict: Predict, part: Literal["validation", "test"]) -> float:
        """Return the metric on data that no epoch shows; ``test`` data decide nothing in training."""
        ...

    def baselines(self) -> dict[str, float]:
        """Return the metric of simple methods on the test data, by their names."""
        ...


def tasks() -> list[str]:
    """Return the names of all tasks, without importing any."""
    folder = Path(__file__).parent
    return sorted(path.stem for path in folder.glob("[!_]*.py") if path.stem not in _HELPERS)


def task_class(name: str) -> type[Task]:
    """Return the class of a task.

    Raises:
        LstmbenchError: if there is no such task, or the package that its data come from is not
            installed.
    """
    if name not in tasks():
        raise LstmbenchError(f"There is no task {name!r}; the tasks are {', '.join(tasks())}.")
    try:
        found: type[Task] = import_module(f"lstmbench.training.tasks.{name}").TASK
    except ModuleNotFoundError as error:
        raise LstmbenchError(
            f"The task {name!r} needs the package {error.name}, which is not installed."
        ) from None
    return found


def describe_task(name: str) -> dict[str, Any]:
    """Return name, question, metric, sizes, and why the task is not available here, "" if it is."""
    row: dict[str, Any] = {"name": name, "question": "", "metric": "", "sizes": {}, "reason": ""}
    try:
        cls = task_class(name)
    except LstmbenchError as error:
        return row | {"reason": str(error)}
    return row | {"question": cls.question, "metric": cls.metric.name, "sizes": _sizes(cls)}


def make_task(name: str, sizes: Mapping[str, Any] | None = None) -> Task:
    """Return a task, with other sizes than its own where they are given.

    Raises:
        LstmbenchError: as ``task_class``; or if a size is unknown or not a positive whole number.
    """
    cls = task_class(name)
    known = _sizes(cls)
    for key, value in (sizes or {}).items():
        if key not in known:
            raise LstmbenchError(
                f"The task {name!r} has no size {key!r}; it has {', '.join(known) or 'none'}."
            )
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise LstmbenchError(
                f"The size {key!r} of the task {name!r} must be a positive whole number, not {value!r}."
            )
    return cls(**(sizes or {}))


def _sizes(cls: type[Task]) -> dict[str, int]:
    """Return the sizes of a task, with their defaults."""
    return {field.name: cast(int, field.default) for field in fields(cls)}  # type: ignore[arg-type]


def generator(*numbers: int) -> np.random.Generator:
    """Return a generator for these numbers, such as a seed and an epoch: others for others, the
    same for the same.
    """
    # Their count goes in as well: to NumPy (3,) and (3, 0) are one seed, and held-out data would be
    # training data
    return np.random.default_rng([len(numbers), *numbers])


def minibatches(x: Array, targets: Array, size: int, seed: int, epoch: int) -> Iterable[Batch]:
    """Yield the sequences of x (T, N, I) in the order of an epoch, ``size`` at a time; the rest is
    left out.
    """
    order = generator(seed, epoch).permutation(x.shape[1])
    for start in range(0, max(1, len(order) - size + 1), size):
        chosen = order[start : start + size]
        yield Batch(x[:, chosen], targets[:, chosen])


_HELPERS = {"task"}
