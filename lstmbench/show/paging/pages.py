"""The page of a run and the page of all runs, as Markdown; links are relative to where the page lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lstmbench.show import provenance
from lstmbench.show.formats import markdown, slug
from lstmbench.show.labels import Row, counts, ordered, phrase
from lstmbench.show.tabulating.table import Table

if TYPE_CHECKING:
    from lstmbench.show.drawing.figure import Figure

_SECTIONS = (
    ("Learning", ("learning",)),
    ("Speed", ("ratio", "speed")),
    ("Memory", ("memory", "allocated", "peak", "device-peak")),
    ("Accuracy", ("accuracy", "output-error", "gradient-error")),
    ("First call", ("first-call",)),
)
_FILES = (
    ("records.csv", "one row per case, for people"),
    ("records.parquet", "the same for machines"),
    ("samples.parquet", "every timed sample"),
    ("manifest.json", "how the run came about"),
)


@dataclass(frozen=True)
class Summary:
    """What the index says about one run.

    Attributes:
        folder: its name.
        manifest: of the run; empty where it cannot be read.
        statuses: how many cases have each status.
        trouble: why the run cannot be read, empty where it can.
    """

    folder: str
    manifest: Mapping[str, Any]
    statuses: Mapping[str, int]
    trouble: str = ""


def run_page(
    rows: list[Row],
    statuses: Mapping[str, int],
    manifest: Mapping[str, Any],
    tables: Sequence[Table],
    figures: Mapping[str, "Figure"],
    remarks: Sequence[str],
    notebooks: Sequence[str],
) -> str:
    """Return the README of one run: what was measured, on what, the tables, the figures, and how they were made.

    Args:
        rows: the records that are shown.
        statuses: how many cases of the run have each status.
        manifest: of the run.
        tables, figures: of it, the figures by their names.
        remarks: what else to say of them.
        notebooks: names of the executed copies, and of the pages made of them.
    """
    suite = provenance.suite_of(rows, [manifest])
    parts = [f"# Suite {markdown(suite)} on {markdown(provenance.cpu(manifest))}, {provenance.date(manifest)}"]
    parts.append(_measured(rows, statuses, manifest))
    for title, kinds in _SECTIONS:
        body = [block for kind in kinds for block in _blocks(suite, kind, tables, figures)]
        if body:
            parts += [f"## {title}", *body]
    if remarks:
        parts.append("\n".join(f"- {markdown(remark)}" for remark in remarks))
    parts += ["## How it was made", _facts(rows, manifest)]
    parts.append(
        "Tables, figures and this page are made from the records alone: `lstmbench table FOLDER` makes them again, "
        "with the same bytes. The hash under a table is that of its CSV file."
    )
    parts.append("\n".join(f"- [{name}]({name}): {what}" for name, what in _FILES))
    if notebooks:
        links = {name.rpartition(".")[0]: "" for name in notebooks}
        for name in notebooks:
            links[name.rpartition(".")[0]] += f" · [{markdown(name)}](notebooks/{_url(name)})"
        parts.append("Notebooks, executed with these records, and the same as pages to read without Jupyter:")
        parts.append("\n".join(f"- {line.removeprefix(' · ')}" for line in links.values()))
    return "\n\n".join(parts) + "\n"


def _measured(rows: list[Row], statuses: Mapping[str, int], manifest: Mapping[str, Any]) -> str:
    names = ordered("implementation", (row["implementation"] for row in rows if row["implementation"]))
    sizes = []
    for column in ("task", "mode", "dtype", "device", "input", "seq_len", "batch_size", "hidden_size"):
        values = ordered(column, (row[column] for row in rows if row.get(column) is not None))
        if values:
            first = phrase(column, values[0])
            rest = (phrase(column, value).rpartition(" = ")[2] for value in values[1:])
            sizes.append(", ".join([first, *rest]))
    description = provenance.description(manifest)
    sentences = [
        markdown(description) if description else "",
        f"{sum(statuses.values())} cases: {markdown(counts(statuses))}.",
        f"Implementations: {markdown(', '.join(names))}.",
        f"Workloads: {markdown('; '.join(sizes))}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _blocks(suite: str, kind: str, tables: Sequence[Table], figures: Mapping[str, "Figure"]) -> list[str]:
    """Return the table and the figures of one kind."""
    stem = f"{slug(suite)}-{kind}"
    blocks = []
    for table in tables:
        if table.id == stem:
            links = " · ".join(f"[{name}](tables/{stem}.{end})" for name, end in _FORMATS)
            blocks += [table.markdown(footer=False).rstrip(), links]
    others = [other for _, kinds in _SECTIONS for other in kinds if other != kind and other.startswith(f"{kind}-")]
    for name, figure in figures.items():
        longer = any(name.startswith(f"{slug(suite)}-{other}") for other in others)
        if (name == stem or name.startswith(f"{stem}-")) and not longer:
            alt = markdown(figure.alt).replace("[", "&#91;").replace("]", "&#93;")
            blocks += [
                f"![{alt}](figures/{name}.png)",
                f"{name}: [SVG](figures/{name}.svg) · [PDF for a column](figures/{name}.pdf)",
            ]
    return blocks


_FORMATS = (("Markdown with footer", "md"), ("LaTeX", "tex"), ("CSV", "csv"))


def _facts(rows: list[Row], manifest: Mapping[str, Any]) -> str:
    facts = provenance.facts(rows, manifest)
    return "\n".join(["| what | |", "| :-- | :-- |", *(f"| {name} | {markdown(value)} |" for name, value in facts)])


def index_page(runs: Sequence[Summary], newest: str | None, table: Table | None, machines: Sequence[Table] = ()) -> str:
    """Return the README of a folder of runs: the runs, newest first, the newest one's ratios, those across machines."""
    parts = [
        "# Results",
        "Each folder holds one run: records, raw samples, tables, figures, and a page that says how they were made.",
    ]
    if runs:
        head = ["| date | run | suite | machine | ok | not ok |", "| :-- | :-- | :-- | :-- | --: | :-- |"]
        parts.append("\n".join([*head, *map(_line, runs)]))
    else:
        parts.append("There are no runs yet: `lstmbench run quick --out results/NAME` makes one.")
    if newest is not None and table is not None:
        link = f"[{markdown(newest)}]({_url(newest)}/README.md)"
        parts += [f"## The newest: {link}", table.markdown().rstrip()]
    if machines:
        parts += ["## Several machines", *(each.markdown().rstrip() for each in machines)]
    return "\n\n".join(parts) + "\n"


def _line(run: Summary) -> str:
    link = f"[{markdown(run.folder)}]({_url(run.folder)}/README.md)"
    if run.trouble:
        return f"| | {markdown(run.folder)} | | {markdown(run.trouble)} | | |"
    bad = {word: count for word, count in run.statuses.items() if word != "ok"}
    state = counts(bad) + ("" if run.manifest.get("complete", True) else "; not finished")
    suite = provenance.suite_of([], [run.manifest])
    cells = [provenance.date(run.manifest), suite, provenance.cpu(run.manifest)]
    date, suite, machine = map(markdown, cells)
    return f"| {date} | {link} | {suite} | {machine} | {run.statuses.get('ok', 0)} | {markdown(state)} |"


def _url(name: str) -> str:
    return quote(name)
