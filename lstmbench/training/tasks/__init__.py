"""What LSTMs are used for: one module per task, which names its class ``TASK``.

Data are generated, or come with installed packages; nothing is downloaded.
"""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, cast

from lstmbench.errors import LstmbenchError
from lstmbench.training.task import Task


def task_names() -> list[str]:
    """Return the names of all tasks, sorted; none of them is imported."""
    return sorted(module.name for module in iter_modules(__path__) if not module.ispkg)


def task_class(name: str) -> type[Task]:
    """Return the class of a task.

    Raises:
        LstmbenchError: if the task is unknown, or the package with its data is not installed.
    """
    if name not in (known := task_names()):
        raise LstmbenchError(f"Unknown task {name!r}; the tasks are {', '.join(known)}.")
    try:
        return cast(type[Task], import_module(f"{__name__}.{name}").TASK)
    except ModuleNotFoundError as error:
        raise LstmbenchError(
            f"The task {name!r} needs the package {error.name}, which is not installed."
        ) from None


def describe_task(name: str) -> dict[str, Any]:
    """Return name, question, metric and sizes; ``reason`` says why it is unavailable, or is ""."""
    row = {"name": name, "question": "", "metric": "", "sizes": {}, "reason": ""}
    try:
        cls = task_class(name)
    except LstmbenchError as error:
        return row | {"reason": str(error)}
    return row | {"question": cls.question, "metric": cls.metric.name, "sizes": _sizes(cls)}


def make_task(name: str, sizes: Mapping[str, Any] | None = None) -> Task:
    """Return a task; ``sizes`` replaces some of its default sizes.

    Raises:
        LstmbenchError: as ``task_class``; or if a size is unknown or not a positive whole number.
    """
    cls, sizes = task_class(name), sizes or {}
    known = _sizes(cls)
    for key, value in sizes.items():
        if key not in known:
            raise LstmbenchError(
                f"The task {name!r} has no size {key!r}; its sizes are {', '.join(known)}."
            )
        if type(value) is not int or value < 1:
            raise LstmbenchError(
                f"The size {key!r} of the task {name!r} must be a positive whole number, "
                f"but it is {value!r}."
            )
    return cls(**sizes)


def _sizes(cls: type[Task]) -> dict[str, int]:
    """Return the default sizes of a task."""
    return {field.name: cast(int, field.default) for field in fields(cls)}  # type: ignore[arg-type]
