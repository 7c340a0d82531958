"""A suite is data, read from YAML: which implementations, over which grid of workloads, within which budget."""

import itertools
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from lstmbench.cell.registry import find_name, names
from lstmbench.errors import LstmbenchError
from lstmbench.measure.case import Case, Workload
from lstmbench.measure.inputs import HOURS
from lstmbench.measure.yaml_file import YamlFile

MOST_CASES = 100_000


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is expected, and true and false are none")
    return value


Number = Annotated[float, BeforeValidator(_no_bool)]
Size = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Threads = Annotated[int, Field(strict=True, ge=1, le=1024)]
Sizes = Annotated[list[Size], BeforeValidator(_listed), Field(min_length=1)]
Names = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(_Strict):
    """The product of lists; a single value stands for a list of one."""

    seq_len: Sizes
    batch_size: Sizes
    hidden_size: Sizes
    input_size: Annotated[list[Size | Literal["hidden_size"]], BeforeValidator(_listed), Field(min_length=1)] = [
        "hidden_size"
    ]
    mode: Annotated[list[Literal["inference", "training"]], BeforeValidator(_listed), Field(min_length=1)] = [
        "inference",
        "training",
    ]
    dtype: Annotated[list[Literal["float32", "float64", "bfloat16"]], BeforeValidator(_listed), Field(min_length=1)] = [
        "float32"
    ]
    num_layers: Sizes = [1]
    bidirectional: Annotated[list[StrictBool], BeforeValidator(_listed), Field(min_length=1)] = [False]
    lengths: Annotated[list[Literal["full", "staggered"]], BeforeValidator(_listed), Field(min_length=1)] = ["full"]
    device: Annotated[list[Literal["cpu", "cuda"]], BeforeValidator(_listed), Field(min_length=1)] = ["cpu"]
    threads: Annotated[list[Threads], BeforeValidator(_listed), Field(min_length=1)] = [1]
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
        for device, threads, dtype, mode, lengths, both, L, B, H, features, T in itertools.product(*self.axes):
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


class Budget(_Strict):
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


class Suite(_Strict):
    """What a suite's file says."""

    description: str = ""
    implementations: Literal["all"] | Names = "all"
    reference: str = "torch.nn"
    grids: Annotated[list[Grid], Field(min_length=1)]
    budget: Budget = Budget()
    name: str = ""

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


def suites() -> dict[str, Path]:
    """Return the suites that come with the package, by name."""
    folder = Path(str(files("lstmbench") / "measure" / "suites"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_suite(suite: str | Path) -> Suite:
    """Read a suite by its name, or from a YAML file.

    Raises:
        LstmbenchError: if there is no such suite, or the file is not a suite: the sentence names the file, the line
            and the key, and says what was expected.
    """
    known = suites()
    path = known.get(str(suite), Path(suite))
    if not _is_file(path):
        there = ", ".join(known)
        raise LstmbenchError(f"There is no suite {str(suite)!r}: it is neither one of {there}, nor a YAML file.")
    file = YamlFile(path)
    if not isinstance(file.content, dict):
        raise LstmbenchError(f"The suite {path} must be a mapping with the key 'grids', but it is not a mapping.")
    if "name" in file.content:
        raise file.error(("name",), "a suite's name is that of its file")
    try:
        found = Suite.model_validate(file.content | {"name": path.stem})
    except ValidationError as error:
        faults = error.errors(include_url=False)  # of a union's members, the one that the value came nearest to
        first = max(faults, key=lambda fault: (len(fault["loc"]), fault["type"] != "literal_error"))
        raise file.error(_where(first), _problem(first)) from None
    _check(found, file)
    return found


def _check(found: Suite, file: YamlFile) -> None:
    """Refuse what no single key is to blame for.

    Raises:
        LstmbenchError: if an implementation is not known, or the reference not among them; if there are too many
            cases (they are counted, not made); if a grid asks for what the series does not have.
    """
    chosen = [] if found.implementations == "all" else found.implementations
    where: dict[tuple[Any, ...], str] = {("reference",): found.reference}
    for key, name in ({("implementations", k): name for k, name in enumerate(chosen)} | where).items():
        try:
            find_name(name)
        except LstmbenchError as error:
            raise file.error(key, str(error)) from None
    if chosen and found.reference not in chosen:
        there = ", ".join(chosen)
        raise file.error(("reference",), f"{found.reference!r} must be one of the implementations, {there}")
    if found.count() > MOST_CASES:
        raise LstmbenchError(f"The suite {file.path} has {found.count():,} cases; at most {MOST_CASES:,} are taken.")
    for k, grid in enumerate(found.grids):
        if grid.input == "temperatures" and grid.input_size != [1]:
            raise file.error(("grids", k, "input_size"), "with input 'temperatures' it must be 1: it is one series")
        if grid.input == "temperatures" and max(grid.seq_len) > HOURS:
            raise file.error(("grids", k, "seq_len"), f"the series 'temperatures' has no more than {HOURS:,} steps")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that must not be looked into
        return False


def _where(error: Any) -> tuple[Any, ...]:
    """Return where in the document an error of pydantic's is, without the names that it gives to types."""
    keys = {*Suite.model_fields, *Grid.model_fields, *Budget.model_fields}
    where = [part for part in error["loc"][:-1] if isinstance(part, int) or part in keys]
    last = error["loc"][-1:]
    named = error["type"] in ("missing", "extra_forbidden", "invalid_key")
    return (*where, *(part for part in last if named or isinstance(part, int) or part in keys))


def _problem(error: Any) -> str:
    """Return what is wrong and what was expected, in words that need no knowledge of pydantic."""
    if error["type"] == "extra_forbidden":
        sections: dict[str, type[_Strict]] = {"grids": Grid, "budget": Budget}
        model = sections.get(error["loc"][0], Suite) if len(error["loc"]) > 1 else Suite
        keys = ", ".join(key for key in model.model_fields if key != "name")
        return f"there is no such key; the keys here are {keys}"
    plain = {"missing": "it is missing", "too_short": "it is empty", "model_type": "a mapping is expected"}
    message = error["msg"].removeprefix("Value error, ")
    return plain.get(error["type"], message[0].lower() + message[1:])
