"""A suite is data: which implementations, over which grid of workloads, within which budget."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from lstmbench.core.registry import check_name, names
from lstmbench.errors import LstmbenchError
from lstmbench.measure import controls
from lstmbench.measure.inputs import HOURS
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.measure.suites.interface import KeyPath, Measured

if TYPE_CHECKING:
    from lstmbench.measure.process.worker_pool import WorkerPool

T = TypeVar("T")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number, got a boolean")
    return value


ListOf = Annotated[list[T], BeforeValidator(_as_list), Field(min_length=1)]
"""A list; a single value stands for a list of one."""
Number = Annotated[float, BeforeValidator(_no_bool)]
Size = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Threads = Annotated[int, Field(strict=True, ge=1, le=1024)]
Dtype = Literal["float32", "float64", "bfloat16", "float16", "tf32"]


class StrictModel(BaseModel):
    """Part of a suite's file: unknown keys are refused, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def unknown_names(
    implementations: Sequence[str], reference: str | None = None
) -> Iterator[tuple[KeyPath, str]]:
    """Yield the key and the message of each name that no implementation has."""
    names: dict[KeyPath, str] = {("implementations", k): n for k, n in enumerate(implementations)}
    if reference is not None:
        names["reference",] = reference
    for path, name in names.items():
        try:
            check_name(name)
        except LstmbenchError as error:
            yield path, str(error)


class Grid(StrictModel):
    """Workloads: the product of all lists."""

    seq_len: ListOf[Size]
    batch_size: ListOf[Size]
    hidden_size: ListOf[Size]
    input_size: ListOf[Size | Literal["hidden_size"]] = ["hidden_size"]
    mode: ListOf[Literal["inference", "training"]] = ["inference", "training"]
    dtype: ListOf[Dtype] = ["float32"]
    num_layers: ListOf[Size] = [1]
    bidirectional: ListOf[StrictBool] = [False]
    lengths: ListOf[Literal["full", "staggered"]] = ["full"]
    device: ListOf[Literal["cpu", "cuda"]] = ["cpu"]
    threads: ListOf[Threads] = [1]
    input: Literal["random", "temperatures"] = "random"

    AXES: ClassVar[tuple[str, ...]] = (
        "device", "threads", "dtype", "mode", "lengths", "bidirectional",
        "num_layers", "batch_size", "hidden_size", "input_size", "seq_len",
    )  # fmt: skip
    """The lists whose product the grid is, the slowest first."""

    def count(self) -> int:
        """Return the number of workloads without creating them."""
        return math.prod(len(getattr(self, name)) for name in self.AXES)

    def workloads(self) -> Iterator[Workload]:
        """Yield the workloads; the sequence length changes fastest."""
        for values in itertools.product(*(getattr(self, name) for name in self.AXES)):
            fields = dict(zip(self.AXES, values, strict=True)) | {"input": self.input}
            if fields["input_size"] == "hidden_size":
                fields["input_size"] = fields["hidden_size"]
            yield Workload(**fields)


class Budget(StrictModel):
    """How long and how often a case is measured.

    Attributes:
        processes: the minimum number of processes.
        min_rounds: the minimum number of rounds in each.
        seconds_per_case: wall time for all processes, from their start; the minimum may take more.
        turn_s: the duration of a turn; a round has two.
        timeout_s: the maximum wait for one answer of a worker.
        precision: the half-width of a ratio's interval that is narrow enough, as a fraction.
    """

    processes: Annotated[int, Field(strict=True, ge=1, le=100)] = 8
    min_rounds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 2
    seconds_per_case: Annotated[Number, Field(gt=0, le=3600)] = 4.0
    turn_s: Annotated[Number, Field(gt=0, le=60)] = 0.004
    timeout_s: Annotated[Number, Field(gt=0, le=86_400)] = 120.0
    precision: Annotated[Number, Field(gt=0, lt=1)] = 0.02

    @property
    def seconds_per_process(self) -> float:
        """The share of the seconds of a case that each process may use."""
        return self.seconds_per_case / self.processes


class TimingSuite(StrictModel):
    """A suite of time, memory and accuracy; see ``AnySuite`` for its methods."""

    description: str = ""
    implementations: Literal["all"] | ListOf[str] = "all"
    reference: str = "torch.nn"
    grids: Annotated[list[Grid], Field(min_length=1)]
    budget: Budget = Budget()
    name: str = ""

    IDENTITY: ClassVar[tuple[str, ...]] = ("implementations", "reference", "grids", "budget")

    def faults(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield each key whose value does not fit the others, and why."""
        listed = [] if self.implementations == "all" else self.implementations
        yield from unknown_names(listed, self.reference)
        if listed and self.reference not in listed:
            known = ", ".join(listed)
            yield ("reference",), f"{self.reference!r} must be one of the implementations, {known}"
        for k, grid in enumerate(self.grids):
            if grid.input != "temperatures":
                continue
            if grid.input_size != [1]:
                problem = "it must be 1 with input 'temperatures', which is a single series"
                yield ("grids", k, "input_size"), problem
            if max(grid.seq_len) > HOURS:
                problem = f"the series 'temperatures' has only {HOURS:,} steps"
                yield ("grids", k, "seq_len"), problem

    def with_variants(self, labels: Sequence[str]) -> "TimingSuite":
        """Return the suite of an A/B comparison; the first variant is the reference."""
        return self.model_copy(update={"implementations": [*labels], "reference": labels[0]})

    def with_tasks(self, tasks: Sequence[str]) -> NoReturn:
        """Refuse: only training suites have tasks."""
        raise LstmbenchError(f"--task needs a training suite; {self.name!r} has no tasks.")

    def names(self) -> list[str]:
        """Return the implementations, including the reference, without importing a framework."""
        chosen = names() if self.implementations == "all" else self.implementations
        return list(dict.fromkeys(chosen))

    def count(self) -> int:
        """Return the number of cases without creating them."""
        return sum(grid.count() for grid in self.grids) * len(self.names())

    def workloads(self) -> list[Workload]:
        """Return every workload once, in the order of the grids."""
        return list(dict.fromkeys(workload for grid in self.grids for workload in grid.workloads()))

    def cases(self, workload: Workload) -> list[Case]:
        """Return the cases of one workload: all implementations."""
        return [Case(name, workload) for name in self.names()]

    def measure(
        self, workload: Workload, pool: "WorkerPool", seed: int, skip: str = ""
    ) -> Measured:
        """Measure a workload's implementations side by side."""
        from lstmbench.measure.workload_session import measure_workload  # only runs need workers

        return measure_workload(workload, self, pool, seed, skip)

    def control_summary(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what the controls of a run showed."""
        return controls.summary(rows)
