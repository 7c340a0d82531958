"""Imports by name of the packages above core: backends, interop and variants.

``lstmbench/__init__.py`` says where they are, so that core names no package above it. A module is
imported when it is first used.
"""

from importlib import import_module
from typing import Any

packages: dict[str, str] = {}
"""The full names of the packages ``backends``, ``interop`` and ``variants``."""


def module(package: str, name: str) -> Any:
    """Import a module of one of these packages."""
    return import_module(f"{packages[package]}.{name}")


def module_names(package: str) -> list[str]:
    """Return the names of the package's public modules, sorted, without importing them."""
    from pkgutil import iter_modules  # here, so that ``import lstmbench`` stays quick

    modules = iter_modules(import_module(packages[package]).__path__)
    return sorted(
        name for _, name, is_package in modules if not (is_package or name.startswith("_"))
    )
