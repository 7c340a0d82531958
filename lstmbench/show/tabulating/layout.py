"""Where each case stands in a table: which column, which row, under which heading. What is constant is said once.

Sequence lengths are the columns where there are several; rows are implementations, in one panel per workload. Where
few workloads have the same lengths (a list of sizes rather than a grid), implementations are the columns instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lstmbench.errors import LstmbenchError
from lstmbench.show.labels import WORKLOAD, Row, describe, grouped, is_square, key_of, ordered, workload_keys

MOST_COLUMNS = 8
ENOUGH_FILLED = 0.6
_SIZES = ("batch_size", "num_layers", "input_size", "hidden_size", "seq_len")


@dataclass(frozen=True)
class Line:
    """One row of a table: its label, and the record for each column, None where there is none."""

    label: str
    records: list[Row | None]


@dataclass(frozen=True)
class Panel:
    """The rows under one heading."""

    heading: str
    lines: list[Line]


@dataclass(frozen=True)
class Layout:
    """A table before anything is written into its cells.

    Attributes:
        constants: what holds for all cells, as a phrase.
        stub: what the rows' labels are.
        axis: the column of the records that runs along the table's columns, or None where there is only one.
        heads: the label of each column.
        panels: the rows, under their headings.
    """

    constants: str
    stub: str
    axis: str | None
    heads: list[str]
    panels: list[Panel]

    @property
    def cases(self) -> list[Row]:
        """The records in the order in which they stand."""
        return [row for panel in self.panels for line in panel.lines for row in line.records if row is not None]


def name_of(row: Row) -> str:
    """Return the implementation's name, peers marked as such."""
    return f"{row['implementation']} (peer)" if row["peer"] else str(row["implementation"])


def arrange(rows: Sequence[Row], extra_keys: Sequence[str] = (), along: str | None = None) -> Layout:
    """Return where each row stands.

    Args:
        rows: the records.
        extra_keys: what tells them apart beside the workload.
        along: a column that tells the runs apart and runs along the table's columns; a size is chosen if None.

    Raises:
        LstmbenchError: if two rows would stand in the same cell.
    """
    keys = [*extra_keys, *workload_keys(rows)]
    if along is not None:
        keys = [along, *(key for key in keys if key != "run_id")]
    distinct = {key: ordered(key, (row[key] for row in rows)) for key in keys}
    varying = [key for key in keys if len(distinct[key]) > 1]
    fixed = [key for key in keys if len(distinct[key]) == 1 and distinct[key] != [None] and key != "run_id"]
    _check_unique(rows, varying)
    square = is_square(rows)

    def words(keys: Sequence[str], values: tuple[object, ...]) -> str:
        return describe(dict(zip(keys, values, strict=True)), square)

    axis = along or _axis(rows, varying)
    if axis == "implementation":
        lines_by = [key for key in varying if key in _SIZES]
        if not lines_by:  # nothing but modes, devices and the like varies
            lines_by = varying
        panels_by = [key for key in varying if key not in lines_by]
        stub = "sizes" if set(lines_by) <= set(_SIZES) else "workload"
    else:
        lines_by, panels_by, stub = ["implementation"], [key for key in varying if key != axis], "implementation"

    values = [None] if axis is None else ordered(axis, (row[axis] for row in rows))
    panels = []
    for panel_key, inside in grouped(rows, panels_by).items():
        lines = []
        for line_key, beside in grouped(inside, lines_by).items():
            found = {row[axis] if axis else None: row for row in beside}
            some = next(iter(found.values()))
            label = name_of(some) if stub == "implementation" else words(lines_by, line_key)
            lines.append(Line(label, [found.get(value) for value in values]))
        panels.append(Panel(words(panels_by, panel_key), lines))
    constants = words(fixed, tuple(distinct[key][0] for key in fixed))
    return Layout(constants, stub, axis, _heads(rows, axis, values), panels)


def _axis(rows: Sequence[Row], varying: Sequence[str]) -> str | None:
    """Return what runs along the columns."""
    for axis in ("seq_len", "hidden_size", "batch_size"):
        if axis in varying and len({row[axis] for row in rows}) <= MOST_COLUMNS:
            others = ["implementation", *(key for key in varying if key != axis)]
            cells = len({key_of(row, others) for row in rows}) * len({row[axis] for row in rows})
            if len(rows) >= ENOUGH_FILLED * cells:
                return axis
    return "implementation" if varying and len({row["implementation"] for row in rows}) <= MOST_COLUMNS else None


def _heads(rows: Sequence[Row], axis: str | None, values: list[object]) -> list[str]:
    if axis is None:
        return [""]
    if axis not in _SIZES and axis != "implementation":
        return [str(value) for value in values]
    if axis == "implementation":
        names = {row["implementation"]: name_of(row) for row in rows}
        return [names[value] for value in values]
    return [describe({axis: value}, is_square(rows)) for value in values]


def _check_unique(rows: Sequence[Row], varying: Sequence[str]) -> None:
    seen = set()
    for row in rows:
        key = key_of(row, ["implementation", *varying])
        if key in seen:
            raise LstmbenchError(
                f"Two records are of the same case: {row['implementation']}, {describe({k: row[k] for k in WORKLOAD})}."
            )
        seen.add(key)
