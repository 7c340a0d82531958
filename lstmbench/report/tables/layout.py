"""Where each case stands in a table: in which column and row, and under which heading.

What holds for all cases is said once, in the caption. Sequence lengths are the columns if there are
several; rows are implementations, in one panel per workload. If few workloads share their lengths
(a list of sizes rather than a grid), implementations are the columns instead.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.labels import (
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

MAX_COLUMNS = 8
"""More do not fit on a printed page."""
MIN_FILLED = 0.6
"""Minimum share of a table's cells that must hold a case; with less, sizes are no grid."""
AXES = ("seq_len", "hidden_size", "batch_size")
"""Sizes that may run along a table's columns, the preferred ones first."""


class Layout(NamedTuple):
    """The places of the cases.

    Attributes:
        constants: what holds for all cases, as a phrase.
        axis: the column of the records that runs along the table's columns; None if there is only
            one column.
        stub: what the rows' labels are.
        places: for each case its ``heading``, ``label`` and ``head``, as categories in their order.
    """

    constants: str
    axis: str | None
    stub: str
    places: pd.DataFrame


def name_of(row: Row) -> str:
    """Return the implementation's name; a peer is marked as such."""
    return f"{row['implementation']} (peer)" if row["peer"] else str(row["implementation"])


def arrange(
    rows: Sequence[Row], extra_keys: Sequence[str] = (), along: str | None = None
) -> Layout:
    """Return where each case stands.

    Args:
        rows: the records.
        extra_keys: columns that tell cases apart, in addition to those of the workload.
        along: a column that tells runs apart and runs along the table's columns; a size is chosen
            if None.

    Raises:
        LstmbenchError: if two cases would stand in the same cell.
    """
    keys = [*extra_keys, *workload_keys(rows)]
    if along is not None:
        keys = [along, *(key for key in keys if key != "run_id")]
    differing = varying(rows, keys)
    axis = along or _axis(rows, differing)
    lines_by, stub = ["implementation"], "implementation"
    if axis == "implementation":
        lines_by = [key for key in differing if key in SIZES] or differing
        stub = "sizes" if set(lines_by) <= set(SIZES) else "workload"
    square = is_square(rows)
    names = {row["implementation"]: name_of(row) for row in rows}

    def in_words(keys: Sequence[str]) -> "pd.Categorical[str]":
        words = {}
        for values in combinations(rows, keys):
            text = describe(dict(zip(keys, values, strict=True)), square)
            words[values] = names[text] if keys == ["implementation"] else text
        texts = [words[key_of(row, keys)] for row in rows]
        return pd.Categorical(texts, list(dict.fromkeys(words.values())), ordered=True)

    places = pd.DataFrame(
        {
            "heading": in_words([key for key in differing if key not in (axis, *lines_by)]),
            "label": in_words(lines_by),
            "head": in_words([axis] if axis else []),
        }
    )
    repeated = places.duplicated()
    if repeated.any():
        row = rows[int(repeated.argmax())]
        workload = describe({key: row[key] for key in WORKLOAD})
        raise LstmbenchError(
            f"Two records are of the same case: {row['implementation']}, {workload}."
        )
    return Layout(describe(shared(rows, keys), square), axis, stub, places)


def _axis(rows: Sequence[Row], differing: Sequence[str]) -> str | None:
    """Return the column of the records that runs along the table's columns."""
    for axis in AXES:
        columns = len(combinations(rows, [axis]))
        others = ["implementation", *(key for key in differing if key != axis)]
        filled = len(rows) / (len(combinations(rows, others)) * columns)
        if axis in differing and columns <= MAX_COLUMNS and filled >= MIN_FILLED:
            return axis
    few = len(combinations(rows, ["implementation"])) <= MAX_COLUMNS
    return "implementation" if differing and few else None
