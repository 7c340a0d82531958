"""The figures that every run gets, each with a stable name; large runs are split so that each stays readable."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lstmbench.cell.tolerance import TOLERANCE
from lstmbench.results.record import LEARNING_COLUMNS
from lstmbench.show.devices import GPU, told
from lstmbench.show.drawing.curves import curves
from lstmbench.show.drawing.figure import Figure
from lstmbench.show.drawing.plan import MOST_LINES
from lstmbench.show.drawing.plots import plot
from lstmbench.show.formats import Sentence, slug
from lstmbench.show.labels import (
    SHAPE,
    SHAPE_KEYS,
    Row,
    combinations,
    counted,
    counts,
    describe,
    key_of,
    ordered,
    rows_of,
    shapes,
    varying_keys,
    workload_keys,
)
from lstmbench.show.provenance import manifests_of, table_id
from lstmbench.show.tabulating.learning import is_learning

_COLUMNS = 4
_APART = ("run_id", "device", "dtype", "threads", "num_layers", "batch_size")
"""What differs in these goes to figures of its own, unless it runs along the x axis or stands side by side."""
_MACHINE = ("run_id", "device", "threads")
"""Panels that differ in these stand side by side where there are numbers of several devices."""

_POINTS = 2
"""A line along a size has at least so many points, on average."""

_KINDS: Mapping[str, dict[str, Any]] = {
    "ratio": {"y": "ratio", "title": "Time relative to the base, below 1 is faster"},
    "speed": {"y": "time_median_s", "title": "Time of one call"},
    "allocated": {"y": "allocated_bytes", "title": "Memory allocated by one call", "guide": "formula_bytes"},
    "peak": {"y": "peak_host_bytes", "log": "x", "title": "Peak memory of the process"},
    "device-peak": {"y": "peak_device_bytes", "log": "x", "title": "Peak memory of the device"},
    "output-error": {"y": "output_rel_error", "title": "Rounding error of the outputs"},
    "gradient-error": {"y": "grad_rel_error", "title": "Rounding error of the gradients"},
}


def figures(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> dict[str, Figure]:
    """Return the standard figures by their names, such as ``quick-speed``; those without a point are left out."""
    made, _ = gallery(records, manifest)
    return made


def gallery(
    records: pd.DataFrame, manifest: Mapping[str, Any] | None = None, samples: pd.DataFrame | None = None
) -> tuple[dict[str, Figure], list[str]]:
    """Return the standard figures by their names, and a sentence for each one that has nothing to show.

    Of lessons these are their curves, one figure for each task; they are in the samples, without which there is none.
    """
    rows = rows_of(records)
    manifests = manifests_of(rows, records.attrs.get("manifest") if manifest is None else manifest)
    if is_learning(records):
        return ({} if samples is None else _lessons(records, samples, table_id(rows, manifests, "learning"))), []
    found: dict[str, Figure] = {}
    absent: dict[str, list[str]] = {}
    for kind, options in _KINDS.items():
        if kind == "device-peak" and all(row["peak_device_bytes"] is None for row in rows):
            continue  # no device but the host was used
        for part in _parts(rows, kind, options["y"]):
            identity = table_id(rows, manifests, f"{kind}{part.suffix}")
            if _measured(part.rows, options["y"]):
                found[identity] = _one(identity, part, options)
            else:
                absent.setdefault(counts(counted(part.rows)), []).append(identity)
    return found, [f"Nothing to draw ({why}): {', '.join(names)}." for why, names in absent.items()]


def _lessons(records: pd.DataFrame, samples: pd.DataFrame, stem: str) -> dict[str, Figure]:
    whole = records.reindex(columns=[*dict.fromkeys([*records.columns, *LEARNING_COLUMNS])])  # where all failed, few
    found = {}
    for task in records["task"].dropna().unique():
        figure = curves(samples, whole, [task])
        if isinstance(figure, Figure):
            figure.id = f"{stem}-{slug(task)}"
            found[figure.id] = figure
    return found


def series(records: pd.DataFrame, y: str, **options: Any) -> list[Figure | Sentence]:
    """Return figures of any quantity, split into panels and pages as the standard figures are.

    Where no case has a number in ``y``, it is a sentence that says so.

    Args:
        records: as ``read_results`` returns them.
        y: the name of a column.
        options: as for ``plot``; the title and the like of a standard figure are kept where they are not given.

    Raises:
        LstmbenchError: if there are no records, or no column ``y``.
    """
    kind, usual = next(((kind, each) for kind, each in _KINDS.items() if each["y"] == y), (slug(y), {"y": y}))
    rows = rows_of(records, [y])
    shown = [part for part in _parts(rows, kind, y) if _measured(part.rows, y)]
    if not shown:
        return [Sentence(f"There is nothing to draw: no case has a number in `{y}` ({counts(counted(rows))}).")]
    manifests = manifests_of(rows, records.attrs.get("manifest"))
    return [_one(table_id(rows, manifests, f"{kind}{part.suffix}"), part, usual | options) for part in shown]


def device_peaks(records: pd.DataFrame) -> list[Figure | Sentence]:
    """Return the figures of the device's peak memory; the sentence that says so where no row is a GPU's."""
    return series(records, "peak_device_bytes") if (records["device"] == GPU).any() else [told(records)]


def _measured(rows: Sequence[Row], y: str) -> list[Row]:
    return [row for row in rows if row["status"] == "ok" and row[y] is not None]


@dataclass(frozen=True)
class _Part:
    """The rows of one figure, with the end of its name and its x axis."""

    rows: list[Row]
    suffix: str
    x: str


def _one(identity: str, part: _Part, options: Mapping[str, Any]) -> Figure:
    options = dict(options)
    tolerances = {TOLERANCE.get(str(row["dtype"])) for row in part.rows}
    tolerance = tolerances.pop() if len(tolerances) == 1 else None
    if options["y"].endswith("rel_error") and tolerance is not None:
        options["line"] = (f"tolerance {tolerance:.0e}", tolerance)
    bases = {row["ratio_to"] for row in part.rows if row["ratio_to"]}
    if options["y"] == "ratio" and len(bases) == 1:
        options["title"] = f"Time relative to {bases.pop()}, below 1 is faster"
    panels = varying_keys(part.rows, *_along(part.x))
    columns = [key for key in panels if key not in ("mode", *_MACHINE)] + [key for key in _MACHINE if key in panels]
    figure = plot(pd.DataFrame(part.rows), x=part.x, row="mode" if "mode" in panels else None, col=columns, **options)
    figure.id = identity
    return figure


def _parts(rows: list[Row], kind: str, y: str) -> Iterator[_Part]:
    """Yield what goes to each figure of a kind."""
    if kind == "gradient-error":
        rows = [row for row in rows if row["mode"] != "inference"]
    if kind == "device-peak":
        rows = [row for row in rows if row["device"] != "cpu"]  # which has no memory apart from the host's
    if not rows:
        return
    x = _x_axis(rows)
    if x == SHAPE:
        rows = [row | {SHAPE: shape} for row, shape in zip(rows, shapes(rows), strict=True)]
    beside = _beside(rows, y)
    apart = [key for key in varying_keys(rows, *_along(x)) if key in _APART and key not in beside]
    for group in combinations(rows, apart):
        inside = [row for row in rows if key_of(row, apart) == group]
        suffix = f"-{slug(describe(dict(zip(apart, group, strict=True))))}" if apart else ""
        names = _chunks(inside)
        for number, chosen in enumerate(names, 1):
            some = [row for row in inside if row["implementation"] in chosen]
            columns = varying_keys(some, *_along(x), "mode", *beside)
            values = combinations(some, columns)
            across = max(1, _COLUMNS // len(combinations(some, beside)))
            pages = [values[start : start + across] for start in range(0, len(values), across)]
            for page_number, page in enumerate(pages, 1):
                end = suffix
                end += f"-part-{number}" if len(names) > 1 else ""
                end += f"-page-{page_number}" if len(pages) > 1 else ""
                yield _Part([row for row in some if key_of(row, columns) in page], end, x)


def _beside(rows: Sequence[Row], y: str) -> list[str]:
    """Return the columns whose values stand side by side: the device, where several have numbers, and what it decides.

    A GPU's cases may have another number of threads than a CPU's: that is no reason for a figure of its own.
    """
    if len(combinations(_measured(rows, y), ["device"])) < 2:
        return []
    devices = len(combinations(rows, ["device"]))
    return [key for key in _MACHINE if len(combinations(rows, ["device", key])) == devices]


def _x_axis(rows: Sequence[Row]) -> str:
    """Return the size along which lines have most points; sequence length where it has as many as another.

    Where lines would have hardly more than one point along any size, it is the workloads' shapes, side by side.
    """
    best, most = "seq_len", 0.0
    for x in ("seq_len", "batch_size", "hidden_size"):
        others = [key for key in workload_keys(rows) if key != x]
        points = len(rows) / len(combinations(rows, ["implementation", *others]))
        if points > most:
            best, most = x, points
    scattered = most < _POINTS and len(set(shapes(rows))) > 1
    return SHAPE if scattered else best


def _along(x: str) -> tuple[str, ...]:
    """Return the columns that an x axis shows."""
    return (SHAPE, *SHAPE_KEYS) if x == SHAPE else (x,)


def _chunks(rows: Sequence[Row]) -> list[list[str]]:
    """Return the implementations of each figure: no more than fit, the base of the ratios in each of them."""
    names = ordered("implementation", (row["implementation"] for row in rows))
    if len(names) <= MOST_LINES:
        return [names]
    bases = [name for name in names if any(row["ratio_to"] == name for row in rows)]
    others = [name for name in names if name not in bases]
    size = max(1, MOST_LINES - len(bases))
    return [[*bases, *others[start : start + size]] for start in range(0, len(others), size)]
