"""The manifest of a run: how it came about, and what its workloads showed."""

import random
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.suites.interface import AnySuite
from lstmbench.results.store import is_run, read_manifest

KEYS = {"seed", "complete", "environments", "controls", "run_id"}
STATISTICS = "moderated t of Hodges-Lehmann estimates"
"""What the manifest calls the estimates and intervals of its records."""
CONTROL_KEYS = {"noise_floor", "failed"}


def read_run_manifest(folder: Path, suite: AnySuite, seed: int | None) -> dict[str, Any]:
    """Return the manifest of a run of this suite and seed, or {} if the folder has none.

    Raises:
        LstmbenchError: if the folder holds something else.
    """
    if not is_run(folder):
        return {}
    manifest, content = read_manifest(folder), suite.model_dump(mode="json")
    nested = all(
        isinstance(manifest.get(key), dict) for key in ("suite", "environments", "controls")
    )
    if not nested or not set(manifest) >= KEYS or not set(manifest["controls"]) >= CONTROL_KEYS:
        raise LstmbenchError(
            f"The manifest in {folder} is not that of a run; choose another folder."
        )
    stored = manifest["suite"]
    if any(stored.get(key) != content[key] for key in suite.IDENTITY):
        raise LstmbenchError(
            f"{folder} holds the results of another suite, {stored.get('name')!r}; "
            "choose another folder."
        )
    if seed not in (None, manifest["seed"]):
        raise LstmbenchError(
            f"{folder} holds results of the seed {manifest['seed']}, not of {seed}; "
            "choose another folder."
        )
    return manifest


def new_manifest(
    suite: AnySuite,
    arguments: Sequence[str],
    folder: Path,
    seed: int | None,
    machine: Mapping[str, Any],
    load_average: float | None,
) -> dict[str, Any]:
    """Return the manifest of a run that begins.

    Args:
        suite: what is measured.
        arguments: those of ``lstmbench run``, without ``--out`` and ``--seed``.
        folder: the results folder.
        seed: None to draw one.
        machine: the description of the machine that measures.
        load_average: its load, None if unknown.
    """
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    words = ["lstmbench", "run", *map(_without_root, arguments)]
    words += ["--out", _without_root(folder), "--seed", str(seed)]
    started = now()
    suffix = random.SystemRandom().randrange(16**6)
    return {
        "run_id": f"{suite.name}-{timestamp(started)}-{suffix:06x}",
        "suite": suite.model_dump(mode="json"),
        "seed": seed,
        "started": started,
        "finished": None,
        "complete": False,
        "command": shlex.join(words),
        "git": environment.git(),
        "machine": machine,
        "python": sys.version.split()[0],
        "packages": environment.packages(),
        "load_at_start": load_average,
        "statistics": STATISTICS,
        "environments": {},
        "controls": suite.control_summary([]),
    }


def add_notes(
    manifest: dict[str, Any], suite: AnySuite, notes: Sequence[Mapping[str, Any]]
) -> None:
    """Add the environments and the controls of workloads to the manifest; earlier ones stay."""
    for note in notes:
        manifest["environments"] |= note["environments"]
    rows = chain(manifest["controls"].get("rows", []), *(note["controls"] for note in notes))
    latest = {(row["workload"], row["control"]): row for row in rows}
    manifest["controls"] = suite.control_summary(list(latest.values()))


def now() -> str:
    """Return the time in the manifest's format, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp(time: str) -> str:
    """Return a time as ``now`` gives it without signs that are awkward in the names of files."""
    return re.sub("[-:]", "", time)


def is_ab(manifest: Mapping[str, Any]) -> bool:
    """Return whether this is the manifest of an A/B comparison."""
    return "--ab" in str(manifest.get("command")).split()


def _without_root(path: str | Path) -> str:
    """Return a path without private folders: relative to here, or its last part only."""
    path, here = Path(path), Path.cwd()
    if not path.is_absolute():
        return str(path)
    return str(path.relative_to(here)) if path.is_relative_to(here) else path.name
