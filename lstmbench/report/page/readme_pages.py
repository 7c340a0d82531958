"""The page of a run and the page of all runs, as Markdown.

Links are relative to the folder of the page.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from lstmbench.report import provenance
from lstmbench.report.labels import Row, counts, ordered, phrase
from lstmbench.report.number_format import markdown, slug
from lstmbench.report.tables.table import Table

if TYPE_CHECKING:
    from lstmbench.report.figures.figure import Figure

NO_RUNS: Final = "There are no runs yet: `lstmbench run quick --out results/NAME` makes one."
SECTIONS: Final = {
    "Learning": ("learning",),
    "Speed": ("ratio", "speed"),
    "Memory": ("memory", "allocated", "peak", "device-peak"),
    "Accuracy": ("accuracy", "output-error", "gradient-error"),
    "First call": ("first-call",),
}
"""The sections of a run's page, and the kinds of tables and figures in each.

A table or figure is named after the suite and its kind.
"""


@dataclass(frozen=True)
class Summary:
    """What the pages of all runs say about one run.

    Attributes:
        folder: its name.
        manifest: of the run; empty if it cannot be read.
        statuses: how many cases have each status.
        trouble: why the run cannot be read; empty if it can.
    """

    folder: str
    manifest: Mapping[str, Any]
    statuses: Mapping[str, int]
    trouble: str = ""

    def counts(self, *left_out: str) -> str:
        """Return how many cases have each status, and say so if the run was not finished."""
        shown = {word: count for word, count in self.statuses.items() if word not in left_out}
        return counts(shown) + ("" if self.manifest.get("complete", True) else "; not finished")


def executed_notebooks(run: Path) -> dict[str, list[str]]:
    """Return the file of each executed notebook of a run and, after it, the page made of it."""
    copies: dict[str, list[str]] = {}
    for end in ("ipynb", "html"):
        for path in sorted((run / "notebooks").glob(f"*.{end}")):
            copies.setdefault(path.stem, []).append(path.name)
    return copies


def run_page(
    rows: list[Row],
    statuses: Mapping[str, int],
    manifest: Mapping[str, Any],
    tables: Sequence[Table],
    figures: Mapping[str, "Figure"],
    remarks: Sequence[str],
    notebooks: Mapping[str, Sequence[str]],
) -> str:
    """Return the README of one run: what was measured, on what, and how, with tables and figures.

    Args:
        rows: the records that are shown.
        statuses: how many cases of the run have each status.
        manifest: of the run.
        tables, figures: of the run; figures by their names.
        remarks: what else there is to say about them.
        notebooks: as ``executed_notebooks`` returns them.
    """
    suite = provenance.suite_of(rows, [manifest])
    names = ordered("implementation", {row["implementation"] for row in rows} - {None})
    cpu, date = provenance.cpu(manifest), provenance.date(manifest)
    summary = (
        f"{sum(statuses.values())} cases: {counts(statuses)}. "
        f"Implementations: {', '.join(names)}. Workloads: {'; '.join(_sizes(rows))}."
    )
    blocks = [
        f"# Suite {markdown(suite)} on {markdown(cpu)}, {date}",
        markdown(f"{provenance.description(manifest)} {summary}"),
    ]
    for title, kinds in SECTIONS.items():
        content = [
            block for kind in kinds for block in _content(f"{slug(suite)}-{kind}", tables, figures)
        ]
        blocks += [f"## {title}", *content] if content else []
    if remarks:
        blocks.append("\n".join(f"- {markdown(remark)}" for remark in remarks))
    facts = [f"| {name} | {markdown(fact)} |" for name, fact in provenance.facts(rows, manifest)]
    blocks += [
        "## How it was made",
        "\n".join(["| what | |", "| :-- | :-- |", *facts]),
        "Tables, figures and this page are made from the records alone: `lstmbench table FOLDER` "
        "makes them again, with the same bytes. The hash under a table is that of its CSV file.",
        "- [records.csv](records.csv): one row per case, for people\n"
        "- [records.parquet](records.parquet): the same for machines\n"
        "- [samples.parquet](samples.parquet): every timed sample\n"
        "- [manifest.json](manifest.json): how the run came about",
    ]
    if notebooks:
        lines = [
            " · ".join(_link(name, f"notebooks/{quote(name)}") for name in files)
            for files in notebooks.values()
        ]
        blocks += [
            "Notebooks, executed with these records, and the same as pages to read without "
            "Jupyter:",
            "\n".join(f"- {line}" for line in lines),
        ]
    return "\n\n".join(blocks) + "\n"


def _sizes(rows: list[Row]) -> Iterator[str]:
    """Yield the values in each column of a workload as one phrase, such as ``T = 16, 64``."""
    for column in (
        "task", "mode", "dtype", "device", "input", "seq_len", "batch_size", "hidden_size",
    ):  # fmt: skip
        values = ordered(column, {row.get(column) for row in rows} - {None})
        if values:
            first, *others = (phrase(column, value) for value in values)
            yield ", ".join([first, *(other.rpartition(" = ")[2] for other in others)])


def _content(stem: str, tables: Iterable[Table], figures: Mapping[str, "Figure"]) -> Iterator[str]:
    """Yield the table and the figures whose names begin with ``stem``, and links to their files."""
    for table in tables:
        if table.id == stem:
            yield table.markdown(footer=False).rstrip()
            formats = {"Markdown with footer": "md", "LaTeX": "tex", "CSV": "csv"}
            yield " · ".join(f"[{name}](tables/{stem}.{end})" for name, end in formats.items())
    for name, figure in figures.items():
        if f"{name}-".startswith(f"{stem}-"):
            alt = markdown(figure.alt).replace("[", "&#91;").replace("]", "&#93;")
            yield f"![{alt}](figures/{name}.png)"
            yield f"{name}: [SVG](figures/{name}.svg) · [PDF for a column](figures/{name}.pdf)"


def index_page(
    runs: Sequence[Summary], newest: str | None, table: Table | None, machines: Sequence[Table] = ()
) -> str:
    """Return the README of a folder of runs.

    Args:
        runs: newest first.
        newest: the folder of the run whose table of ratios is shown.
        table: that table.
        machines: tables of ratios on several machines.
    """
    head = "| date | run | suite | machine | ok | not ok |\n| :-- | :-- | :-- | :-- | --: | :-- |"
    blocks = [
        "# Results",
        "Each folder holds one run: records, raw samples, tables, figures, and a page that says "
        "how they were made.",
        "\n".join([head, *map(_line, runs)]) if runs else NO_RUNS,
    ]
    if newest is not None and table is not None:
        link = _link(newest, f"{quote(newest)}/README.md")
        blocks += [f"## The newest: {link}", table.markdown().rstrip()]
    if machines:
        blocks += ["## Several machines", *(table.markdown().rstrip() for table in machines)]
    return "\n\n".join(blocks) + "\n"


def _line(run: Summary) -> str:
    if run.trouble:
        return f"| | {markdown(run.folder)} | | {markdown(run.trouble)} | | |"
    cells = [
        provenance.date(run.manifest),
        _link(run.folder, f"{quote(run.folder)}/README.md"),
        markdown(provenance.suite_of([], [run.manifest])),
        markdown(provenance.cpu(run.manifest)),
        str(run.statuses.get("ok", 0)),
        markdown(run.counts("ok")),
    ]
    return f"| {' | '.join(cells)} |"


def _link(text: str, target: str) -> str:
    return f"[{markdown(text)}]({target})"
