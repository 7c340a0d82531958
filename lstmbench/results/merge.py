"""The runs of several machines in one folder: each keeps its own folder, and nothing there is
overwritten.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lstmbench.errors import LstmbenchError
from lstmbench.results.store import read_manifest, read_results, read_samples
from lstmbench.results.checksums import sum_of


@dataclass(frozen=True)
class Merged:
    """One run that was given, and the folder in which it is now.

    Attributes:
        run_id: of the run.
        source: where it was found.
        folder: where it is.
        copied: whether it was copied there; it was there already if not.
    """

    run_id: str
    source: Path
    folder: Path
    copied: bool


def merge(folders: Sequence[str | Path], out: str | Path) -> list[Merged]:
    """Copy runs into one folder of runs. The same run twice is one run.

    Args:
        folders: each a run's folder, or a folder of runs.
        out: where they go; what is there already stays.

    Raises:
        LstmbenchError: if one of them holds no run, a run is not finished or cannot be read, two of
            the same id are not the same, or it cannot be written; but for the last, nothing has
            been copied then.
    """
    root = Path(out)
    if (root / "manifest.json").is_file():
        raise LstmbenchError(f"{root} is a run's folder itself; runs are brought together in a folder of runs.")
    known = dict(_there(root))
    sources: dict[str, Path] = {}
    for folder in _runs(folders):
        run_id = _checked(folder)
        other = sources.setdefault(run_id, known.get(run_id, folder))
        if other != folder and _digest(other) != _digest(folder):
            raise LstmbenchError(
                f"{folder} and {other} both say that they are the run {run_id}, but they hold other records."
            )
    return [_put(run_id, folder, known.get(run_id), root) for run_id, folder in sources.items()]


def _there(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the runs that a folder holds; what cannot be read there is none of ours."""
    for path in sorted(root.glob("*/manifest.json")):
        try:
            yield str(read_manifest(path.parent).get("run_id")), path.parent
        except LstmbenchError:
            continue


def _runs(folders: Iterable[str | Path]) -> Iterator[Path]:
    """Yield the folders of runs, of those that were given or directly below them."""
    for given in map(Path, folders):
        alone = (given / "manifest.json").is_file()
        found = [given] if alone else sorted(path.parent for path in given.glob("*/manifest.json"))
        if not found:
            raise LstmbenchError(f"There is no run in {given}: neither it nor a folder in it has a manifest.json.")
        yield from found


def _checked(folder: Path) -> str:
    """Return the id of a run that is finished and can be read.

    Raises:
        LstmbenchError: if it is not one.
    """
    manifest, records = read_manifest(folder), read_results(folder)
    read_samples(folder)
    run_id = manifest.get("run_id")
    if not isinstance(run_id, str) or not run_id:
        raise LstmbenchError(f"The manifest in {folder} has no run_id.")
    if not manifest.get("complete") or (folder / "parts").exists() or not (folder / "records.parquet").is_file():
        raise LstmbenchError(f"The run in {folder} is not finished: its command goes on where it stopped.")
    others = {str(other) for other in records["run_id"].unique()} - {run_id}
    if others:
        raise LstmbenchError(f"The records in {folder} are of the run {min(others)}, and its manifest of {run_id}.")
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    if links:
        raise LstmbenchError(f"{links[0]} is a link: a run is brought together with others as files only.")
    return run_id


def _digest(folder: Path) -> list[str]:
    """Return what makes a run that run: the hashes of its records and samples."""
    paths = (folder / f"{kind}.parquet" for kind in ("records", "samples"))
    return [sum_of(path) if path.is_file() else "" for path in paths]


def _put(run_id: str, source: Path, there: Path | None, root: Path) -> Merged:
    """Copy a run, unless it is there: under a name that means nothing, and then to its own in one
    step.
    """
    if there is not None:
        return Merged(run_id, source, there, copied=False)
    try:
        root.mkdir(parents=True, exist_ok=True)
        target = _free(root, source.resolve().name, run_id)
        with tempfile.TemporaryDirectory(dir=root, prefix=".merging-") as scratch:
            copy = shutil.copytree(source, Path(scratch) / "run")
            copy.rename(target)
    except (OSError, shutil.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise LstmbenchError(f"The run in {source} cannot be copied to {root}: {reason}.") from None
    return Merged(run_id, source, target, copied=True)


def _free(root: Path, name: str, run_id: str) -> Path:
    """Return a folder that is not there yet: by the name of the source, or by the run's id."""
    own = re.sub(r"[^A-Za-z0-9.-]+", "-", run_id).strip("-.")[:100] or "run"
    names = [name, own, *(f"{own}-{k}" for k in range(2, 1000))]
    return next(path for path in (root / each for each in names) if not path.exists() and not path.is_symlink())
