"""Merge runs of several machines into one folder of runs."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lstmbench.errors import LstmbenchError, os_error_reason
from lstmbench.results.checksums import file_sha256
from lstmbench.results.runs import manifest_or_empty
from lstmbench.results.store import (
    find_runs,
    is_run,
    read_manifest,
    read_results,
    read_samples,
    run_folders,
)


@dataclass(frozen=True)
class MergedRun:
    """A run, and its folder among the merged ones.

    Attributes:
        run_id: the run's id.
        source: the folder that was given.
        folder: the folder in which it is now.
        copied: whether it was copied there; if not, it was there before.
    """

    run_id: str
    source: Path
    folder: Path
    copied: bool


def merge(folders: Sequence[str | Path], out: str | Path) -> list[MergedRun]:
    """Copy runs into one folder of runs. The same run given twice is copied once.

    Args:
        folders: each a run's folder, or a folder of runs.
        out: the folder to copy to; nothing in it is overwritten.

    Raises:
        LstmbenchError: if a folder has no run, a run is unfinished or cannot be read, two runs of
            the same id have different records (nothing is copied then), or copying fails.
    """
    root = Path(out)
    if is_run(root):
        raise LstmbenchError(f"{root} is a run's folder itself. Merge into a folder of runs.")
    ids = {run: manifest_or_empty(run).get("run_id") for run in run_folders(root)}
    present = {str(run_id): run for run, run_id in ids.items() if run_id}
    sources: dict[str, Path] = {}
    for folder in map(Path, folders):
        for run in find_runs(folder):
            run_id = _check_mergeable(run)
            other = sources.setdefault(run_id, present.get(run_id, run))
            if other != run and _digests(other) != _digests(run):
                problem = f"both have the run id {run_id}, but different records"
                raise LstmbenchError(f"{run} and {other} {problem}.")
    return [
        MergedRun(run_id, source, present[run_id], copied=False)
        if run_id in present
        else MergedRun(run_id, source, _copy(source, root, run_id), copied=True)
        for run_id, source in sources.items()
    ]


def _check_mergeable(folder: Path) -> str:
    """Return the id of a finished, readable run.

    Raises:
        LstmbenchError: if it is not one.
    """
    manifest, records = read_manifest(folder), read_results(folder)
    read_samples(folder)
    run_id = manifest.get("run_id")
    if not isinstance(run_id, str) or not run_id:
        raise LstmbenchError(f"The manifest in {folder} has no run_id.")
    has_records = (folder / "records.parquet").is_file()
    if not manifest.get("complete") or (folder / "parts").exists() or not has_records:
        advice = "run its command again to finish it"
        raise LstmbenchError(f"The run in {folder} is not finished: {advice}.")
    others = {str(other) for other in records["run_id"].unique()} - {run_id}
    if others:
        problem = f"are of the run {min(others)}, but its manifest is of {run_id}"
        raise LstmbenchError(f"The records in {folder} {problem}.")
    if link := next((path for path in folder.rglob("*") if path.is_symlink()), None):
        raise LstmbenchError(f"{link} is a link, but only files can be merged. Replace it.")
    return run_id


def _digests(folder: Path) -> list[str]:
    """Return the checksums of a run's records and samples."""
    paths = (folder / f"{kind}.parquet" for kind in ("records", "samples"))
    return [file_sha256(path) if path.is_file() else "" for path in paths]


def _copy(source: Path, root: Path, run_id: str) -> Path:
    """Copy a run under a temporary name, rename it in one step, and return its new folder."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        target = _unused_folder(root, source.resolve().name, run_id)
        with tempfile.TemporaryDirectory(dir=root, prefix=".merging-") as scratch:
            shutil.copytree(source, Path(scratch) / "run").rename(target)
    except (OSError, shutil.Error) as error:
        reason = os_error_reason(error)
        raise LstmbenchError(f"The run in {source} cannot be copied to {root}: {reason}.") from None
    return target


def _unused_folder(root: Path, name: str, run_id: str) -> Path:
    """Return a new folder, named like the source, or after the run's id if that exists."""
    safe_id = re.sub(r"[^A-Za-z0-9.-]+", "-", run_id).strip("-.")[:100] or "run"
    paths = (root / name for name in [name, safe_id, *(f"{safe_id}-{k}" for k in range(2, 1000))])
    return next(path for path in paths if not path.exists() and not path.is_symlink())
