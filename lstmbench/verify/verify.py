"""Verify a folder of results; nothing in it is written."""

from collections.abc import Callable, Iterator
from pathlib import Path

from lstmbench.errors import LstmbenchError
from lstmbench.report.labels import rows_of
from lstmbench.report.page.write_report import render, render_index
from lstmbench.results.store import is_run, read_manifest, read_results, read_samples
from lstmbench.verify.check_files import check_csv, check_files, check_manifest
from lstmbench.verify.check_rendered import Render, check_rendered
from lstmbench.verify.check_samples import check_samples
from lstmbench.verify.difference import difference
from lstmbench.verify.finding import Finding, unverifiable


def verify(folder: str | Path, render: Render = render) -> list[Finding]:
    """Return all that is wrong with a run, or with a folder of runs and its index.

    Checksums are verified, records are compared with their CSV, manifest and samples, and tables,
    figures and pages are rendered again and compared byte by byte.

    Args:
        folder: of one run, or of runs.
        render: returns the files of a run by name; to verify one run often, give one that caches.

    Raises:
        LstmbenchError: if there are no results in the folder.
    """
    root = Path(folder)
    if _has_results(root):
        return list(_verify_run(root, render))
    folders = sorted(path for path in root.glob("[!.]*") if path.is_dir())
    if not any(map(_has_results, folders)):
        problem = "neither it nor a folder in it has a manifest.json"
        raise LstmbenchError(f"There are no results in {root}: {problem}.")
    findings = [found.within(run.name) for run in folders for found in _verify_run(run, render)]
    return [*findings, *verify_index(root)]


def verify_index(root: Path) -> Iterator[Finding]:
    """Yield what is wrong with the pages of a folder of runs, and files that are of no run."""
    pages = render_index(root)
    for name, expected in pages.items():
        if not (root / name).is_file():
            yield Finding(name, "missing; 'lstmbench table' makes it.")
        elif (actual := (root / name).read_bytes()) != expected:
            yield Finding(name, difference(actual, expected))
    for path in sorted(root.glob("[!.]*")):
        if path.is_file() and path.name not in pages:
            yield Finding(path.name, "an extra file, which is of no run.")


def _has_results(folder: Path) -> bool:
    return is_run(folder) or (folder / "records.parquet").is_file()


def _verify_run(folder: Path, render: Render) -> Iterator[Finding]:
    """Yield what is wrong, causes before consequences; the first check finds missing files."""
    try:
        manifest = read_manifest(folder)
    except LstmbenchError as error:
        yield from check_files(folder, {})
        if is_run(folder):
            yield unverifiable("manifest.json", error, folder)
        return
    if not manifest.get("complete") or (folder / "parts").is_dir():
        what = "the run is not finished: its command goes on with it."
        yield Finding("manifest.json", what, "unverifiable")
        return
    yield from check_files(folder, manifest)
    if not (folder / "records.parquet").is_file():
        return
    try:
        records = read_results(folder)
        rows = rows_of(records)
    except LstmbenchError as error:
        yield unverifiable("records.parquet", error, folder)
        return
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "records.csv": lambda: check_csv(folder, records),
        "records.parquet": lambda: check_manifest(rows, manifest),
        "samples.parquet": lambda: check_samples(rows, read_samples(folder), manifest),
        "README.md": lambda: check_rendered(folder, manifest, render),
    }
    if not (folder / "samples.parquet").is_file():
        del checks["samples.parquet"]
    for where, check in checks.items():
        try:
            yield from check()
        except LstmbenchError as error:
            yield unverifiable(where, error, folder)
        except Exception as error:  # whatever is in a record, the other checks go on
            prefix = f"cannot be verified: {type(error).__name__}: "
            yield unverifiable(where, error, folder, prefix)
