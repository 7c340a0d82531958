"""Where each case stands in a table: in which column and row, and under which heading.

What holds for all cases is said once, in the caption. Sequence lengths are the columns if there are
several; rows are implementations, in one panel per workload. If few workloads share their lengths
(a list of sizes rather than a grid), implementations are the columns instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.labels import (
    WORKLOAD,
    Row,
    combinations,
    describe,
    is_square,
    key_of,
    ordered,
    workload_keys,
)

MAX_COLUMNS = 8
"""More do not fit on a printed page."""
MIN_FILLED = 0.6
"""Minimum share of a table's cells that must hold a case; with less, sizes are no grid."""
_SIZES = ("batch_size", "num_layers", "input_size", "hidden_size", "seq_len")


@dataclass(frozen=True)
class Layout:
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
    distinct = {key: ordered(key, (row[key] for row in rows)) for key in keys}
    varying = [key for key in keys if len(distinct[key]) > 1]
    constants = {
        key: values[0]
        for key, values in distinct.items()
        if key not in varying and values != [None]
    }
    constants.pop("run_id", None)

    axis = along or _axis(rows, varying)
    lines_by, stub = ["implementation"], "implementation"
    if axis == "implementation":
        lines_by = [key for key in varying if key in _SIZES] or varying
        stub = "sizes" if set(lines_by) <= set(_SIZES) else "workload"

    square = is_square(rows)
    names = {row["implementation"]: name_of(row) for row in rows}

    def in_words(keys: Sequence[str]) -> "pd.Categorical[str]":
        words = {}
        for values in combinations(rows, keys):
            text = describe(dict(zip(keys, values, strict=True)), square)
            words[values] = names[text] if keys == ["implementation"] else text
        categories = list(dict.fromkeys(words.values()))
        texts = [words[key_of(row, keys)] for row in rows]
        return pd.Categorical(texts, categories, ordered=True)

    places = pd.DataFrame(
        {
            "heading": in_words([key for key in varying if key not in (axis, *lines_by)]),
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
    return Layout(describe(constants, square), axis, stub, places)


def _axis(rows: Sequence[Row], varying: Sequence[str]) -> str | None:
    """Return the column of the records that runs along the table's columns."""
    for axis in ("seq_len", "hidden_size", "batch_size"):
        columns = len({row[axis] for row in rows})
        if axis in varying and columns <= MAX_COLUMNS:
            others = ["implementation", *(key for key in varying if key != axis)]
            lines = len({key_of(row, others) for row in rows})
            if len(rows) >= MIN_FILLED * lines * columns:
                return axis
    return (
        "implementation"
        if varying and len({row["implementation"] for row in rows}) <= MAX_COLUMNS
        else None
    )
