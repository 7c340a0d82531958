"""A run's times beside those that others published for the same sizes on a GPU: orientation, not a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from lstmbench.results.record import COLUMNS, frame
from lstmbench.show import provenance
from lstmbench.show.devices import GPU
from lstmbench.show.formats import csv_text, interval, number
from lstmbench.show.labels import WORKLOAD, Row, describe, key_of, rank, rows_of
from lstmbench.show.tabulating.layout import name_of
from lstmbench.show.tabulating.render import Cells
from lstmbench.show.tabulating.table import Notes, Table, marked, status, strings

AGAINST: Final[Mapping[str, tuple[str, ...]]] = {
    "fp32": ("float32", "tf32"),
    "float32": ("float32", "tf32"),
    "mixed": ("float16",),
    "float16": ("float16",),
    "bfloat16": ("bfloat16",),
}
"""Which of our dtypes are set beside a published one."""

_OURS: Final = ("implementation", "peer", *WORKLOAD, "status", "error", "time_median_s", "time_low_s", "time_high_s")
_THEIRS: Final = {
    "source": "string", "published_what": "string", "published_device": "string", "published_dtype": "string",
    "published_s": "Float64", "published_ratio": "Float64", "step_s": "Float64", "published_step_s": "Float64",
}  # fmt: skip
_HEADS: Final = ("dtype", "ours, ms", "published, ms", "published / ours", "ours, µs a step", "published, µs a step")


@dataclass(frozen=True)
class Published:
    """One published time: of what, on which device, at which sizes, in milliseconds that add up to one call."""

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
    def seconds(self) -> float:
        """The time of a whole call."""
        return sum(self.milliseconds) / 1e3

    @property
    def heading(self) -> str:
        """The sizes, and whose time it is."""
        sizes = {key: getattr(self, key) for key in ("mode", "seq_len", "batch_size", "hidden_size")}
        return f"{describe(sizes, square=True)}: {self.source} on a {self.device}, {self.what}, {self.dtype}"

    def matches(self, row: Row) -> bool:
        """Say whether a case is of these sizes, on a GPU, in a dtype that may be set beside this one."""
        sizes = ("mode", "seq_len", "batch_size", "hidden_size")
        plain = row["num_layers"] == 1 and not row["bidirectional"] and row["lengths"] in ("full", None)
        same = key_of(row, sizes) == tuple(getattr(self, key) for key in sizes)
        square = row["input_size"] == row["hidden_size"]
        return plain and same and square and row["device"] == GPU and row["dtype"] in AGAINST[self.dtype]


@cache
def _file() -> Any:
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def published() -> list[Published]:
    """Return all published times, in the order of the file."""
    return [Published(**each) for each in _file()["times"]]


def published_tables(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> list[Table]:
    """Return the one table of the cases whose sizes were published; none where no such case has a time.

    Args:
        records: as ``read_results`` returns them.
        manifest: of the run; that of ``records.attrs`` if None.
    """
    rows = [row for row in rows_of(records) if row["device"] == GPU]
    rows.sort(key=lambda row: [rank(key, row[key]) for key in ("implementation", "dtype")])
    beside = {each.heading: (each, [row for row in rows if each.matches(row)]) for each in published()}
    found = [(each, own) for each, own in beside.values() if any(_timed(row) for row in own)]
    if not found:
        return []
    several = [key for key in ("run_id", "threads", "input") if len({row[key] for _, own in found for row in own}) > 1]
    notes = Notes()
    panels, tidy = [], []
    for each, own in found:
        panels.append((each.heading, [(_label(row, several), _cells(row, each, notes)) for row in own]))
        tidy += [_numbers(row, each) for row in own]
    text = Cells("implementation", [("", head) for head in _HEADS], panels)
    header = {name: COLUMNS[name] for name in _OURS} | _THEIRS
    data = csv_text(header, ([row[name] for name in header] for row in tidy))
    given = records.attrs.get("manifest") if manifest is None else manifest
    manifests = provenance.manifests_of(tidy, given)
    identity = provenance.table_id(tidy, manifests, "published")
    cases = list({id(row): row for _, own in found for row in own}.values())
    return [
        Table(
            id=identity,
            caption=(
                "Time of one call in ms: median [95 % interval], beside times that others published for these sizes. "
                "Another machine's time is for orientation: the two were not compared in one run."
            ),
            frame=strings(text),
            tidy=frame(({name: row[name] for name in header} for row in tidy), header),
            notes=[*notes.lines(), *_remarks([each for each, _ in found])],
            footer=provenance.footer(cases, manifests, identity, provenance.content_hash(data)),
            cells=text,
            data=data,
        )
    ]


def _timed(row: Row) -> bool:
    return row["status"] == "ok" and row["time_median_s"] is not None


def _label(row: Row, several: Sequence[str]) -> str:
    return ", ".join(filter(None, [name_of(row), describe({key: row[key] for key in several})]))


def _cells(row: Row, each: Published, notes: Notes) -> list[str]:
    numbers = _numbers(row, each)
    theirs = number(each.seconds * 1e3), number(numbers["published_step_s"] * 1e6)
    if not _timed(row):
        return [row["dtype"], status(row, notes), theirs[0], "–", "–", theirs[1]]
    ours = interval(*(_ms(row[name]) for name in ("time_median_s", "time_low_s", "time_high_s"))) + marked(row, notes)
    return [
        row["dtype"], ours, theirs[0], number(numbers["published_ratio"]), number(numbers["step_s"] * 1e6), theirs[1],
    ]  # fmt: skip


def _ms(seconds: float | None) -> Any:
    return None if seconds is None else seconds * 1e3


def _numbers(row: Row, each: Published) -> Row:
    """Return the case with what was published, and what follows from both."""
    time_s = row["time_median_s"] if _timed(row) else None
    return row | {
        "source": each.source,
        "published_what": each.what,
        "published_device": each.device,
        "published_dtype": each.dtype,
        "published_s": each.seconds,
        "published_ratio": None if time_s is None else each.seconds / time_s,
        "step_s": None if time_s is None else time_s / each.seq_len,
        "published_step_s": each.seconds / each.seq_len,
    }


def _remarks(shown: Sequence[Published]) -> list[str]:
    sources = dict.fromkeys(each.source for each in shown)
    dtypes = dict.fromkeys(each.dtype for each in shown)
    pairs = "; ".join(f"{dtype} stands beside our {' and '.join(AGAINST[dtype])}" for dtype in dtypes)
    return [
        "Orientation, not a comparison in one run: published times are of another machine, other software and another "
        "way of timing, and how wide their intervals are is not known.",
        "published: of training the sum of forward and backward; of DeepBench that of forward, backward to the inputs "
        "and backward to the weights. Above 1, published / ours says that ours took less time. A step is a call's time "
        "over T.",
        f"dtypes: {pairs}.",
        *(f"{source}: {_file()['sources'][source]}" for source in sources),
    ]
