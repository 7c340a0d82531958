"""A suite is data, read from YAML: which implementations, over which grid of workloads, within which budget."""

import itertools
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lstmbench.cell.registry import find_name, names
from lstmbench.errors import LstmbenchError
from lstmbench.measure.case import Case, Workload

MOST_CASES = 100_000


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Size = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
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
    dtype: Annotated[list[Literal["float32", "float64", "bfloat16"]], BeforeValidator(_listed)] = ["float32"]
    device: Annotated[list[Literal["cpu", "cuda"]], BeforeValidator(_listed)] = ["cpu"]
    threads: Annotated[list[Annotated[int, Field(strict=True, ge=1, le=1024)]], BeforeValidator(_listed)] = [1]
    input: Literal["random", "temperatures"] = "random"

    @property
    def axes(self) -> list[list[Any]]:
        """The lists whose product the grid is, the slowest first."""
        return [
            self.device,
            self.threads,
            self.dtype,
            self.mode,
            self.batch_size,
            self.hidden_size,
            self.input_size,
            self.seq_len,
        ]

    def workloads(self) -> Iterator[Workload]:
        """Yield the workloads, sequence length running fastest."""
        for device, threads, dtype, mode, B, H, features, T in itertools.product(*self.axes):
            yield Workload(
                mode=mode,
                batch_size=B,
                seq_len=T,
                input_size=H if features == "hidden_size" else features,
                hidden_size=H,
                dtype=dtype,
                device=device,
                threads=threads,
                input=self.input,
            )


class Budget(_Strict):
    """How much measuring a case gets."""

    processes: Annotated[int, Field(strict=True, ge=1, le=100)] = 5
    min_rounds: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 3
    seconds_per_case: Annotated[float, Field(gt=0, le=3600)] = 3.0
    turn_s: Annotated[float, Field(gt=0, le=60)] = 0.02
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    precision: Annotated[float, Field(gt=0, lt=1)] = 0.02


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
    if not path.is_file():
        there = ", ".join(known)
        raise LstmbenchError(f"There is no suite {str(suite)!r}: it is neither one of {there}, nor a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise LstmbenchError(f"The suite {path} cannot be read: {error}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not valid YAML"
        raise LstmbenchError(f"The suite {path}{line} is not valid YAML: {problem}.") from None
    if not isinstance(content, dict):
        raise LstmbenchError(f"The suite {path} must be a mapping with the key 'grids', but it is not a mapping.")
    try:
        found = Suite.model_validate(content | {"name": path.stem})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = tuple(part for part in first["loc"] if not (isinstance(part, str) and _is_type_tag(part)))
        key = ".".join(str(part) for part in where)
        raise LstmbenchError(
            f"The suite {path}, line {_line(root, where)}, key {key!r}: {first['msg'][0].lower()}{first['msg'][1:]}."
        ) from None
    for name in [found.reference, *([] if found.implementations == "all" else found.implementations)]:
        try:
            find_name(name)
        except LstmbenchError as error:
            raise LstmbenchError(f"The suite {path}: {error}") from None
    if found.implementations != "all" and found.reference not in found.implementations:
        raise LstmbenchError(
            f"The suite {path}, key 'reference': {found.reference!r} must be one of its implementations, "
            f"{', '.join(found.implementations)}."
        )
    if found.count() > MOST_CASES:
        raise LstmbenchError(f"The suite {path} has {found.count():,} cases; at most {MOST_CASES:,} are taken.")
    for grid in found.grids:
        if grid.input == "temperatures" and grid.input_size != [1]:
            raise LstmbenchError(
                f"The suite {path}: with input 'temperatures', input_size must be 1: it is one series."
            )
    return found


def _is_type_tag(part: str) -> bool:
    """Tell whether pydantic put this part of a location there to name a member of a union."""
    return "[" in part or part in ("int", "str", "float")


def _line(node: Any, where: tuple[Any, ...]) -> int:
    """Return the line of the innermost part of the document that the location leads to, counted from 1."""
    line = node.start_mark.line + 1
    for part in where:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
            if not pairs:
                break
            line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return int(line)
