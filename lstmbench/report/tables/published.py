"""A run's times beside those that others published for the same sizes on a GPU: orientation, not a
comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from lstmbench.report.gpu_coverage import GPU
from lstmbench.report.labels import Row, describe, rank, rows_of
from lstmbench.report.number_format import interval, number
from lstmbench.report.tables.footnotes import Notes, marked, status
from lstmbench.report.tables.layout import name_of
from lstmbench.report.tables.table import CASE, Manifest, Table, manifest_of, publish

AGAINST: Final[Mapping[str, tuple[str, ...]]] = {
    "fp32": ("float32", "tf32"),
    "float32": ("float32", "tf32"),
    "mixed": ("float16",),
    "float16": ("float16",),
    "bfloat16": ("bfloat16",),
}
"""Which of our dtypes are set beside a published one."""

_TIMES: Final = ("time_median_s", "time_low_s", "time_high_s")
_PUBLISHED: Final = (
    "source", "published_what", "published_device", "published_dtype", "published_s", "published_ratio", "step_s",
    "published_step_s",
)  # fmt: skip
_HEADS: Final = (
    "dtype",
    "ours, ms",
    "published, ms",
    "published / ours",
    "ours, µs a step",
    "published, µs a step",
)
_CAPTION: Final = (
    "Time of one call in ms: median [95 % interval], beside times that others published for these sizes. Another "
    "machine's time is for orientation: the two were not compared in one run."
)


@dataclass(frozen=True)
class Published:
    """One published time: of what, on which device, at which sizes, in milliseconds that add up to
    one call."""

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
    def sizes(self) -> dict[str, Any]:
        """The columns of a record that must be the same."""
        return {key: getattr(self, key) for key in ("mode", "seq_len", "batch_size", "hidden_size")}

    @property
    def heading(self) -> str:
        """The sizes, and whose time it is."""
        sizes = describe(self.sizes, square=True)
        return f"{sizes}: {self.source} on a {self.device}, {self.what}, {self.dtype}"

    def matches(self, row: Row) -> bool:
        """Say whether a case is of these sizes, on a GPU, in a dtype that may be set beside this
        one."""
        single = (
            row["num_layers"] == 1 and not row["bidirectional"] and row["lengths"] in ("full", None)
        )
        square = row["input_size"] == row["hidden_size"]
        same = {key: row[key] for key in self.sizes} == self.sizes
        return (
            single
            and square
            and same
            and row["device"] == GPU
            and row["dtype"] in AGAINST[self.dtype]
        )

    def beside(self, row: Row) -> Row:
        """Return a case with what was published, and what follows from both."""
        published_s = sum(self.milliseconds) / 1e3
        time_s = row["time_median_s"] if _timed(row) else None
        return row | {
            "source": self.source,
            "published_what": self.what,
            "published_device": self.device,
            "published_dtype": self.dtype,
            "published_s": published_s,
            "published_ratio": None if time_s is None else published_s / time_s,
            "step_s": None if time_s is None else time_s / self.seq_len,
            "published_step_s": published_s / self.seq_len,
        }


@cache
def _file() -> Any:
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def published() -> list[Published]:
    """Return all published times, in the order of the file."""
    return [Published(**fields) for fields in _file()["times"]]


def published_tables(records: pd.DataFrame, manifest: Manifest = None) -> list[Table]:
    """Return the one table of the cases whose sizes were published; none if no such case has a
    time.

    Args:
        records: as ``read_results`` returns them.
        manifest: of the run; that of ``records.attrs`` if None.
    """
    on_gpu = "device" in records.columns and (records["device"] == GPU).any()
    rows = rows_of(records) if on_gpu else []
    cases = [row for row in rows if row["device"] == GPU]
    cases.sort(key=lambda row: [rank(key, row[key]) for key in ("implementation", "dtype")])
    pairs = []
    for time in published():
        matching = [(time, row) for row in cases if time.matches(row)]
        if any(_timed(row) for _, row in matching):
            pairs += matching
    if not pairs:
        return []
    varying = [
        key for key in ("run_id", "threads", "input") if len({row[key] for _, row in pairs}) > 1
    ]
    notes = Notes()
    places = [(time.heading, _label(row, varying)) for time, row in pairs]
    frame = pd.DataFrame(
        [_cells(row, time, notes) for time, row in pairs],
        pd.MultiIndex.from_tuples(places, names=["published", "implementation"]),
        pd.MultiIndex.from_product([_HEADS, [""]]),
    )
    return [
        publish(
            "published",
            _CAPTION,
            frame,
            [time.beside(row) for time, row in pairs],
            [*CASE, *_TIMES, *_PUBLISHED],
            [*notes.lines(), *_remarks([time for time, _ in pairs])],
            manifest_of(records, manifest),
            list({id(row): row for _, row in pairs}.values()),
        )
    ]


def _timed(row: Row) -> bool:
    return row["status"] == "ok" and row["time_median_s"] is not None


def _label(row: Row, varying: Sequence[str]) -> str:
    return ", ".join(filter(None, [name_of(row), describe({key: row[key] for key in varying})]))


def _cells(row: Row, time: Published, notes: Notes) -> list[str]:
    numbers = time.beside(row)
    published, published_step = (
        number(numbers["published_s"] * 1e3),
        number(numbers["published_step_s"] * 1e6),
    )
    if not _timed(row):
        return [row["dtype"], status(row, notes), published, "–", "–", published_step]
    ours = interval(*(row[name] and row[name] * 1e3 for name in _TIMES)) + marked(row, notes)
    ratio, step = number(numbers["published_ratio"]), number(numbers["step_s"] * 1e6)
    return [row["dtype"], ours, published, ratio, step, published_step]


def _remarks(times: Sequence[Published]) -> list[str]:
    sources, dtypes = (
        dict.fromkeys(getattr(time, name) for time in times) for name in ("source", "dtype")
    )
    pairs = "; ".join(
        f"{dtype} stands beside our {' and '.join(AGAINST[dtype])}" for dtype in dtypes
    )
    return [
        "Orientation, not a comparison in one run: published times are of another machine, other software and another "
        "way of timing, and how wide their intervals are is not known.",
        "published: of training the sum of forward and backward; of DeepBench that of forward, backward to the inputs "
        "and backward to the weights. Above 1, published / ours says that ours took less time. A step is a call's time "
        "over T.",
        f"dtypes: {pairs}.",
        *(f"{source}: {_file()['sources'][source]}" for source in sources),
    ]
