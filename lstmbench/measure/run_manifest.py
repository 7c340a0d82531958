"""The manifest of a run: how it came about, what is learnt from its workloads, and whether it may
go on.
"""

import random
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.measure import controls, environment
from lstmbench.measure.suites.suite import Suite
from lstmbench.measure.suites.training_suite import TrainingSuite
from lstmbench.results import machine_identity
from lstmbench.results.store import read_manifest

NO_CONTROLS = {
    "noise_floor": "not measured: lessons are not timed side by side",
    "failed": False,
    "rows": [],
}
SHOWN = {"noise_floor", "failed"}
KEYS = {"seed", "complete", "environments", "controls", "run_id"}


def manifest_of(folder: Path, suite: Suite | TrainingSuite, seed: int | None) -> dict[str, Any]:
    """Return the manifest of a run that may go on, or an empty one if there is none.

    Raises:
        LstmbenchError: if the folder holds something else.
    """
    if not (folder / "manifest.json").is_file():
        return {}
    manifest, content = read_manifest(folder), suite.model_dump(mode="json")
    nested = all(
        isinstance(manifest.get(key), dict) for key in ("suite", "environments", "controls")
    )
    if not nested or not set(manifest) >= KEYS or not set(manifest["controls"]) >= SHOWN:
        raise LstmbenchError(
            f"The manifest in {folder} is not that of a run; choose another folder."
        )
    before = manifest["suite"]
    if any(before.get(key) != content[key] for key in suite.SAME):
        raise LstmbenchError(
            f"{folder} holds the results of another suite, {before.get('name')!r}; choose another folder."
        )
    if seed not in (None, manifest["seed"]):
        raise LstmbenchError(
            f"{folder} holds results of the seed {manifest['seed']}, not of {seed}; choose another folder."
        )
    return manifest


def stays_on_its_machine(manifest: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with a run on another kind of machine than it was begun on: its manifest
    describes one.

    Raises:
        LstmbenchError: if the processor, the number of cores or a GPU is another.
    """
    before, here = manifest.get("machine"), environment.machine()
    if isinstance(before, dict) and machine_identity.machines_differ(before, here):
        raise LstmbenchError(
            f"The run in {folder} was begun on another machine, {machine_identity.describe_machine(before)}, and this is "
            f"{machine_identity.describe_machine(here)}: choose another folder, and put both together with lstmbench merge."
        )


def new_manifest(
    suite: Suite | TrainingSuite,
    asked: list[str],
    folder: Path,
    seed: int | None,
    machine: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the manifest of a run that begins; ``machine`` is what measures, None if it is this
    one.
    """
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    command = [
        "lstmbench",
        "run",
        *map(_without_root, asked),
        "--out",
        _without_root(folder),
        "--seed",
        str(seed),
    ]
    started = now()
    return {
        "run_id": f"{suite.name}-{re.sub('[-:]', '', started)}-{random.SystemRandom().randrange(16**6):06x}",
        "suite": suite.model_dump(mode="json"),
        "seed": seed,
        "started": started,
        "finished": None,
        "complete": False,
        "command": shlex.join(command),
        "git": environment.git(),
        "machine": machine or environment.machine(),
        "python": sys.version.split()[0],
        "packages": environment.packages(),
        "load_at_start": None if machine else environment.load_average(),
        "environments": {},
        "controls": controls.summary([]) if isinstance(suite, Suite) else NO_CONTROLS,
    }


def _without_root(path: str | Path) -> str:
    """Return a path as it may be published: as it is if it is relative, else from here, or its last
    part alone.
    """
    path, here = Path(path), Path.cwd()
    if not path.is_absolute():
        return str(path)
    return str(path.relative_to(here)) if path.is_relative_to(here) else path.name


def now() -> str:
    """Return the time as a manifest has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tell(
    manifest: dict[str, Any], suite: Suite | TrainingSuite, learnt: Sequence[Mapping[str, Any]]
) -> None:
    """Put into the manifest what was learnt from workloads; what it says of them already stays."""
    for each in learnt:
        manifest["environments"] |= each["environments"]
    if isinstance(suite, Suite):
        told = [
            *manifest["controls"].get("rows", []),
            *(row for each in learnt for row in each["controls"]),
        ]
        rows = {(row["workload"], row["control"]): row for row in told}
        manifest["controls"] = controls.summary(list(rows.values()))
