"""A table: where its cases stand, and how it is made of cells, numbers and notes.

What holds for all cases is said once, in the caption. Sequence lengths are the columns if there are
several; rows are implementations, in one panel per workload. If few workloads share their lengths
(a list of sizes rather than a grid), implementations are the columns instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report import provenance
from lstmbench.report.labels import (
    FORMULA,
    SIZES,
    WORKLOAD,
    Row,
    combinations,
    describe,
    is_square,
    key_of,
    shared,
    varying,
    workload_keys,
)
from lstmbench.report.tables.cells import Cell, Notes
from lstmbench.report.tables.render import TEMPLATES, table_latex, to_markdown
from lstmbench.results import schema

CASE = ("implementation", "peer", *WORKLOAD, "status", "error")
"""The columns that the numbers of every table begin with."""

MAX_COLUMNS = 8
"""More do not fit on a printed page."""
MIN_FILLED = 0.6
"""Minimum share of a table's cells that must hold a case; with less, sizes are no grid."""
AXES = ("seq_len", "hidden_size", "batch_size")
"""Sizes that may run along a table's columns, the preferred ones first."""


@dataclass(frozen=True, repr=False)
class Table:
    """A table with all that is needed to cite it.

    Attributes:
        id: its stable name, such as ``quick-speed``.
        caption: what its numbers are, with all that holds for every cell.
        frame: what is shown, as strings: rows by the heading of their panel and their label,
            columns by quantity and head.
        tidy: the numbers behind it, one row per case, units in the columns' names.
        notes: reasons for cells without a number, and marks explained.
        footer: id, content hash, run, machine, versions, threads, noise floor, and the command that
            makes it again.
    """

    id: str
    caption: str
    frame: pd.DataFrame
    tidy: pd.DataFrame
    notes: list[str]
    footer: list[str]

    @property
    def content_hash(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of ``csv()``."""
        return provenance.content_hash(self.csv())

    def markdown(self, footer: bool = True) -> str:
        """Return caption, table, notes and footer as Markdown; without footer, id and hash stay."""
        return TEMPLATES.get_template("table.md.j2").render(
            table=self,
            grid=to_markdown(self.frame),
            footer=self.footer if footer else self.footer[:1],
        )

    def latex(self) -> str:
        """Return the table for LaTeX, which needs the packages booktabs, longtable and lscape."""
        return table_latex(self)

    def csv(self) -> str:
        """Return the numbers of ``tidy`` as CSV, with all their digits."""
        return self.tidy.to_csv(index=False, lineterminator="\n")

    def __repr__(self) -> str:
        return f"<Table {self.id}, {len(self.tidy)} cases, data sha256 {self.content_hash}>"

    def __str__(self) -> str:
        return self.markdown()

    _repr_markdown_ = __str__


def grid(
    labels: Sequence[tuple[str, str]],
    cells: list[list[str]],
    names: list[str],
    heads: Sequence[str],
) -> pd.DataFrame:
    """Return a table's ``frame``.

    Args:
        labels: of each row, the heading of its panel and its label.
        cells: of each row.
        names: of headings and labels.
        heads: of the columns.
    """
    columns = pd.MultiIndex.from_product([heads, [""]])
    return pd.DataFrame(cells, pd.MultiIndex.from_tuples(labels, names=names), columns)


def publish(
    kind: str,
    manifests: Any,
    caption: str,
    frame: pd.DataFrame,
    numbers: Sequence[Row] | pd.DataFrame,
    columns: Sequence[str],
    notes: list[str],
    cases: Sequence[Row],
) -> Table:
    """Return a table with its footer.

    Args:
        kind: the second part of its id.
        manifests: of the records, one or several.
        caption, frame, notes: as in ``Table``.
        numbers: the rows behind it; their ``columns`` are its numbers.
        columns: of these rows, all in the schema.
        cases: the records of which it is made, each once.
    """
    dtypes = {name: schema.BY_NAME[name].dtype for name in columns}
    tidy = pd.DataFrame(numbers, columns=[*dtypes]).astype(dtypes)
    manifests = provenance.manifests_of(cases, manifests)
    table = Table(provenance.table_id(cases, manifests, kind), caption, frame, tidy, notes, [])
    return replace(table, footer=provenance.footer(cases, manifests, table.id, table.content_hash))


def make(
    kind: str,
    manifests: Any,
    rows: list[Row],
    what: str,
    cells: Mapping[str, Cell],
    columns: Sequence[str],
    remarks: Sequence[str] = (),
    more: str = "",
    extra_keys: Sequence[str] = (),
    along: str | None = None,
) -> Table:
    """Return the table of these cases.

    Args:
        kind: the second part of its id.
        manifests: of the records, one or several.
        rows: the cases.
        what: what its numbers are, the first sentence of the caption.
        cells: for each quantity, by its name, what writes its cell.
        columns: of the records, its numbers.
        remarks: what else to note.
        more: the end of the caption.
        extra_keys: columns that tell cases apart, in addition to those of the workload.
        along: a column that tells runs apart and runs along the table's columns; a size is chosen
            if None.

    Raises:
        LstmbenchError: if two cases would stand in the same cell.
    """
    keys = [*extra_keys, *workload_keys(rows)]
    if along is not None:
        keys = [along, *(key for key in keys if key != "run_id")]
    places = _arrange(rows, keys, along)
    panel, label, axis = places.columns
    rows = [rows[position] for position in places.index]
    notes = Notes()
    texts = [{quantity: cell(row, notes) for quantity, cell in cells.items()} for row in rows]
    frame = places.join(pd.DataFrame(texts, places.index))
    frame = frame.pivot(index=[panel, label], columns=axis, values=[*cells])
    names = {row["implementation"]: name_of(row) for row in rows}
    absent = ["not run: this case is not among the records."] if frame.isna().any(axis=None) else []
    constants = describe(shared(rows, keys), is_square(rows))
    caption = [f"{what}.", f"All cases: {constants}." if constants else ""]
    caption += [f"Columns: {schema.BY_NAME[axis].label}." if axis in AXES else "", more]
    measured = [row for row in rows if row["implementation"] != FORMULA]
    return publish(
        kind,
        manifests,
        " ".join(filter(None, caption)),
        frame.fillna("not run").rename(index=names, columns=names),
        measured,
        [*CASE, *columns],
        [*notes.lines(), *absent, *remarks],
        measured,
    )


def name_of(row: Row) -> str:
    """Return the implementation's name; a peer is marked as such."""
    return f"{row['implementation']} (peer)" if row["peer"] else str(row["implementation"])


def _arrange(rows: Sequence[Row], keys: Sequence[str], along: str | None) -> pd.DataFrame:
    """Return where each case stands, in three columns of categories in their order.

    These are the heading of its panel, its label, and the head of its column; the second is named
    by what the labels are, the third by the column of the records whose values the heads are.

    Raises:
        LstmbenchError: if two cases would stand in the same cell.
    """
    differing = varying(rows, keys)
    axis = along or _axis(rows, differing)
    lines_by, stub = ["implementation"], "implementation"
    if axis == "implementation":
        lines_by = [key for key in differing if key in SIZES] or differing
        stub = "sizes" if set(lines_by) <= set(SIZES) else "workload"
    square = is_square(rows)

    def in_words(keys: Sequence[str]) -> "pd.Categorical[str]":
        words = {
            values: describe(dict(zip(keys, values, strict=True)), square)
            for values in combinations(rows, keys)
        }
        texts = [words[key_of(row, keys)] for row in rows]
        return pd.Categorical(texts, list(dict.fromkeys(words.values())), ordered=True)

    places = pd.DataFrame(
        {
            "panel": in_words([key for key in differing if key not in (axis, *lines_by)]),
            stub: in_words(lines_by),
            str(axis): in_words([axis] if axis else []),
        }
    )
    repeated = places.duplicated()
    if repeated.any():
        row = rows[int(repeated.argmax())]
        workload = describe({key: row[key] for key in WORKLOAD})
        raise LstmbenchError(
            f"Two records are of the same case: {row['implementation']}, {workload}."
        )
    return places.sort_values([*places])


def _axis(rows: Sequence[Row], differing: Sequence[str]) -> str | None:
    """Return the column of the records that runs along the table's columns."""

    def count(*keys: str) -> int:
        return len({key_of(row, keys) for row in rows})

    for axis in AXES:
        others = (key for key in differing if key != axis)
        filled = len(rows) / (count("implementation", *others) * count(axis))
        if axis in differing and count(axis) <= MAX_COLUMNS and filled >= MIN_FILLED:
            return axis
    return "implementation" if differing and count("implementation") <= MAX_COLUMNS else None
