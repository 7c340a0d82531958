"""Writes the tables, figures and page of a run, and the pages of all runs.

Writing them again changes no byte.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.report.labels import rows_of
from lstmbench.report.number_format import slug
from lstmbench.report.page.readme_pages import Summary, executed_notebooks, index_page, run_page
from lstmbench.report.provenance import suite_of
from lstmbench.report.tables.machines import machine_tables
from lstmbench.report.tables.shown_records import (
    read_shown,
    run_tables,
    shown_tables,
    statuses,
)
from lstmbench.report.tables.training_tables import is_training_run
from lstmbench.results.runs import manifest_or_empty, newest_first
from lstmbench.results.store import is_run, read_manifest, read_samples

FORMATS: Final = {"tables": (".md", ".tex", ".csv"), "figures": (".svg", ".png", ".pdf")}


def write(folder: str | Path) -> Path:
    """Write ``tables/``, ``figures/`` and ``README.md`` of a run, and return the README's path.

    Raises:
        LstmbenchError: if the folder holds no run, it has no records yet, or it cannot be written
            to.
    """
    root = Path(folder)
    files, suite = _render_run(root)
    present = {
        path
        for kind, ends in FORMATS.items()
        for end in ends
        for path in (root / kind).glob(f"{suite}-*{end}")
    }
    _save(root, files, outdated=present - {root / name for name in files})
    return root / "README.md"


def render(folder: str | Path) -> dict[str, bytes]:
    """Return what ``write`` writes, by its path within ``folder``; nothing is written.

    Raises:
        LstmbenchError: if the folder holds no run, or the run has no records yet.
    """
    return _render_run(Path(folder))[0]


def _render_run(root: Path) -> tuple[dict[str, bytes], str]:
    """Return the files, and how the names of the tables and figures among them begin."""
    if not is_run(root):
        raise LstmbenchError(f"{root} holds no run: it has no manifest.json.")
    records, left_out = read_shown(root)
    manifest = records.attrs["manifest"]
    rows = rows_of(records)
    tables = shown_tables(records, left_out)
    if not left_out:
        # Matplotlib is loaded only where there is something to draw
        from lstmbench.report.figures.standard_figures import standard_figures

        samples = read_samples(root) if is_training_run(records) else None
        figures, remarks = standard_figures(records, samples)
    else:
        figures, remarks = {}, [left_out, "Of so many cases no figures are drawn."]
    files: dict[str, bytes] = {}
    for table in tables:
        texts = (table.markdown(), table.latex(), table.csv())
        for end, text in zip(FORMATS["tables"], texts, strict=True):
            files[f"tables/{table.id}{end}"] = text.encode()
    for name, figure in figures.items():
        images = (figure.svg().encode(), figure.png(), figure.pdf())
        for end, image in zip(FORMATS["figures"], images, strict=True):
            files[f"figures/{name}{end}"] = image
    page = run_page(
        rows, statuses(root), manifest, tables, figures, remarks, executed_notebooks(root)
    )
    return files | {"README.md": page.encode()}, slug(suite_of(rows, [manifest]))


def write_index(root: str | Path) -> Path:
    """Write the pages of a folder of runs, and return the path of ``README.md``.

    It lists all runs, newest first, with the ratios of the newest run, and those of several
    machines side by side. In ``index.html`` a reader sorts, filters and plots.

    Raises:
        LstmbenchError: if there is no such folder, or it cannot be written to.
    """
    _save(Path(root), render_index(root))
    return Path(root) / "README.md"


def render_index(root: str | Path) -> dict[str, bytes]:
    """Return what ``write_index`` writes, by the names of the files.

    Raises:
        LstmbenchError: if there is no such folder.
    """
    # It takes its colours from the figures, which load Matplotlib
    from lstmbench.report.page.results_page import results_page

    base = Path(root)
    if not base.is_dir():
        raise LstmbenchError(f"There is no folder {base}.")
    folders = newest_first(base)
    runs = [_summary(path) for path in folders]
    whole = [run for run in runs if run.manifest.get("complete") and run.statuses.get("ok")]
    newest = next((run.folder for run in (*whole, *runs) if run.statuses), None)
    table = run_tables(base / newest)[0] if newest else None
    page = index_page(runs, newest, table, machine_tables(folders))
    return {"README.md": page.encode(), "index.html": results_page(base, runs).encode()}


def _summary(folder: Path) -> Summary:
    try:
        return Summary(folder.name, read_manifest(folder), statuses(folder))
    except LstmbenchError as error:
        trouble = str(error).replace(f"{folder}{os.sep}", "")  # no path of this machine in the page
        return Summary(folder.name, manifest_or_empty(folder), {}, trouble)


def _save(root: Path, files: Mapping[str, bytes], outdated: Iterable[Path] = ()) -> None:
    """Write the files that are not there yet, each in one step, and delete the outdated ones."""
    try:
        for name, content in files.items():
            if not (root / name).is_file() or (root / name).read_bytes() != content:
                write_atomically(root / name, content)
        for path in outdated:
            path.unlink()
    except OSError as error:
        raise LstmbenchError(f"{root} cannot be written to: {error.strerror}.") from None
