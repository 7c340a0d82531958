"""The figures that every run gets, with stable names; large runs are split to stay readable."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from lstmbench.core.tolerance import TOLERANCE
from lstmbench.report.figures.faceted_plot import plot
from lstmbench.report.figures.figure import Figure
from lstmbench.report.figures.figure_data import MAX_LINES
from lstmbench.report.figures.training_figures import learning_curves
from lstmbench.report.gpu_coverage import GPU, gpu_coverage
from lstmbench.report.labels import (
    SHAPE,
    SHAPE_KEYS,
    Row,
    combinations,
    counted,
    counts,
    describe,
    grouped,
    ordered,
    rows_of,
    shapes,
    varying,
    varying_keys,
    workload_keys,
)
from lstmbench.report.number_format import Sentence, slug
from lstmbench.report.provenance import manifests_of, table_id
from lstmbench.report.tables.cells import has_number
from lstmbench.report.tables.training_tables import is_training_run
from lstmbench.results.schema import TRAINING_COLUMNS

MAX_COLUMNS = 4
"""Columns of panels that find room on a page."""
MIN_POINTS = 2
"""Points per line, on average, below which an x axis of sizes is not worth it."""
OWN_FIGURE = ("run_id", "device", "dtype", "threads", "num_layers", "batch_size")
"""Each value of these gets a figure of its own, unless the x axis or columns of panels show it."""
MACHINE = ("run_id", "device", "threads")
"""Each value of these gets a column of panels if several devices have numbers."""

FIGURE_KINDS: Mapping[str, dict[str, Any]] = {
    "ratio": {"y": "ratio"},
    "speed": {"y": "time_median_s"},
    "allocated": {
        "y": "allocated_bytes",
        "title": "Memory allocated by one call",
        "guide": "formula_bytes",
    },
    "peak": {"y": "peak_host_bytes", "log": "x", "title": "Peak memory of the process"},
    "device-peak": {"y": "peak_device_bytes", "log": "x", "title": "Peak memory of the device"},
    "output-error": {"y": "output_rel_error", "title": "Rounding error of the outputs"},
    "gradient-error": {"y": "grad_rel_error", "title": "Rounding error of the gradients"},
}
"""The options of ``plot`` for each kind of standard figure."""


def standard_figures(
    records: pd.DataFrame, samples: pd.DataFrame | None = None
) -> tuple[dict[str, Figure], list[str]]:
    """Return the standard figures by their names, and sentences about those without a point.

    Training runs have a figure of learning curves for each task; they need the samples.
    """
    if is_training_run(records):
        return ({} if samples is None else _learning_figures(records, samples)), []
    drawn: dict[str, Figure] = {}
    absent: dict[str, list[str]] = {}
    for kind, options in FIGURE_KINDS.items():
        for name, rows, figure in _figures(records, kind, options):
            if figure is not None:
                drawn[name] = figure
            elif kind != "device-peak":  # without a device, nobody misses its figure
                absent.setdefault(_status_counts(rows), []).append(name)
    return drawn, [f"Nothing to draw ({why}): {', '.join(names)}." for why, names in absent.items()]


def series(records: pd.DataFrame, y: str, **options: Any) -> list[Figure | Sentence]:
    """Return figures of any quantity, split into panels and pages as the standard figures are.

    If no case has a number in ``y``, the list holds a sentence that says so.

    Args:
        records: as ``read_results`` returns them.
        y: the name of a column.
        options: as for ``plot``; those of the standard figure of ``y`` are the defaults.

    Raises:
        LstmbenchError: if there are no records, or no column ``y``.
    """
    kind = next((kind for kind, standard in FIGURE_KINDS.items() if standard["y"] == y), slug(y))
    figures = _figures(records, kind, FIGURE_KINDS.get(kind, {"y": y}) | options)
    drawn: list[Figure | Sentence] = [figure for *_, figure in figures if figure is not None]
    statuses = _status_counts(rows_of(records))
    none = f"There is nothing to draw: no case has a number in `{y}` ({statuses})."
    return drawn or [Sentence(none)]


def device_peaks(records: pd.DataFrame) -> list[Figure | Sentence]:
    """Return the figures of the device's peak memory, or a sentence that no row is of a GPU."""
    on_gpu = (records["device"] == GPU).any()
    return series(records, "peak_device_bytes") if on_gpu else [gpu_coverage(records)]


def _status_counts(rows: Sequence[Row]) -> str:
    return counts(counted(row["status"] for row in rows))


def _name(records: pd.DataFrame, rows: list[Row], kind: str) -> str:
    return table_id(rows, manifests_of(rows, records.attrs.get("manifest")), kind)


def _learning_figures(records: pd.DataFrame, samples: pd.DataFrame) -> dict[str, Figure]:
    stem = _name(records, rows_of(records), "learning")
    columns = dict.fromkeys([*records.columns, *TRAINING_COLUMNS])
    records = records.reindex(columns=list(columns))  # if all runs failed, few columns are there
    drawn = {}
    for task in records["task"].dropna().unique():
        if isinstance(figure := learning_curves(samples, records, [task]), Figure):
            figure.id = f"{stem}-{slug(task)}"
            drawn[figure.id] = figure
    return drawn


def _figures(
    records: pd.DataFrame, kind: str, options: Mapping[str, Any]
) -> Iterator[tuple[str, list[Row], Figure | None]]:
    """Yield the name, the rows and the figure of each part; None where no row has a number."""
    y = options["y"]
    rows = rows_of(records, [y])
    for suffix, part, panels in _parts(rows, kind, y):
        name = _name(records, rows, f"{kind}{suffix}")
        if not any(has_number(row, y) for row in part):
            yield name, part, None
            continue
        line = {}
        tolerances = {TOLERANCE.get(str(row["dtype"]), 0.0) for row in part}
        if y.endswith("rel_error") and len(tolerances) == 1 and any(tolerances):
            (tolerance,) = tolerances
            line["line"] = (f"tolerance {tolerance:.0e}", tolerance)
        figure = plot(pd.DataFrame(part), **panels | dict(options) | line)
        figure.id = name
        yield name, part, figure


def _parts(rows: list[Row], kind: str, y: str) -> Iterator[tuple[str, list[Row], dict[str, Any]]]:
    """Yield for each figure the end of its name, its rows, and its axis and panels for ``plot``."""
    if kind == "gradient-error":
        rows = [row for row in rows if row["mode"] != "inference"]
    if kind == "device-peak":
        rows = [row for row in rows if row["device"] != "cpu"]  # its memory is the host's
    if not rows:
        return
    x = _x_axis(rows)
    shown: tuple[str, ...] = (x,)
    if x == SHAPE:
        rows = [row | {SHAPE: shape} for row, shape in zip(rows, shapes(rows), strict=True)]
        shown = (SHAPE, *SHAPE_KEYS)
    beside = _side_by_side(rows, y)
    apart = [key for key in varying_keys(rows, *shown, *beside) if key in OWN_FIGURE]
    for values, group in grouped(rows, apart).items():
        suffix = f"-{slug(describe(dict(zip(apart, values, strict=True))))}" if apart else ""
        chunks = _chunks(group)
        for number, names in enumerate(chunks, 1):
            chunk = [row for row in group if row["implementation"] in names]
            part = f"-part-{number}" if len(chunks) > 1 else ""
            columns = varying_keys(chunk, *shown, "mode", *beside)
            panels = list(grouped(chunk, columns).values())
            across = max(1, MAX_COLUMNS // len(combinations(chunk, beside)))
            for start in range(0, len(panels), across):
                page = f"-page-{start // across + 1}" if len(panels) > across else ""
                page_rows = [row for panel in panels[start : start + across] for row in panel]
                differing = varying_keys(page_rows)
                row = [key for key in ("mode",) if key in differing]
                col = [key for key in (*columns, *beside) if key in differing]
                yield suffix + part + page, page_rows, {"x": x, "row": row, "col": col}


def _side_by_side(rows: Sequence[Row], y: str) -> list[str]:
    """Return what is shown side by side: the device if several have numbers, and what it decides.

    A GPU's cases may have another number of threads than a CPU's: that is no reason for a figure of
    its own.
    """
    if not varying([row for row in rows if has_number(row, y)], ["device"]):
        return []
    devices = len(combinations(rows, ["device"]))
    return [key for key in MACHINE if len(combinations(rows, ["device", key])) == devices]


def _x_axis(rows: Sequence[Row]) -> str:
    """Return the size along which lines have most points, of equal ones the sequence length.

    If lines would have hardly more than one point along any size, it is the workloads' shapes, side
    by side.
    """
    keys = ("implementation", *workload_keys(rows))
    lines = {
        x: len(combinations(rows, [key for key in keys if key != x]))
        for x in ("seq_len", "batch_size", "hidden_size")
    }
    best = min(lines, key=lambda x: lines[x])
    return SHAPE if len(rows) < MIN_POINTS * lines[best] and len(set(shapes(rows))) > 1 else best


def _chunks(rows: Sequence[Row]) -> list[list[str]]:
    """Return the implementations of each figure: at most ``MAX_LINES``, always with the base."""
    names = ordered("implementation", (row["implementation"] for row in rows))
    if len(names) <= MAX_LINES:
        return [names]
    bases = [name for name in names if any(row["ratio_to"] == name for row in rows)]
    others = [name for name in names if name not in bases]
    size = max(1, MAX_LINES - len(bases))
    return [[*bases, *others[start : start + size]] for start in range(0, len(others), size)]
