"""A suite of training workloads: which tasks are learnt, by which cells and implementations."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NoReturn

from pydantic import BeforeValidator, Field

from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.case import Case
from lstmbench.measure.suites.interface import KeyPath, Measured
from lstmbench.measure.suites.timing_suite import (
    ListOf,
    Number,
    Size,
    StrictModel,
    Threads,
    unknown_names,
)
from lstmbench.training.tasks import task_names

if TYPE_CHECKING:
    from lstmbench.measure.process.worker_pool import WorkerPool

BASELINES = "baselines"
"""Stands for a cell: the simple methods that a task's model must beat."""
Seeds = Annotated[int, Field(strict=True, ge=1, le=1000)]


@dataclass(frozen=True)
class TrainingWorkload:
    """What all rows of one comparison share; a case is one implementation at one workload.

    Attributes:
        task: its name.
        sizes: those that differ from the task's own.
        recipe: what differs from the task's own recipe.
        cell: ``lstm``, ``rnn``, or ``baselines``.
        seed: of initial weights and batches.
        dtype, device, threads: as of a workload.
    """

    task: str
    sizes: tuple[tuple[str, int], ...] = ()
    recipe: tuple[tuple[str, Any], ...] = ()
    cell: str = "lstm"
    seed: int = 0
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = 1

    mode: ClassVar[str] = "training"  # the mode that an implementation must offer

    @property
    def id(self) -> str:
        """A short hash of all fields: equal workloads of two runs have the same."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:12]

    @property
    def has_baselines(self) -> bool:
        """Whether it stands for the baselines of a task, which are not trained."""
        return self.cell == BASELINES

    @property
    def work(self) -> float:
        """An estimate of its duration, relative to the other workloads of its run."""
        return 0.2 if self.has_baselines else 1.0

    def columns(self) -> dict[str, Any]:
        """Return the columns of a record that say what was asked for."""
        texts = {"sizes": _text(self.sizes), "recipe": _text(self.recipe)}
        return asdict(self) | texts | {"mode": "learning"}

    def __str__(self) -> str:
        sizes = f" ({_text(self.sizes)})" if self.sizes else ""
        return f"{self.task}{sizes}, {self.cell}, {self.dtype}, seed {self.seed}"


class RecipeChanges(StrictModel):
    """What a suite changes in a task's recipe, see ``lstmbench.training.task.Recipe``."""

    hidden_size: Size | None = None
    optimizer: Literal["adam", "sgd"] | None = None
    learning_rate: Annotated[Number, Field(gt=0, le=1000)] | None = None
    decay: Annotated[Number, Field(gt=0, le=1)] | None = None
    clip: Annotated[Number, Field(gt=0)] | None = None
    forget_bias: Number | Literal["chrono"] | None = None
    epochs: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    patience: Annotated[int, Field(strict=True, ge=1)] | None = None


class TrainingGrid(StrictModel):
    """A task with the cells and seeds that learn it."""

    task: str
    sizes: dict[str, Size] = Field(default_factory=dict)
    recipe: RecipeChanges = RecipeChanges()
    cells: ListOf[Literal["lstm", "rnn"]] = Field(default=["lstm"])
    seeds: Seeds | None = None


def _as_grid(value: Any) -> Any:
    """Return the name of a task as a grid."""
    return {"task": value} if isinstance(value, str) else value


class TrainingSuite(StrictModel):
    """The content of a training suite's file."""

    description: str = ""
    implementations: ListOf[str] = Field(default=["numpy.fused", "torch.fused", "jax.fused"])
    tasks: ListOf[Annotated[TrainingGrid, BeforeValidator(_as_grid)]]
    seeds: Seeds = 1
    dtype: ListOf[Literal["float32", "float64"]] = Field(default=["float32"])
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Threads = 1
    timeout_s: Annotated[Number, Field(gt=0, le=86_400)] = 600.0
    name: str = ""

    IDENTITY: ClassVar[tuple[str, ...]] = (
        "implementations",
        "tasks",
        "seeds",
        "dtype",
        "device",
        "threads",
    )

    def faults(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield each unknown implementation and task."""
        yield from unknown_names(self.implementations)
        known = task_names()
        for k, grid in enumerate(self.tasks):
            if grid.task not in known:
                names = ", ".join(known)
                yield ("tasks", k), f"there is no task {grid.task!r}; the tasks are {names}"

    def with_variants(self, labels: Sequence[str]) -> NoReturn:
        """Refuse: A/B compares times."""
        raise LstmbenchError(f"--ab needs a suite of workloads; {self.name!r} is a training suite.")

    def with_tasks(self, tasks: Sequence[str]) -> "TrainingSuite":
        """Return the suite with some of its tasks only.

        Raises:
            LstmbenchError: if it lacks one of them.
        """
        known = {grid.task: None for grid in self.tasks}
        if missing := [task for task in tasks if task not in known]:
            raise LstmbenchError(
                f"The suite {self.name!r} has no task {missing[0]!r}; it has {', '.join(known)}."
            )
        return self.model_copy(
            update={"tasks": [grid for grid in self.tasks if grid.task in tasks]}
        )

    def names(self) -> list[str]:
        """Return the implementations."""
        return list(dict.fromkeys(self.implementations))

    def count(self) -> int:
        """Return the number of cases without making them; the baselines of a task are one."""
        models = sum(len(grid.cells) * (grid.seeds or self.seeds) for grid in self.tasks)
        return models * len(self.dtype) * len(self.names()) + len(self.tasks)

    def workloads(self) -> list[TrainingWorkload]:
        """Return every workload once, task by task, the baselines of each first."""
        workloads = []
        for grid in self.tasks:
            sizes = tuple(sorted(grid.sizes.items()))
            recipe = tuple(sorted(grid.recipe.model_dump(exclude_none=True).items()))
            workloads.append(TrainingWorkload(grid.task, sizes, cell=BASELINES))
            workloads += [
                TrainingWorkload(
                    grid.task, sizes, recipe, cell, seed, dtype, self.device, self.threads
                )
                for dtype in self.dtype
                for cell in grid.cells
                for seed in range(grid.seeds or self.seeds)
            ]
        return list(dict.fromkeys(workloads))

    def cases(self, workload: TrainingWorkload) -> list[Case]:
        """Return the cases of one workload: all implementations, or the baselines as one case."""
        names = ["baseline"] if workload.has_baselines else self.names()
        return [Case(name, workload) for name in names]

    def measure(
        self, workload: TrainingWorkload, pool: "WorkerPool", seed: int, skip: str = ""
    ) -> Measured:
        """Train each implementation on a workload, or score the baselines of its task."""
        from lstmbench.measure.run_training import run_training  # only runs need workers

        return (*run_training(workload, self, pool, skip), [])

    def control_summary(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return that training runs have no controls."""
        noise_floor = "not measured: training runs are not timed side by side"
        return {"noise_floor": noise_floor, "failed": False, "rows": []}


def _text(pairs: tuple[tuple[str, Any], ...]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in pairs)
