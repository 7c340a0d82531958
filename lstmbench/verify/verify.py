"""From a folder of results to what is wrong with it; nothing in it is written."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.report.labels import Row, rows_of
from lstmbench.report.page.index import render, render_index
from lstmbench.results.store import read_manifest, read_results, read_samples
from lstmbench.verify.check_measured import check_csv, check_files, check_manifest
from lstmbench.verify.check_rendered import Render, check_rendered
from lstmbench.verify.check_samples import check_samples
from lstmbench.verify.difference import difference
from lstmbench.verify.finding import Finding, sentence


def verify(folder: str | Path, render: Render = render) -> list[Finding]:
    """Return all that is wrong with a run, or with a folder of runs and its index; empty if nothing
    is.

    Sums are checked, records held against their CSV, manifest and samples, and tables, figures and
    pages rendered again and compared byte for byte.

    Args:
        folder: of one run, or of runs.
        render: what makes the files of a run, by their names; one who verifies the same run often
            may keep them.

    Raises:
        LstmbenchError: if there are no results in the folder.
    """
    root = Path(folder)
    if any((root / name).is_file() for name in ("manifest.json", "records.parquet")):
        return list(_verify_run(root, render))
    runs = sorted(path for path in root.glob("[!.]*") if path.is_dir())
    if not any(
        (run / name).is_file() for run in runs for name in ("manifest.json", "records.parquet")
    ):
        raise LstmbenchError(
            f"There are no results in {root}: it has no manifest.json, nor has a folder in it."
        )
    found = [finding.within(run.name) for run in runs for finding in _verify_run(run, render)]
    return [*found, *verify_index(root)]


def verify_index(root: Path) -> Iterator[Finding]:
    """Yield what is wrong with the pages of a folder of runs, and the files in it that are of no
    run.
    """
    pages = render_index(root)
    for name, right in pages.items():
        if not (root / name).is_file():
            yield Finding(name, "missing; 'lstmbench table' makes it.")
        elif (there := (root / name).read_bytes()) != right:
            yield Finding(name, difference(there, right))
    for path in sorted(root.glob("[!.]*")):
        if path.is_file() and path.name not in pages:
            yield Finding(path.name, "an extra file, which is of no run.")


def _verify_run(folder: Path, render: Render) -> Iterator[Finding]:
    """Yield what is wrong, causes before what follows from them."""
    try:
        manifest = read_manifest(folder)
    except LstmbenchError as error:
        yield from check_files(folder, {})
        if (folder / "manifest.json").is_file():  # that it is missing was said
            yield Finding("manifest.json", sentence(error, folder), "unverifiable")
        return
    if not manifest.get("complete") or (folder / "parts").is_dir():
        yield Finding(
            "manifest.json", "the run is not finished: its command goes on with it.", "unverifiable"
        )
        return
    yield from check_files(folder, manifest)
    if not (folder / "records.parquet").is_file():
        return
    try:
        records = read_results(folder)
        rows = rows_of(records)
    except LstmbenchError as error:
        yield Finding("records.parquet", sentence(error, folder), "unverifiable")
        return
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "records.csv": lambda: check_csv(folder, records),
        "records.parquet": lambda: check_manifest(rows, manifest),
        "samples.parquet": lambda: _check_samples(folder, rows, manifest),
        "README.md": lambda: check_rendered(folder, manifest, render),
    }
    for where, check in checks.items():
        try:
            yield from check()
        except LstmbenchError as error:
            yield Finding(where, sentence(error, folder), "unverifiable")
        except (
            Exception
        ) as error:  # records are foreign: whatever stands in them, the other checks go on
            what = f"cannot be verified: {type(error).__name__}: {sentence(error, folder)}"
            yield Finding(where, what, "unverifiable")


def _check_samples(folder: Path, rows: list[Row], manifest: Mapping[str, Any]) -> Iterator[Finding]:
    if (folder / "samples.parquet").is_file():  # that it is missing was said
        yield from check_samples(rows, read_samples(folder), manifest)
