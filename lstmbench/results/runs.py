"""Find runs: their folders, newest first."""

from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.results.store import find_runs, read_manifest, run_folders


def manifest_or_empty(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run; an empty one if it cannot be read."""
    try:
        return read_manifest(folder)
    except LstmbenchError:
        return {}


def newest_first(root: Path) -> list[Path]:
    """Return the folders of the runs below ``root``; those with unreadable manifests come last."""
    return sorted(run_folders(root), key=_start, reverse=True)


def latest(root: str | Path) -> Path:
    """Return the folder of the newest run below ``root``, or ``root`` if that is a run.

    A finished run goes before an unfinished one.

    Raises:
        LstmbenchError: if there is none.
    """
    runs = sorted(find_runs(root), key=_start, reverse=True)
    return next((run for run in runs if manifest_or_empty(run).get("complete")), runs[0])


def _start(folder: Path) -> str:
    return str(manifest_or_empty(folder).get("started", ""))
