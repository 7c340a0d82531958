"""Read suites from YAML files: those that come with the package, and the user's own."""

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.interface import AnySuite, KeyPath
from lstmbench.measure.suites.timing_suite import Budget, Grid, StrictModel, TimingSuite
from lstmbench.measure.suites.training_suite import RecipeChanges, TrainingGrid, TrainingSuite
from lstmbench.measure.suites.yaml_file import YamlFile

SECTIONS: Mapping[str, type[StrictModel]] = {
    "grids": Grid, "budget": Budget, "tasks": TrainingGrid, "recipe": RecipeChanges,
}  # fmt: skip
"""The keys with mappings below them, and what these contain."""
MAX_CASES = 100_000
"""More than a run could measure: a grid of so many was not intended."""


def suites() -> dict[str, Path]:
    """Return the suites that come with the package, by name."""
    folder = Path(str(files("lstmbench") / "measure" / "suites"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_suite(suite: str | Path) -> TimingSuite | TrainingSuite:
    """Read a suite by its name, or from a YAML file. A file with the key ``tasks`` is for training.

    Raises:
        LstmbenchError: if there is no such suite or the file is not a valid one; the message names
            the file, the line and the key, and says what was expected.
    """
    known = suites()
    path = known.get(str(suite), Path(suite))
    if not os.path.isfile(path):
        raise LstmbenchError(
            f"There is no suite {str(suite)!r}: it is neither one of {', '.join(known)}, "
            "nor a YAML file."
        )
    file = YamlFile(path)
    if not isinstance(file.content, dict):
        raise LstmbenchError(
            f"The suite {path} is not a mapping; it must be one with the key 'grids' or 'tasks'."
        )
    if "name" in file.content:
        raise file.error(("name",), "remove it; the name of a suite is that of its file")
    suite_type = _suite_type(file.content)
    try:
        loaded = suite_type.model_validate(file.content | {"name": path.stem})
    except ValidationError as error:
        faults = error.errors(include_url=False)
        # Of a union's members, report the one that the value came nearest to
        first = max(faults, key=lambda fault: (len(fault["loc"]), fault["type"] != "literal_error"))
        raise file.error(_key_path(first, file.content), _problem(first, suite_type)) from None
    for key, problem in loaded.faults():
        raise file.error(key, problem)
    _check_count(loaded, path)
    return loaded


def stored_suite(manifest: Mapping[str, Any], folder: Path) -> TimingSuite | TrainingSuite:
    """Return the suite in the manifest of the run in ``folder``.

    Raises:
        LstmbenchError: if it holds none that can be measured.
    """
    content = manifest.get("suite")
    try:
        suite = _suite_type(content).model_validate(content)
    except ValidationError:
        raise LstmbenchError(
            f"The manifest in {folder} holds no suite that can be measured here."
        ) from None
    _check_count(suite, folder)
    return suite


def _suite_type(content: Any) -> type[TimingSuite] | type[TrainingSuite]:
    return TrainingSuite if isinstance(content, dict) and "tasks" in content else TimingSuite


def _check_count(suite: AnySuite, path: Path) -> None:
    if (count := suite.count()) > MAX_CASES:
        raise LstmbenchError(
            f"The suite {path} has {count:,} cases; at most {MAX_CASES:,} are allowed."
        )


def _key_path(fault: Any, content: Any) -> KeyPath:
    """Return where a fault is in the document, without the names that pydantic gives to types."""
    path = []
    for part in fault["loc"]:
        with suppress(LookupError, TypeError):  # it is the name of a type, or a missing key
            content = content[part]
            path.append(part)
    return (*path, *fault["loc"][-1:]) if fault["type"] == "missing" else tuple(path)


def _problem(fault: Any, model: type[StrictModel]) -> str:
    """Return what is wrong and what was expected, without pydantic's terms.

    Args:
        fault: one of pydantic's.
        model: the type of the suite.
    """
    if fault["type"] == "extra_forbidden":
        for part in fault["loc"][:-1]:
            model = SECTIONS.get(part, model)
        keys = ", ".join(key for key in model.model_fields if key != "name")
        return f"there is no such key; the keys here are {keys}"
    plain = {
        "missing": "it is missing",
        "too_short": "it is empty",
        "model_type": "expected a mapping",
    }
    message = fault["msg"].removeprefix("Value error, ")
    return plain.get(fault["type"], message[0].lower() + message[1:])
