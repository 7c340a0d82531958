"""A suite is data: which implementations, over which grid of workloads, within which budget."""

import itertools
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from lstmbench.core.registry import names
from lstmbench.measure.suites.case import Case, Workload


def listed(value: Any) -> Any:
    """Return a list as it is, and anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is expected, and true and false are none")
    return value


Number = Annotated[float, BeforeValidator(_no_bool)]
Size = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Threads = Annotated[int, Field(strict=True, ge=1, le=1024)]
Sizes = Annotated[list[Size], BeforeValidator(listed), Field(min_length=1)]
Dtype = Literal["float32", "float64", "bfloat16", "float16", "tf32"]
Names = Annotated[list[str], BeforeValidator(listed), Field(min_length=1)]


class StrictModel(BaseModel):
    """What a suite's file says: no other keys, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(StrictModel):
    """The product of lists; a single value stands for a list of one."""

    seq_len: Sizes
    batch_size: Sizes
    hidden_size: Sizes
    input_size: Annotated[
        list[Size | Literal["hidden_size"]], BeforeValidator(listed), Field(min_length=1)
    ] = ["hidden_size"]
    mode: Annotated[
        list[Literal["inference", "training"]], BeforeValidator(listed), Field(min_length=1)
    ] = [
        "inference",
        "training",
    ]
    dtype: Annotated[list[Dtype], BeforeValidator(listed), Field(min_length=1)] = ["float32"]
    num_layers: Sizes = [1]
    bidirectional: Annotated[list[StrictBool], BeforeValidator(listed), Field(min_length=1)] = [
        False
    ]
    lengths: Annotated[
        list[Literal["full", "staggered"]], BeforeValidator(listed), Field(min_length=1)
    ] = ["full"]
    device: Annotated[
        list[Literal["cpu", "cuda"]], BeforeValidator(listed), Field(min_length=1)
    ] = ["cpu"]
    threads: Annotated[list[Threads], BeforeValidator(listed), Field(min_length=1)] = [1]
    input: Literal["random", "temperatures"] = "random"

    @property
    def axes(self) -> list[list[Any]]:
        """The lists whose product the grid is, the slowest first."""
        return [
            self.device,
            self.threads,
            self.dtype,
            self.mode,
            self.lengths,
            self.bidirectional,
            self.num_layers,
            self.batch_size,
            self.hidden_size,
            self.input_size,
            self.seq_len,
        ]

    def workloads(self) -> Iterator[Workload]:
        """Yield the workloads, sequence length running fastest."""
        for device, threads, dtype, mode, lengths, both, L, B, H, features, T in itertools.product(
            *self.axes
        ):
            yield Workload(
                mode=mode,
                batch_size=B,
                seq_len=T,
                input_size=H if features == "hidden_size" else features,
                hidden_size=H,
                num_layers=L,
                bidirectional=both,
                lengths=lengths,
                dtype=dtype,
                device=device,
                threads=threads,
                input=self.input,
            )


class Budget(StrictModel):
    """How much measuring a case gets."""

    processes: Annotated[int, Field(strict=True, ge=1, le=100)] = 8
    min_rounds: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 3
    seconds_per_case: Annotated[Number, Field(gt=0, le=3600)] = 3.0
    turn_s: Annotated[Number, Field(gt=0, le=60)] = 0.02
    timeout_s: Annotated[Number, Field(gt=0, le=86_400)] = 120.0
    precision: Annotated[Number, Field(gt=0, lt=1)] = 0.02

    @property
    def share_s(self) -> float:
        """The seconds that a case gets in each process."""
        return self.seconds_per_case / self.processes


class Suite(StrictModel):
    """What a suite's file says."""

    description: str = ""
    implementations: Literal["all"] | Names = "all"
    reference: str = "torch.nn"
    grids: Annotated[list[Grid], Field(min_length=1)]
    budget: Budget = Budget()
    name: str = ""

    SAME: ClassVar[tuple[str, ...]] = ("implementations", "reference", "grids", "budget")
    """What two runs must share to be one."""

    def count(self) -> int:
        """Return the number of cases without making them."""
        workloads = 0
        for grid in self.grids:
            product = 1
            for axis in grid.axes:
                product *= len(axis)
            workloads += product
        return workloads * len(self.names())

    def of(self, names: list[str]) -> "Suite":
        """Return the suite with other implementations, of which the first is the reference."""
        return self.model_copy(update={"implementations": names, "reference": names[0]})

    def names(self) -> list[str]:
        """Return the implementations, the reference among them, without importing a framework."""
        chosen = names() if self.implementations == "all" else self.implementations
        return list(dict.fromkeys(chosen))

    def workloads(self) -> list[Workload]:
        """Return every workload once, in the order of the grids."""
        return list(dict.fromkeys(workload for grid in self.grids for workload in grid.workloads()))

    def cases(self) -> list[Case]:
        """Return every case, workload by workload."""
        return [Case(name, workload) for workload in self.workloads() for name in self.names()]
