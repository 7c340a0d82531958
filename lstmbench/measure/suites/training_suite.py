"""A suite of lessons: which tasks are learnt, by which cells, in which implementations, from which
seeds.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NoReturn

from pydantic import BeforeValidator, Field

from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.case import Case
from lstmbench.measure.suites.interface import KeyPath, Measured
from lstmbench.measure.suites.suite import ListOf, Number, Size, StrictModel, Threads, unknown_names
from lstmbench.training.tasks.task import tasks as known_tasks

if TYPE_CHECKING:
    from lstmbench.measure.process.worker_pool import WorkerPool

BASELINES = "baselines"
"""In place of a cell: the simple methods that a task must beat."""


@dataclass(frozen=True)
class TrainingWorkload:
    """What all rows of one comparison share: a task, a cell and a seed.

    Attributes:
        task: its name.
        sizes: those of the task that are not its own.
        recipe: what of the task's recipe is changed.
        cell: ``lstm``, ``rnn``, or ``baselines``.
        seed: of initial weights and of the order of batches.
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

    mode: ClassVar[str] = "training"  # what an implementation must offer

    @property
    def id(self) -> str:
        """A short name that is the same wherever the lesson is the same."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:12]

    @property
    def has_baselines(self) -> bool:
        """Whether it stands for the baselines of a task, of which none is trained."""
        return self.cell == BASELINES

    @property
    def work(self) -> float:
        """How long it takes, beside others of its run, as far as can be said before."""
        return 0.2 if self.has_baselines else 1.0

    def asked(self) -> dict[str, Any]:
        """Return what a worker needs to know."""
        return {
            "task": self.task, "sizes": dict(self.sizes), "recipe": dict(self.recipe), "cell": self.cell,
            "seed": self.seed,
        }  # fmt: skip

    def columns(self) -> dict[str, Any]:
        """Return the columns of a record that say what was asked for."""
        asked = {
            name: getattr(self, name)
            for name in ("task", "cell", "seed", "dtype", "device", "threads")
        }
        return asked | {
            "mode": "learning",
            "sizes": _text(self.sizes),
            "recipe": _text(self.recipe),
        }

    def __str__(self) -> str:
        sizes = f" ({_text(self.sizes)})" if self.sizes else ""
        return f"{self.task}{sizes}, {self.cell}, {self.dtype}, seed {self.seed}"


class RecipeChanges(StrictModel):
    """What of a task's recipe a suite changes, see ``lstmbench.training.tasks.task.Recipe``."""

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
    cells: ListOf[Literal["lstm", "rnn"]] = ["lstm"]
    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None


def _subject(value: Any) -> Any:
    return {"task": value} if isinstance(value, str) else value


class TrainingSuite(StrictModel):
    """What the file of a learning suite says."""

    description: str = ""
    implementations: ListOf[str] = ["numpy.fused", "torch.fused", "jax.fused"]
    tasks: ListOf[Annotated[TrainingGrid, BeforeValidator(_subject)]]
    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1
    dtype: ListOf[Literal["float32", "float64"]] = ["float32"]
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Threads = 1
    timeout_s: Annotated[Number, Field(gt=0, le=86_400)] = 600.0
    name: str = ""

    IDENTITY: ClassVar[tuple[str, ...]] = (
        "implementations", "tasks", "seeds", "dtype", "device", "threads",
    )  # fmt: skip

    def faults(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield each unknown implementation and task."""
        yield from unknown_names(self.implementations)
        for k, grid in enumerate(self.tasks):
            if grid.task not in known_tasks():
                known = ", ".join(known_tasks())
                yield ("tasks", k), f"there is no task {grid.task!r}; the tasks are {known}"

    def with_variants(self, labels: Sequence[str]) -> NoReturn:
        """Refuse: A/B compares times."""
        raise LstmbenchError(f"--ab needs a suite of workloads; {self.name!r} is a training suite.")

    def with_tasks(self, tasks: Sequence[str]) -> "TrainingSuite":
        """Return the suite with some of its tasks only.

        Raises:
            LstmbenchError: if it lacks one of them.
        """
        there = list(dict.fromkeys(subject.task for subject in self.tasks))
        if missing := [task for task in tasks if task not in there]:
            raise LstmbenchError(
                f"The suite {self.name!r} has no task {missing[0]!r}; it has {', '.join(there)}."
            )
        return self.model_copy(
            update={"tasks": [subject for subject in self.tasks if subject.task in tasks]}
        )

    def names(self) -> list[str]:
        """Return the implementations."""
        return list(dict.fromkeys(self.implementations))

    def count(self) -> int:
        """Return the number of cases without making them; the baselines of a task are one."""
        trained = sum(len(subject.cells) * (subject.seeds or self.seeds) for subject in self.tasks)
        return trained * len(self.dtype) * len(self.names()) + len(self.tasks)

    def workloads(self) -> list[TrainingWorkload]:
        """Return every lesson once, task by task, the baselines of each first."""
        return list(dict.fromkeys(self._lessons()))

    def cases(self) -> list[Case]:
        """Return every case, lesson by lesson."""
        lessons = [lesson for lesson in self.workloads() if not lesson.has_baselines]
        return [Case(name, lesson) for lesson in lessons for name in self.names()]

    def implementations_at(self, workload: TrainingWorkload) -> list[str]:
        """Return the implementations; the baselines of a task are rows of their own."""
        return ["baseline"] if workload.has_baselines else self.names()

    def measure(
        self, workload: TrainingWorkload, pool: "WorkerPool", seed: int, skip: str = ""
    ) -> Measured:
        """Train each implementation on a workload, or score the baselines of its task."""
        from lstmbench.measure.run_training import teach  # only runs need workers

        return (*teach(workload, self, pool, skip), [])

    def control_summary(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return that training runs have no controls."""
        noise_floor = "not measured: training runs are not timed side by side"
        return {"noise_floor": noise_floor, "failed": False, "rows": []}

    def _lessons(self) -> Iterator[TrainingWorkload]:
        for subject in self.tasks:
            sizes = tuple(sorted(subject.sizes.items()))
            recipe = tuple(sorted(subject.recipe.model_dump(exclude_none=True).items()))
            yield TrainingWorkload(subject.task, sizes, cell=BASELINES)
            for dtype in self.dtype:
                for cell in subject.cells:
                    for seed in range(subject.seeds or self.seeds):
                        yield TrainingWorkload(
                            subject.task,
                            sizes,
                            recipe,
                            cell,
                            seed,
                            dtype,
                            self.device,
                            self.threads,
                        )


def _text(pairs: tuple[tuple[str, Any], ...]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in pairs)
