"""One model learns one task: epoch by epoch, until it has solved it, gets no better, or has had its
epochs.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError
from lstmbench.training.checkpoint import read_checkpoint, write_checkpoint
from lstmbench.training.learner import Learner
from lstmbench.training.model import Model
from lstmbench.training.optimizer import Optimizer
from lstmbench.training.tasks.task import Recipe, Task


class Epoch(NamedTuple):
    """What an epoch showed.

    Attributes:
        epoch: its number, from 1.
        updates: how many updates there were so far.
        loss: the mean over its batches, each before its update.
        score: the task's metric on the validation data, after it.
        seconds: that its updates took; scoring is not counted.
    """

    epoch: int
    updates: int
    loss: float
    score: float
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        score: the task's metric on the test data, with the weights of the best epoch.
        best: the number of that epoch; 0 if none was better than nothing.
        solved: whether the validation data counted as solved; None where the task has no such
            point.
        ended: why training ended.
    """

    score: float
    best: int
    solved: bool | None
    ended: str


def model_for(task: Task, recipe: Recipe, cell: str) -> Model:
    """Return the model that a recipe asks for, of the task's sizes."""
    return Model(
        task.input_size,
        recipe.hidden_size,
        task.output_size,
        cell,
        recipe.forget_bias,
        task.horizon,
    )


class Training:
    """A training under way. ``epoch`` runs the next one, until ``ended`` says why there is none.

    Enter it before use.
    """

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        implementation: str,
        *,
        cell: str = "lstm",
        seed: int = 0,
        device: str = "cpu",
        dtype: str = "float32",
        checkpoint: Path | None = None,
    ) -> None:
        """Draw the initial weights, or go on where a checkpoint ended.

        Args:
            task: what is learnt.
            recipe: how.
            implementation: what computes the LSTM; of a plain RNN it decides the framework.
            cell: ``lstm`` or ``rnn``.
            seed: of the initial weights and of the order of the batches.
            device: where.
            dtype: in what.
            checkpoint: a file that is written after every epoch, and read if it is there.

        Raises:
            LstmbenchError: if something is not available here, or the checkpoint is of another
                training.
        """
        self.task, self.recipe, self.seed, self.checkpoint = task, recipe, seed, checkpoint
        optimizer = Optimizer(recipe.optimizer, recipe.learning_rate, recipe.clip)
        model = model_for(task, recipe, cell)
        self.learner = Learner(
            implementation, model, model.draw(seed), task.loss, optimizer, device, dtype
        )
        self.history: list[Epoch] = []
        self.best: dict[str, NDArray[Any]] = {}
        self.best_epoch = 0
        self._of = {
            "task": repr(task), "recipe": asdict(recipe), "seed": seed, "implementation": implementation,
            "cell": cell, "dtype": dtype,
        }  # fmt: skip

    def __enter__(self) -> "Training":
        self.learner.__enter__()
        if self.checkpoint is not None and self.checkpoint.is_file():
            self._resume(self.checkpoint)
        return self

    def __exit__(self, *_: object) -> None:
        self.learner.__exit__()

    @property
    def ended(self) -> str | None:
        """Why there is no further epoch, or None if there is."""
        if not self.history:
            return None if self.recipe.epochs else "no epoch was asked for"
        last = self.history[-1]
        if self.task.metric.is_solved(last.score):
            return "solved"
        if not np.isfinite(last.loss):
            return "the loss is no number any more"
        if (
            self.recipe.patience is not None
            and last.epoch - self.best_epoch >= self.recipe.patience
        ):
            return f"no better for {self.recipe.patience} epochs"
        return "all epochs" if last.epoch >= self.recipe.epochs else None

    def epoch(self) -> Epoch:
        """Run the next epoch, score it, and keep it."""
        number = len(self.history) + 1
        rate = self.recipe.learning_rate * self.recipe.decay ** (number - 1)
        start = time.perf_counter()
        losses = [self.learner.step(*batch, rate) for batch in self.task.epoch(self.seed, number)]
        loss = float(np.mean([float(each) for each in losses]))  # waits for all of them
        seconds = time.perf_counter() - start
        score = (
            self.task.score(self.learner.outputs, "validation")
            if np.isfinite(loss)
            else float("nan")
        )
        updates = len(losses) + (self.history[-1].updates if self.history else 0)
        done = Epoch(number, updates, loss, score, seconds)
        self.history.append(done)
        before = self.history[self.best_epoch - 1].score if self.best_epoch else None
        if np.isfinite(score) and (before is None or self.task.metric.better(score, before)):
            self.best, self.best_epoch = self.learner.weights(), number
        if self.checkpoint is not None:
            best = {f"best.{name}": array for name, array in self.best.items()}
            notes = {
                "of": self._of,
                "history": [list(each) for each in self.history],
                "best": self.best_epoch,
            }
            write_checkpoint(self.checkpoint, self.learner.state() | best, notes)
        return done

    def finish(self) -> Outcome:
        """Return what came of it; the learner then has the weights of the best epoch."""
        metric = self.task.metric
        if self.best:
            self.learner.load(self.best)
        solved = None
        if metric.solved is not None:
            solved = any(metric.is_solved(each.score) for each in self.history)
        score = self.task.score(self.learner.outputs, "test")
        return Outcome(score, self.best_epoch, solved, self.ended or "it was ended")

    def _resume(self, path: Path) -> None:
        arrays, notes = read_checkpoint(path)
        if notes.get("of") != self._of:
            raise LstmbenchError(
                f"The checkpoint {path} is of another training; choose another file."
            )
        self.history = [Epoch(*each) for each in notes["history"]]
        self.best_epoch = notes["best"]
        self.best = {
            name.removeprefix("best."): a for name, a in arrays.items() if name.startswith("best.")
        }
        self.learner.restore(
            {name: a for name, a in arrays.items() if not name.startswith("best.")}
        )


def train(
    task: Task,
    implementation: str,
    recipe: Recipe | None = None,
    *,
    progress: bool = True,
    **options: Any,
) -> tuple[Training, Outcome]:
    """Train to the end, in this process; a run of a suite trains in processes of their own.

    Args:
        task: what is learnt.
        implementation: what computes the LSTM.
        recipe: how; the task's own if None.
        progress: whether to show a bar of epochs.
        options: as for ``Training``.

    Returns:
        The training, with its history, and what came of it.

    Raises:
        LstmbenchError: as for ``Training``.
    """
    from tqdm.auto import tqdm

    recipe = recipe or task.recipe
    with (
        Training(task, recipe, implementation, **options) as training,
        tqdm(total=recipe.epochs, disable=not progress, unit="epoch", dynamic_ncols=True) as bar,
    ):
        bar.update(len(training.history))
        while training.ended is None:
            done = training.epoch()
            bar.set_description(f"loss {done.loss:.4g}, {task.metric.name} {done.score:.4g}")
            bar.update()
        return training, training.finish()
