"""Train a model on a task, epoch by epoch, until it is solved or stops improving."""

import math
import time
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from lstmbench.errors import LstmbenchError
from lstmbench.training.checkpoint import read_checkpoint, write_checkpoint
from lstmbench.training.model import ModelSpec
from lstmbench.training.task import ArraysByName, Recipe, Task
from lstmbench.training.trainable_model import TrainableModel


class EpochResult(NamedTuple):
    """The result of one epoch.

    Attributes:
        epoch: its number, from 1.
        updates: updates so far.
        loss: the mean over its batches, each before its update.
        score: the task's metric on the validation data, after it.
        seconds: the time of its updates, without scoring.
    """

    epoch: int
    updates: int
    loss: float
    score: float
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training, by the names that the columns of a record have.

    Attributes:
        score: the task's metric on the test data, with the weights of the best epoch.
        best_epoch: the number of that epoch; 0 if no epoch had a finite score.
        solved: whether a validation score solved the task; None where none is defined to.
        ended: why training ended.
    """

    score: float
    best_epoch: int
    solved: bool | None
    ended: str


@dataclass(eq=False)
class Trainer:
    """A training under way: call ``run_epoch`` until ``ended`` says why there is none left.

    Enter it as a context before use; that sets what the framework's dtype needs.

    Attributes:
        task: what to learn.
        recipe: the hyper-parameters.
        implementation: computes the LSTM; for a plain RNN it decides the framework.
        cell: ``lstm`` or ``rnn``.
        seed: of the initial weights and of the batches.
        device: ``cpu`` or ``cuda``.
        dtype: that of weights and inputs.
        checkpoint: a file that is read if it exists, and written after every epoch.

    Raises:
        LstmbenchError: if something is not available here, or the checkpoint is of another
            training.
    """

    task: Task
    recipe: Recipe
    implementation: str
    _: KW_ONLY
    cell: Literal["lstm", "rnn"] = "lstm"
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        task, recipe = self.task, self.recipe
        sizes = task.input_size, recipe.hidden_size, task.output_size
        spec = ModelSpec(*sizes, self.cell, recipe.forget_bias, task.seq_len)
        self.model = TrainableModel(
            self.implementation, spec, task.loss, recipe, self.seed, self.device, self.dtype
        )
        self.history: list[EpochResult] = []
        self.best_weights: ArraysByName = {}
        self._scope = ExitStack()
        if self.checkpoint is not None and self.checkpoint.is_file():
            self._resume(self.checkpoint)

    def __enter__(self) -> Self:
        self._scope.enter_context(self.model.framework.scope())
        return self

    def __exit__(self, *_: object) -> None:
        self._scope.close()

    @property
    def best_epoch(self) -> int:
        """The number of the first epoch with the best validation score; 0 if none is finite."""
        scored = [epoch for epoch in self.history if math.isfinite(epoch.score)]
        best = max if self.task.metric.higher_is_better else min
        return best(scored, key=attrgetter("score")).epoch if scored else 0

    @property
    def ended(self) -> str | None:
        """Why training has ended, or None if there is another epoch."""
        if not self.history:
            return None if self.recipe.epochs else "no epoch was asked for"
        last, patience = self.history[-1], self.recipe.patience
        if self.task.metric.is_solved(last.score):
            return "solved"
        if not math.isfinite(last.loss):
            return "the loss is not finite any more"
        if patience is not None and last.epoch - self.best_epoch >= patience:
            return f"no better for {patience} epochs"
        return "all epochs" if last.epoch >= self.recipe.epochs else None

    def run_epoch(self) -> EpochResult:
        """Run the next epoch, score it, and write the checkpoint."""
        number = len(self.history) + 1
        learning_rate = self.recipe.learning_rate * self.recipe.decay ** (number - 1)
        start = time.perf_counter()
        losses = [
            self.model.train_step(*batch, learning_rate)
            for batch in self.task.epoch(self.seed, number)
        ]
        loss = float(np.mean([float(loss) for loss in losses]))  # waits for all of them
        seconds = time.perf_counter() - start
        is_finite = math.isfinite(loss)
        score = self.task.score(self.model.outputs, "validation") if is_finite else math.nan
        updates = len(losses) + (self.history[-1].updates if self.history else 0)
        self.history.append(EpochResult(number, updates, loss, score, seconds))
        if self.best_epoch == number:
            self.best_weights = self.model.weights()
        if self.checkpoint is not None:
            metadata = {"settings": self._settings(), "history": self.history}
            groups = self.model.state() | {"best_weights": self.best_weights}
            write_checkpoint(self.checkpoint, groups, metadata)
        return self.history[-1]

    def finish(self) -> TrainingResult:
        """Return the result; the model then has the weights of the best epoch."""
        metric = self.task.metric
        if self.best_weights:
            self.model.restore(self.model.state() | {"weights": self.best_weights})
        scores = [epoch.score for epoch in self.history]
        solved = None if metric.solved is None else any(map(metric.is_solved, scores))
        score = self.task.score(self.model.outputs, "test")
        return TrainingResult(score, self.best_epoch, solved, self.ended or "it was stopped")

    def _settings(self) -> str:
        """Return what must be the same where training continues."""
        names = (self.implementation, self.cell, self.dtype)
        return repr((self.task, self.recipe, self.seed, names))

    def _resume(self, path: Path) -> None:
        groups, metadata = read_checkpoint(path)
        if metadata.get("settings") != self._settings():
            raise LstmbenchError(
                f"The checkpoint {path} is of another training; choose another file."
            )
        self.history = [EpochResult(*epoch) for epoch in metadata["history"]]
        self.best_weights = groups.get("best_weights", {})
        with self.model.framework.scope():
            self.model.restore(groups)


def train(
    task: Task,
    implementation: str,
    recipe: Recipe | None = None,
    *,
    progress: bool = True,
    **options: Any,
) -> tuple[Trainer, TrainingResult]:
    """Train to the end, in this process; a suite trains each model in a process of its own.

    Args:
        task: what to learn.
        implementation: computes the LSTM.
        recipe: the hyper-parameters; the task's own if None.
        progress: whether to show a progress bar of epochs.
        options: as for ``Trainer``.

    Returns:
        The trainer, with model and history, and the result.

    Raises:
        LstmbenchError: as for ``Trainer``.
    """
    from tqdm.auto import tqdm

    recipe = recipe or task.recipe
    with (
        Trainer(task, recipe, implementation, **options) as trainer,
        tqdm(total=recipe.epochs, disable=not progress, unit="epoch", dynamic_ncols=True) as bar,
    ):
        bar.update(len(trainer.history))
        while trainer.ended is None:
            epoch = trainer.run_epoch()
            bar.set_description(f"loss {epoch.loss:.4g}, {task.metric.name} {epoch.score:.4g}")
            bar.update()
        return trainer, trainer.finish()
