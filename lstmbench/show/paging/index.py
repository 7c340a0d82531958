"""Writing: the tables, figures and page of a run, and the index of all runs. Writing again changes no byte."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.results.store import read_manifest, read_samples
from lstmbench.show.formats import slug
from lstmbench.show.labels import rows_of
from lstmbench.show.paging.pages import Summary, index_page, run_page
from lstmbench.show.provenance import suite_of
from lstmbench.show.tabulating.extract import read_shown, run_tables, statuses
from lstmbench.show.tabulating.learning import is_learning
from lstmbench.show.tabulating.machines import machine_tables

if TYPE_CHECKING:
    from lstmbench.show.drawing.figure import Figure


def write(folder: str | Path) -> Path:
    """Write ``tables/``, ``figures/`` and ``README.md`` of the run in ``folder``; return the README's path.

    Raises:
        LstmbenchError: if the folder holds no run, the run has no records yet, or it cannot be written to.
    """
    root = Path(folder)
    files, suite = _rendered(root)
    _guarded(root, lambda: _replace_all(root, files, suite))
    return root / "README.md"


def render(folder: str | Path) -> dict[str, bytes]:
    """Return what ``write`` writes, by its path within ``folder``; nothing is written.

    Raises:
        LstmbenchError: if the folder holds no run, or the run has no records yet.
    """
    return _rendered(Path(folder))[0]


def _rendered(root: Path) -> tuple[dict[str, bytes], str]:
    """Return the files, and how the names of the suite's own begin."""
    if not (root / "manifest.json").is_file():
        raise LstmbenchError(f"{root} is no run's folder: it has no manifest.json.")
    records, left_out = read_shown(root)
    manifest = records.attrs["manifest"]
    rows = rows_of(records)
    made = run_tables(root)
    drawn, remarks = (
        _drawn(root, records) if not left_out else ({}, [left_out, "Of so many cases no figures are drawn."])
    )

    files: dict[str, bytes] = {}
    for table in made:
        for end, text in (("md", table.markdown()), ("tex", table.latex()), ("csv", table.csv())):
            files[f"tables/{table.id}.{end}"] = text.encode()
    for name, figure in drawn.items():
        files[f"figures/{name}.svg"] = figure.svg().encode()
        files[f"figures/{name}.png"] = figure.png()
        files[f"figures/{name}.pdf"] = figure.pdf()
    copies = (path for end in ("ipynb", "html") for path in (root / "notebooks").glob(f"*.{end}"))
    notebooks = [path.name for path in sorted(copies, key=lambda path: (path.stem, path.suffix != ".ipynb"))]
    files["README.md"] = run_page(rows, statuses(root), manifest, made, drawn, remarks, notebooks).encode()
    return files, slug(suite_of(rows, [manifest]))


def _drawn(root: Path, records: pd.DataFrame) -> tuple[dict[str, "Figure"], list[str]]:
    from lstmbench.show.drawing.standard_figures import (
        standard_figures,
    )  # with Matplotlib, which those do without who draw nothing

    return standard_figures(records, samples=read_samples(root) if is_learning(records) else None)


def write_index(root: str | Path) -> Path:
    """Write the pages of a folder of runs, and return the path of ``README.md``.

    It lists all runs, newest first, with the newest one's ratios, and those of several machines side by side; in
    ``index.html`` a reader sorts, filters and plots.

    Raises:
        LstmbenchError: if there is no such folder, or it cannot be written to.
    """
    base = Path(root)
    pages = render_index(base)
    _guarded(base, lambda: _put_all(base, pages))
    return base / "README.md"


def render_index(root: str | Path) -> dict[str, bytes]:
    """Return what ``write_index`` writes, by the names of the files.

    Raises:
        LstmbenchError: if there is no such folder.
    """
    base = Path(root)
    if not base.is_dir():
        raise LstmbenchError(f"There is no folder {base}.")
    runs = [_summary(path) for path in newest_first(base)]
    newest = next((run.folder for run in runs if run.manifest.get("complete") and run.statuses.get("ok")), None)
    newest = newest or next((run.folder for run in runs if run.statuses), None)
    table = run_tables(base / newest)[0] if newest else None
    page = index_page(runs, newest, table, machine_tables(newest_first(base)))
    return {"README.md": page.encode(), "index.html": _interactive(base, runs).encode()}


def _interactive(base: Path, runs: list[Summary]) -> str:
    from lstmbench.show.paging.interactive import interactive_page  # its lines look as those that Matplotlib draws

    return interactive_page(base, runs)


def latest(root: str | Path) -> Path:
    """Return the folder of the newest run below ``root``, a finished one if there is one; ``root`` if it is a run.

    Raises:
        LstmbenchError: if there is none.
    """
    base = Path(root)
    if (base / "manifest.json").is_file():
        return base
    found = newest_first(base)
    finished = [path for path in found if _manifest(path).get("complete")]
    if not found:
        raise LstmbenchError(f"There is no run in {base}: no folder in it has a manifest.json.")
    return (finished or found)[0]


def newest_first(base: Path) -> list[Path]:
    """Return the folders of the runs in a folder; those whose manifest cannot be read come last."""
    folders = sorted((path.parent for path in base.glob("*/manifest.json")), key=lambda path: path.name)
    return sorted(folders, key=lambda path: str(_manifest(path).get("started", "")), reverse=True)


def _manifest(folder: Path) -> dict[str, object]:
    """Return a run's manifest; an empty one where it cannot be read."""
    try:
        return read_manifest(folder)
    except LstmbenchError:
        return {}


def _summary(folder: Path) -> Summary:
    try:
        return Summary(folder.name, read_manifest(folder), statuses(folder))
    except LstmbenchError as error:
        trouble = str(error).replace(f"{folder}{os.sep}", "")  # no path of this machine in the page
        return Summary(folder.name, _manifest(folder), {}, trouble)


def _put_all(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        _put(root / name, content)


def _replace_all(root: Path, files: dict[str, bytes], suite: str) -> None:
    _put_all(root, files)
    for path in _ours(root, suite):
        if f"{path.parent.name}/{path.name}" not in files:
            path.unlink()  # left by an earlier rendering of other records


def _ours(root: Path, suite: str) -> Iterable[Path]:
    for folder, ends in (("tables", ("md", "tex", "csv")), ("figures", ("svg", "png", "pdf"))):
        for end in ends:
            yield from (root / folder).glob(f"{suite}-*.{end}")


def _put(path: Path, content: bytes) -> None:
    """Write the file in one step, unless it holds that already."""
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, lambda temporary: temporary.write_bytes(content))


def _guarded(folder: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise LstmbenchError(f"{folder} cannot be written to: {error.strerror}.") from None
