"""Citations of a table and of this software in BibTeX, LaTeX and Markdown."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lstmbench import __version__
from lstmbench.errors import LstmbenchError
from lstmbench.report import provenance
from lstmbench.report.number_format import latex, slug
from lstmbench.report.tables.shown_records import run_tables, table_named
from lstmbench.report.tables.table import Table
from lstmbench.results.runs import manifest_or_empty, newest_first
from lstmbench.results.store import is_run, read_manifest

_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
MONTHS = {f"{number:02}": name for number, name in enumerate(_NAMES.split(), 1)}
"""BibTeX's macro for each month."""


def cite(table: str, results: str | Path) -> dict[str, str]:
    """Return how to cite a table, by format: ``bibtex``, ``latex``, ``markdown``.

    Args:
        table: its id, such as ``quick-ratio``.
        results: a run's folder, or a folder of runs, of which the newest with the table counts;
            finished runs go before unfinished ones.

    Raises:
        LstmbenchError: if no run has it.
    """
    folder, cited = _find(table, Path(results))
    manifest = read_manifest(folder)
    key = f"{cited.id}-{cited.content_hash}"
    software = slug(_software()["title"].partition(":")[0])
    file = f"{folder.as_posix()}/tables/{cited.id}.tex"
    return {
        "bibtex": _cite_software(software, manifest) + "\n" + _cite_table(key, cited, manifest),
        "latex": (
            "% needs \\usepackage{booktabs,longtable,lscape}, and this file beside the document: "
            f"{file}\n\\input{{{cited.id}}}\n"
            f"Table~\\ref{{tab:{cited.id}}} is from~\\cite{{{key}}}, "
            f"made with~\\cite{{{software}}}.\n"
        ),
        "markdown": cited.markdown(),
    }


def _find(table: str, results: Path) -> tuple[Path, Table]:
    """Return the run that has the table, and the table."""
    runs = [results] if is_run(results) else newest_first(results)
    if not runs:
        raise LstmbenchError(f"There is no run in {results}: no folder in it has a manifest.json.")
    known: list[Table] = []
    for folder in sorted(runs, key=lambda run: not manifest_or_empty(run).get("complete")):
        try:
            known += run_tables(folder)
        except LstmbenchError:  # such as a run without records; another may have the table
            continue
        if table in {candidate.id for candidate in known}:
            break
    return folder, table_named(table, known, results)


@cache
def _software() -> dict[str, Any]:
    """Return the content of CITATION.cff: in a wheel's package, or beside a checkout's package."""
    package = Path(__file__).resolve().parents[1]
    paths = [folder / "CITATION.cff" for folder in (package, package.parent)]
    path = next(path for path in paths if path.is_file())
    citation: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return citation


def _cite_software(key: str, manifest: Mapping[str, Any]) -> str:
    about = _software()
    version = str(provenance.part(manifest, "packages").get("lstmbench") or __version__)
    released = str(about.get("date-released") or "")[:4] if version == about["version"] else ""
    fields = {"title": f"{{{_escape(about['title'])}}}", "year": released}
    return _entry(
        key, fields | {"version": _escape(version), "note": f"Version {_escape(version)}"}
    )


def _cite_table(key: str, table: Table, manifest: Mapping[str, Any]) -> str:
    year, month, *_ = f"{provenance.date(manifest)}--".split("-")
    identity, *lines = table.footer
    origin = [line for line in lines if line.startswith(("Run ", "Machine: ", "Versions: "))]
    note = [identity.partition(", ")[2].capitalize(), *origin]
    fields = {
        "title": f"{{Table {_escape(table.id)}: {_escape(table.caption.partition('. ')[0])}}}",
        "year": year if year.isdigit() else "",
        "month": MONTHS.get(month, ""),
        "note": " ".join(map(_escape, note)),
    }
    return _entry(key, fields)


def _entry(key: str, fields: Mapping[str, str]) -> str:
    """Return an entry with the authors, the DOI and the address of the software."""
    about = _software()
    url = about.get("url") or about.get("repository-code")
    authors = " and ".join(map(_author, about["authors"]))
    fields = {"author": authors, **fields, "doi": about.get("doi") or "", "url": url or ""}
    lines = [
        f"  {name} = {text if name == 'month' else f'{{{text}}}'},\n"  # a month is a macro
        for name, text in fields.items()
        if text
    ]
    return f"@misc{{{key},\n{''.join(lines)}}}\n"


def _author(author: Mapping[str, str]) -> str:
    """Return a person as BibTeX writes them, or the name of a group in braces."""
    names = [author[key] for key in ("family-names", "given-names") if key in author]
    return _escape(", ".join(names)) if names else f"{{{_escape(author['name'])}}}"


def _escape(text: object) -> str:
    """Return text for a field of BibTeX, which counts braces even if they are escaped."""
    return latex(text).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")
