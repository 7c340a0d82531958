"""Citations of a table and of this software: BibTeX, a piece of LaTeX, Markdown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lstmbench import __version__
from lstmbench.errors import LstmbenchError
from lstmbench.report import provenance
from lstmbench.report.number_format import latex, slug
from lstmbench.report.tables.extract import run_tables
from lstmbench.report.tables.table import Table
from lstmbench.results.runs import newest_first
from lstmbench.results.store import read_manifest

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
"""BibTeX's own names of the months."""


def cite(table: str, results: str | Path) -> dict[str, str]:
    """Return how to cite a table, by format: ``bibtex``, ``latex``, ``markdown``.

    Args:
        table: its id, such as ``quick-ratio``.
        results: a run's folder, or a folder of runs; the newest run that has the table counts, a
            finished one first.

    Raises:
        LstmbenchError: if no run has it.
    """
    folder, cited = _find(table, Path(results))
    manifest = read_manifest(folder)
    key = f"{cited.id}-{cited.content_hash}"
    software = slug(_software()["title"].partition(":")[0])
    return {
        "bibtex": _of_software(software, manifest) + "\n" + _of_table(key, cited, manifest),
        "latex": (
            "% needs \\usepackage{booktabs,longtable,lscape}, and this file beside the document: "
            f"{_file(folder, cited)}\n"
            f"\\input{{{cited.id}}}\n"
            f"Table~\\ref{{tab:{cited.id}}} is from~\\cite{{{key}}}, made with~\\cite{{{software}}}.\n"
        ),
        "markdown": cited.markdown(),
    }


def _find(table: str, results: Path) -> tuple[Path, Table]:
    runs = [results] if (results / "manifest.json").is_file() else newest_first(results)
    if not runs:
        raise LstmbenchError(f"There is no run in {results}: no folder in it has a manifest.json.")
    known: dict[str, None] = {}
    for folder in sorted(runs, key=_unfinished):  # in each half the newest stay first
        try:
            tables = {candidate.id: candidate for candidate in run_tables(folder)}
        except LstmbenchError:  # such as a run without records; another may have the table
            continue
        if table in tables:
            return folder, tables[table]
        known |= dict.fromkeys(tables)
    raise LstmbenchError(
        f"There is no table {table!r} in {results}; the tables are {', '.join(known) or 'none'}."
    )


def _unfinished(folder: Path) -> bool:
    try:
        return not read_manifest(folder).get("complete")
    except LstmbenchError:
        return True


def _software() -> dict[str, Any]:
    """Return the content of CITATION.cff: a wheel has it in the package, a checkout beside the
    package."""
    package = Path(__file__).resolve().parents[1]
    path = next(
        path
        for path in (package / "CITATION.cff", package.parent / "CITATION.cff")
        if path.is_file()
    )
    citation: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return citation


def _of_software(key: str, manifest: Mapping[str, Any]) -> str:
    about = _software()
    version = str(provenance.part(manifest, "packages").get("lstmbench") or __version__)
    released = str(about.get("date-released") or "")[:4] if version == about["version"] else ""
    fields = {"author": _authors(about), "title": f"{{{_bib(about['title'])}}}", "year": released}
    fields |= {"version": _bib(version), "note": f"Version {_bib(version)}"} | _address(about)
    return _entry(key, fields)


def _of_table(key: str, table: Table, manifest: Mapping[str, Any]) -> str:
    about = _software()
    date = provenance.date(manifest)
    year, _, rest = date.partition("-")
    month = (
        MONTHS[int(rest[:2]) - 1]
        if year.isdigit() and rest[:2].isdigit() and 0 < int(rest[:2]) <= 12
        else ""
    )
    identity, *lines = table.footer
    origin = [line for line in lines if line.startswith(("Run ", "Machine: ", "Versions: "))]
    fields = {
        "author": _authors(about),
        "title": f"{{Table {_bib(table.id)}: {_bib(table.caption.partition('. ')[0])}}}",
        "year": year if year.isdigit() else "",
        "month": month,
        "note": " ".join(
            _bib(line) for line in [identity.partition(", ")[2].capitalize(), *origin]
        ),
    }
    return _entry(key, fields | _address(about), bare=("month",))


def _authors(about: Mapping[str, Any]) -> str:
    """Return the authors: people as BibTeX writes them, a group's name in braces."""
    names = []
    for author in about["authors"]:
        person = ", ".join(
            str(author[part]) for part in ("family-names", "given-names") if part in author
        )
        names.append(_bib(person) if person else f"{{{_bib(author['name'])}}}")
    return " and ".join(names)


def _address(about: Mapping[str, Any]) -> dict[str, str]:
    url = about.get("url") or about.get("repository-code") or ""
    return {"doi": str(about.get("doi") or ""), "url": str(url)}


def _entry(key: str, fields: Mapping[str, str], bare: tuple[str, ...] = ()) -> str:
    lines = [
        f"  {name} = {text if name in bare else f'{{{text}}}'},\n"
        for name, text in fields.items()
        if text
    ]
    return f"@misc{{{key},\n{''.join(lines)}}}\n"


def _bib(text: object) -> str:
    """Return text for a field of BibTeX, which counts braces, escaped or not."""
    return latex(text).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")


def _file(folder: Path, table: Table) -> str:
    return f"{folder.as_posix()}/tables/{table.id}.tex"
