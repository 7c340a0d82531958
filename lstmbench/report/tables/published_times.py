"""A run's times beside those that others published for the same sizes on a GPU.

They are for orientation; they are not a comparison.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from lstmbench.report.gpu_coverage import GPU
from lstmbench.report.labels import Row, describe, key_of, rank, rows_of, varying
from lstmbench.report.number_format import number
from lstmbench.report.tables.cells import Notes, has_number, numbers
from lstmbench.report.tables.table import CASE, Table, grid, name_of, publish

AGAINST: Final[Mapping[str, tuple[str, ...]]] = {
    "fp32": ("float32", "tf32"),
    "float32": ("float32", "tf32"),
    "mixed": ("float16",),
    "float16": ("float16",),
    "bfloat16": ("bfloat16",),
}
"""Which of our dtypes are set beside a published one."""

_SIZES: Final = ("mode", "seq_len", "batch_size", "hidden_size")
_COLUMNS: Final = (
    *CASE, "time_median_s", "time_low_s", "time_high_s", "source", "published_what",
    "published_device", "published_dtype", "published_s", "published_ratio", "step_s",
    "published_step_s",
)  # fmt: skip
_HEADS: Final = (
    "dtype", "ours, ms", "published, ms", "published / ours", "ours, µs a step",
    "published, µs a step",
)  # fmt: skip
_CAPTION: Final = (
    "Time of one call in ms: median [95 % interval], beside times that others published for these "
    "sizes. Another machine's time is for orientation: the two were not compared in one run."
)


@dataclass(frozen=True)
class PublishedTime:
    """One published time: source, device, sizes, and milliseconds that add up to one call."""

    source: str
    what: str
    device: str
    dtype: str
    mode: str
    seq_len: int
    batch_size: int
    hidden_size: int
    milliseconds: Sequence[float]

    @property
    def heading(self) -> str:
        """The sizes, and whose time it is."""
        sizes = describe({key: getattr(self, key) for key in _SIZES}, square=True)
        return f"{sizes}: {self.source} on a {self.device}, {self.what}, {self.dtype}"

    def matches(self, row: Row) -> bool:
        """Return whether a GPU's case is one layer of these sizes, in a comparable dtype."""
        return (
            row["dtype"] in AGAINST[self.dtype]
            and row["num_layers"] == 1
            and not row["bidirectional"]
            and row["lengths"] in ("full", None)
            and row["input_size"] == row["hidden_size"]
            and key_of(row, _SIZES) == tuple(getattr(self, key) for key in _SIZES)
        )

    def beside(self, row: Row) -> Row:
        """Return a case with what was published, and what follows from both."""
        published_s = sum(self.milliseconds) / 1e3
        time_s = row["time_median_s"] if has_number(row, "time_median_s") else None
        return row | {
            "source": self.source,
            "published_what": self.what,
            "published_device": self.device,
            "published_dtype": self.dtype,
            "published_s": published_s,
            "published_ratio": time_s and published_s / time_s,
            "step_s": time_s and time_s / self.seq_len,
            "published_step_s": published_s / self.seq_len,
        }


@cache
def _file() -> Any:
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def published() -> list[PublishedTime]:
    """Return all published times, in the order of the file."""
    return [PublishedTime(**fields) for fields in _file()["times"]]


def published_tables(records: pd.DataFrame) -> list[Table]:
    """Return the one table of the cases whose sizes were published; none if none has a time."""
    on_gpu = "device" in records.columns and (records["device"] == GPU).any()
    cases = [row for row in rows_of(records) if row["device"] == GPU] if on_gpu else []
    cases.sort(key=lambda row: [rank(key, row[key]) for key in ("implementation", "dtype")])
    pairs = []
    for time in published():
        matching = [row for row in cases if time.matches(row)]
        if any(has_number(row, "time_median_s") for row in matching):
            pairs += [(time, row) for row in matching]
    if not pairs:
        return []
    times, rows = zip(*pairs, strict=True)
    differing = varying(rows, ("run_id", "threads", "input"))
    notes = Notes()
    beside = [time.beside(row) for time, row in pairs]
    labels = [(time.heading, _label(row, differing)) for time, row in pairs]
    cells = [_cells(row, notes) for row in beside]
    table = publish(
        "published",
        records,
        _CAPTION,
        grid(labels, cells, ["published", "implementation"], _HEADS),
        beside,
        _COLUMNS,
        [*notes.lines(), *_remarks(times)],
        list({id(row): row for row in rows}.values()),
    )
    return [table]


def _label(row: Row, differing: Sequence[str]) -> str:
    words = describe({key: row[key] for key in differing})
    return ", ".join(filter(None, [name_of(row), words]))


def _cells(row: Row, notes: Notes) -> list[str]:
    def shown(column: str, factor: float) -> str:
        return "–" if row[column] is None else number(row[column] * factor)

    return [
        row["dtype"],
        numbers("time_median_s", 1e3, marks=True)(row, notes),
        shown("published_s", 1e3),
        shown("published_ratio", 1),
        shown("step_s", 1e6),
        shown("published_step_s", 1e6),
    ]


def _remarks(times: Sequence[PublishedTime]) -> list[str]:
    pairs = "; ".join(
        f"{dtype} stands beside our {' and '.join(AGAINST[dtype])}"
        for dtype in dict.fromkeys(time.dtype for time in times)
    )
    return [
        "Orientation, not a comparison in one run: published times are of another machine, other "
        "software and another way of timing, and how wide their intervals are is not known.",
        "published: of training the sum of forward and backward; of DeepBench that of forward, "
        "backward to the inputs and backward to the weights. Above 1, published / ours says that "
        "ours took less time. A step is a call's time over T.",
        f"dtypes: {pairs}.",
        *(
            f"{source}: {_file()['sources'][source]}"
            for source in dict.fromkeys(time.source for time in times)
        ),
    ]
