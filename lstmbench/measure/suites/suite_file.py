"""Suites are read from YAML files: some come with the package, the others are the users' own."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lstmbench.core.registry import check_name
from lstmbench.errors import LstmbenchError
from lstmbench.measure.inputs import HOURS
from lstmbench.measure.suites.suite import Budget, Grid, StrictModel, Suite
from lstmbench.measure.suites.training_suite import RecipeChanges, TrainingGrid, TrainingSuite
from lstmbench.measure.suites.yaml_file import YamlFile
from lstmbench.training.tasks.task import tasks

MAX_CASES = 100_000


def suites() -> dict[str, Path]:
    """Return the suites that come with the package, by name."""
    folder = Path(str(files("lstmbench") / "measure" / "suites"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_suite(suite: str | Path) -> Suite | TrainingSuite:
    """Read a suite by its name, or from a YAML file. With the key ``tasks`` it is a suite of
    lessons.

    Raises:
        LstmbenchError: if there is no such suite, or the file is not a suite: the sentence names
            the file, the line and the key, and says what was expected.
    """
    known = suites()
    path = known.get(str(suite), Path(suite))
    if not _is_file(path):
        there = ", ".join(known)
        raise LstmbenchError(
            f"There is no suite {str(suite)!r}: it is neither one of {there}, nor a YAML file."
        )
    file = YamlFile(path)
    if not isinstance(file.content, dict):
        raise LstmbenchError(
            f"The suite {path} must be a mapping with the key 'grids' or 'tasks', but it is not a mapping."
        )
    if "name" in file.content:
        raise file.error(("name",), "a suite's name is that of its file")
    kind = TrainingSuite if "tasks" in file.content else Suite
    try:
        found: Suite | TrainingSuite = kind.model_validate(file.content | {"name": path.stem})
    except ValidationError as error:
        faults = error.errors(
            include_url=False
        )  # of a union's members, the one that the value came nearest to
        first = max(faults, key=lambda fault: (len(fault["loc"]), fault["type"] != "literal_error"))
        raise file.error(_where(first), _problem(first)) from None
    _check_names(found, file)
    if isinstance(found, Suite):
        _check_grids(found, file)
    _check_count(found, path)
    return found


def stored_suite(manifest: Mapping[str, Any], folder: Path) -> Suite | TrainingSuite:
    """Return the suite that a run's manifest holds; ``folder`` is where it is.

    Raises:
        LstmbenchError: if it holds none that can be measured.
    """
    content = manifest.get("suite")
    kind = TrainingSuite if isinstance(content, dict) and "tasks" in content else Suite
    try:
        found: Suite | TrainingSuite = kind.model_validate(content)
    except ValidationError:
        raise LstmbenchError(
            f"The manifest in {folder} holds no suite that can be measured here."
        ) from None
    _check_count(found, folder)
    return found


def _check_count(found: Suite | TrainingSuite, path: Path) -> None:
    if found.count() > MAX_CASES:  # counted, not made
        raise LstmbenchError(
            f"The suite {path} has {found.count():,} cases; at most {MAX_CASES:,} are taken."
        )


def _check_names(found: Suite | TrainingSuite, file: YamlFile) -> None:
    """Refuse implementations and tasks that there are not.

    Raises:
        LstmbenchError: if there is one.
    """
    chosen = [] if found.implementations == "all" else found.implementations
    names: dict[tuple[Any, ...], str] = {
        ("implementations", k): name for k, name in enumerate(chosen)
    }
    if isinstance(found, Suite):
        names |= {("reference",): found.reference}
    for key, name in names.items():
        try:
            check_name(name)
        except LstmbenchError as error:
            raise file.error(key, str(error)) from None
    if isinstance(found, TrainingSuite):
        for k, subject in enumerate(found.tasks):
            if subject.task not in tasks():
                raise file.error(
                    ("tasks", k),
                    f"there is no task {subject.task!r}; the tasks are {', '.join(tasks())}",
                )
    elif chosen and found.reference not in chosen:
        there = ", ".join(chosen)
        raise file.error(
            ("reference",), f"{found.reference!r} must be one of the implementations, {there}"
        )


def _check_grids(found: Suite, file: YamlFile) -> None:
    """Refuse grids that ask for what a series does not have.

    Raises:
        LstmbenchError: if one does.
    """
    for k, grid in enumerate(found.grids):
        if grid.input == "temperatures" and grid.input_size != [1]:
            raise file.error(
                ("grids", k, "input_size"),
                "with input 'temperatures' it must be 1: it is one series",
            )
        if grid.input == "temperatures" and max(grid.seq_len) > HOURS:
            raise file.error(
                ("grids", k, "seq_len"),
                f"the series 'temperatures' has no more than {HOURS:,} steps",
            )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that must not be looked into
        return False


def _where(error: Any) -> tuple[Any, ...]:
    """Return where in the document an error of pydantic's is, without the names that it gives to
    types.
    """
    models = (Suite, Grid, Budget, TrainingSuite, TrainingGrid, RecipeChanges)
    keys = {key for model in models for key in model.model_fields}
    where = [part for part in error["loc"][:-1] if isinstance(part, int) or part in keys]
    last = error["loc"][-1:]
    named = error["type"] in ("missing", "extra_forbidden", "invalid_key")
    return (*where, *(part for part in last if named or isinstance(part, int) or part in keys))


def _problem(error: Any) -> str:
    """Return what is wrong and what was expected, in words that need no knowledge of pydantic."""
    if error["type"] == "extra_forbidden":
        sections: dict[str, type[StrictModel]] = {"grids": Grid, "budget": Budget}
        model = sections.get(error["loc"][0], Suite) if len(error["loc"]) > 1 else Suite
        keys = ", ".join(key for key in model.model_fields if key != "name")
        return f"there is no such key; the keys here are {keys}"
    plain = {
        "missing": "it is missing",
        "too_short": "it is empty",
        "model_type": "a mapping is expected",
    }
    message = error["msg"].removeprefix("Value error, ")
    return plain.get(error["type"], message[0].lower() + message[1:])
