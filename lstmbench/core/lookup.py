"""Modules that core uses and does not name: they lie above it, and ``lstmbench/__init__.py`` says where.

So imports go one way. A module is imported when it is first asked for.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

packages: dict[str, str] = {}
"""Where backends, interop and variants lie, as names of packages."""


def module(package: str, name: str) -> Any:
    """Import a module of one of these packages."""
    return import_module(f"{packages[package]}.{name}")


def modules(package: str) -> list[str]:
    """Return the names of its public modules, sorted; none of them is imported."""
    (folder,) = import_module(packages[package]).__path__
    return sorted(path.stem for path in Path(folder).glob("[!_]*.py"))
