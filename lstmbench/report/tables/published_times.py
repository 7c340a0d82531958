"""A run's times beside those that others published for the same sizes on a GPU.

They are for orientation; they are not a comparison.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lstmbench.report.gpu_coverage import GPU
from lstmbench.report.labels import Row, cases_of, describe, key_of, rank, varying
from lstmbench.report.number_format import number
from lstmbench.report.tables.cells import Notes, has_number, numbers
from lstmbench.report.tables.table import CASE, Table, grid, name_of, publish

AGAINST: Mapping[str, tuple[str, ...]] = {
    "fp32": ("float32", "tf32"),
    "float32": ("float32", "tf32"),
    "mixed": ("float16",),
    "float16": ("float16",),
    "bfloat16": ("bfloat16",),
}
"""Which of our dtypes are set beside a published one."""

_SIZES = ("mode", "seq_len", "batch_size", "hidden_size")
_COLUMNS = (
    *CASE, "time_median_s", "time_low_s", "time_high_s", "source", "published_what",
    "published_device", "published_dtype", "published_s", "published_ratio", "step_s",
    "published_step_s",
)  # fmt: skip
_HEADS = (
    "dtype", "ours, ms", "published, ms", "published / ours", "ours, µs a step",
    "published, µs a step",
)  # fmt: skip
_CAPTION = (
    "Time of one call in ms: median [95 % interval], beside times that others published for these "
    "sizes. Another machine's time is for orientation: the two were not compared in one run."
)


_FACTORS = {
    "published_s": 1e3, "published_ratio": 1, "step_s": 1e6, "published_step_s": 1e6,
}  # fmt: skip
"""The table's last columns, each with the factor from its unit in the records to that shown."""


@cache
def _file() -> Any:
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def published() -> list[Row]:
    """Return all published times, in the order of the file.

    Columns are those of tables; ``milliseconds`` are the parts of a call, ``published_s`` its time.
    """
    return [time | {"published_s": sum(time["milliseconds"]) / 1e3} for time in _file()["times"]]


def published_tables(records: pd.DataFrame) -> list[Table]:
    """Return the one table of the cases whose sizes were published; none if none has a time."""
    cases, manifests = cases_of(records)
    cases = [row for row in cases if row["device"] == GPU and _is_one_plain_layer(row)]
    cases.sort(key=lambda row: [rank(key, row[key]) for key in ("implementation", "dtype")])
    rows = []
    for time in published():
        sizes, dtypes = key_of(time, _SIZES), AGAINST[time["published_dtype"]]
        same = (row for row in cases if key_of(row, _SIZES) == sizes and row["dtype"] in dtypes)
        matching = [_beside(row, time) for row in same]
        if any(row["step_s"] for row in matching):
            rows += matching
    if not rows:
        return []
    differing = varying(rows, ("run_id", "threads", "input"))
    notes = Notes()
    labels = [(heading(row), _label(row, differing)) for row in rows]
    cells = [_cells(row, notes) for row in rows]
    table = publish(
        "published",
        manifests,
        _CAPTION,
        grid(labels, cells, ["published", "implementation"], _HEADS),
        rows,
        _COLUMNS,
        [*notes.lines(), *_remarks(rows)],
        list({key_of(row, ("run_id", *CASE)): row for row in rows}.values()),
    )
    return [table]


def _is_one_plain_layer(row: Row) -> bool:
    is_plain = row["num_layers"] == 1 and not row["bidirectional"]
    is_square = row["input_size"] == row["hidden_size"]
    return is_plain and is_square and row["lengths"] in ("full", None)


def _beside(row: Row, time: Row) -> Row:
    """Return a case with what was published, and what follows from both."""
    time_s = row["time_median_s"] if has_number(row, "time_median_s") else None
    return {
        **row,
        **time,
        "published_ratio": time_s and time["published_s"] / time_s,
        "step_s": time_s and time_s / time["seq_len"],
        "published_step_s": time["published_s"] / time["seq_len"],
    }


def heading(time: Row) -> str:
    """Return the sizes of a published time, and whose time it is."""
    sizes = describe({key: time[key] for key in _SIZES}, square=True)
    whose = f"{time['source']} on a {time['published_device']}"
    return f"{sizes}: {whose}, {time['published_what']}, {time['published_dtype']}"


def _label(row: Row, differing: Sequence[str]) -> str:
    words = describe({key: row[key] for key in differing})
    return ", ".join(filter(None, [name_of(row), words]))


def _cells(row: Row, notes: Notes) -> list[str]:
    return [
        row["dtype"],
        numbers("time_median_s", 1e3, marks=True)(row, notes),
        *(
            "–" if row[column] is None else number(row[column] * factor)
            for column, factor in _FACTORS.items()
        ),
    ]


def _remarks(rows: Sequence[Row]) -> list[str]:
    def used(column: str) -> Iterable[str]:
        return dict.fromkeys(row[column] for row in rows)

    pairs = "; ".join(
        f"{dtype} stands beside our {' and '.join(AGAINST[dtype])}"
        for dtype in used("published_dtype")
    )
    return [
        "Orientation, not a comparison in one run: published times are of another machine, other "
        "software and another way of timing, and how wide their intervals are is not known.",
        "published: of training the sum of forward and backward; of DeepBench that of forward, "
        "backward to the inputs and backward to the weights. Above 1, published / ours says that "
        "ours took less time. A step is a call's time over T.",
        f"dtypes: {pairs}.",
        *(f"{source}: {_file()['sources'][source]}" for source in used("source")),
    ]
