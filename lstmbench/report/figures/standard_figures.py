"""The figures that every run gets, with stable names; large runs are split to stay readable."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import pandas as pd

from lstmbench.core.tolerance import TOLERANCE
from lstmbench.report.figures.faceted_plot import draw
from lstmbench.report.figures.figure import Figure
from lstmbench.report.figures.figure_data import MAX_LINES, case_keys, facets
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
LEFT_OUT: Mapping[str, tuple[str, str]] = {
    "gradient-error": ("mode", "inference"),
    "device-peak": ("device", "cpu"),  # its memory is the host's
}
"""A column, and the value of it whose cases do not belong into this kind of figure."""


def standard_figures(
    records: pd.DataFrame, samples: pd.DataFrame | None = None
) -> tuple[dict[str, Figure], list[str]]:
    """Return the standard figures by their names, and sentences about those without a point.

    Training runs have a figure of learning curves for each task; they need the samples.
    """
    rows = rows_of(records)
    stem = _stem(records, rows)
    if is_training_run(records):
        return ({} if samples is None else _learning_figures(stem, records, samples)), []
    drawn: dict[str, Figure] = {}
    absent: dict[str, list[str]] = {}
    for kind, options in FIGURE_KINDS.items():
        for name, cases, figure in _figures(rows, stem + kind, kind, options):
            if figure is not None:
                drawn[name] = figure
            elif kind != "device-peak":  # without a device, nobody misses its figure
                absent.setdefault(_status_counts(cases), []).append(name)
    return drawn, [f"Nothing to draw ({why}): {', '.join(names)}." for why, names in absent.items()]


def series(records: pd.DataFrame, y: str, **options: Any) -> list[Figure | Sentence]:
    """Return figures of any quantity, split into panels and pages as the standard figures are.

    If no case has a number in ``y``, the list holds a sentence that says so.

    Args:
        records: as ``read_results`` returns them.
        y: the name of a column.
        options: ``log``, ``title``, ``guide`` and ``line`` as for ``plot``; those of the standard
            figure of ``y`` are the defaults.

    Raises:
        LstmbenchError: if there are no records, or no column ``y``.
    """
    rows = rows_of(records, [y])
    kind = next((kind for kind, standard in FIGURE_KINDS.items() if standard["y"] == y), slug(y))
    options = FIGURE_KINDS.get(kind, {"y": y}) | options
    figures = _figures(rows, _stem(records, rows) + kind, kind, options)
    drawn: list[Figure | Sentence] = [figure for *_, figure in figures if figure is not None]
    none = f"There is nothing to draw: no case has a number in `{y}` ({_status_counts(rows)})."
    return drawn or [Sentence(none)]


def device_peaks(records: pd.DataFrame) -> list[Figure | Sentence]:
    """Return the figures of the device's peak memory, or a sentence that no row is of a GPU."""
    on_gpu = (records["device"] == GPU).any()
    return series(records, "peak_device_bytes") if on_gpu else [gpu_coverage(records)]


def _status_counts(rows: Sequence[Row]) -> str:
    return counts(counted(row["status"] for row in rows))


def _stem(records: pd.DataFrame, rows: list[Row]) -> str:
    """Return how the names of all figures of these records begin."""
    return table_id(rows, manifests_of(rows, records.attrs.get("manifest")), "")


def _learning_figures(stem: str, records: pd.DataFrame, samples: pd.DataFrame) -> dict[str, Figure]:
    # If all runs failed, few columns are there
    columns = records.columns.union(list(TRAINING_COLUMNS), sort=False)
    records = records.reindex(columns=columns)
    drawn = {}
    for task in records["task"].dropna().unique():
        if isinstance(figure := learning_curves(samples, records, [task]), Figure):
            figure.id = f"{stem}learning-{slug(task)}"
            drawn[figure.id] = figure
    return drawn


def _figures(
    rows: list[Row], stem: str, kind: str, options: dict[str, Any]
) -> Iterator[tuple[str, list[Row], Figure | None]]:
    """Yield the name, the cases and the figure of each part; None where no case has a number."""
    y = options["y"]
    if kind in LEFT_OUT:
        column, value = LEFT_OUT[kind]
        rows = [row for row in rows if row[column] != value]
    for suffix, cases, panels in _parts(rows, y) if rows else ():
        name = stem + suffix
        if not any(has_number(row, y) for row in cases):
            yield name, cases, None
            continue
        tolerances = {TOLERANCE.get(str(row["dtype"]), 0.0) for row in cases}
        if y.endswith("rel_error") and len(tolerances) == 1 and any(tolerances):
            (tolerance,) = tolerances
            panels["line"] = (f"tolerance {tolerance:.0e}", tolerance)
        figure = draw(facets(cases, **panels | options))
        figure.id = name
        yield name, cases, figure


def _parts(rows: list[Row], y: str) -> Iterator[tuple[str, list[Row], dict[str, Any]]]:
    """Yield the ending of the name, the cases, and the axis and panels of each figure."""
    x = _x_axis(rows)
    shown: tuple[str, ...] = (x,)
    if x == SHAPE:
        rows = [row | {SHAPE: shape} for row, shape in zip(rows, shapes(rows), strict=True)]
        shown = (SHAPE, *SHAPE_KEYS)
    device_columns = _device_columns(rows, y)
    figure_columns = [
        key for key in varying_keys(rows, *shown, *device_columns) if key in OWN_FIGURE
    ]
    for values, group in grouped(rows, figure_columns).items():
        suffix = (
            f"-{slug(describe(dict(zip(figure_columns, values, strict=True))))}"
            if figure_columns
            else ""
        )
        names = ordered("implementation", (row["implementation"] for row in group))
        bases = {row["ratio_to"] for row in group}.intersection(names)
        if len(names) <= MAX_LINES:
            bases = set()  # as all are in one figure, the base is too
        others = [name for name in names if name not in bases]
        for part, chosen in _split(others, max(1, MAX_LINES - len(bases)), "part"):
            chunk = [row for row in group if row["implementation"] in {*bases, *chosen}]
            columns = varying_keys(chunk, *shown, "mode", *device_columns)
            panels = list(grouped(chunk, columns).values())
            across = max(1, MAX_COLUMNS // len(combinations(chunk, device_columns)))
            for page, shown_panels in _split(panels, across, "page"):
                cases = list(chain(*shown_panels))
                differing = varying_keys(cases)
                row = [key for key in ("mode",) if key in differing]
                col = [key for key in (*columns, *device_columns) if key in differing]
                yield suffix + part + page, cases, {"x": x, "row": row, "col": col}


def _split(items: Sequence[Any], size: int, noun: str) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield slices of so many items, behind the ending of a name that numbers several of them."""
    for start in range(0, len(items), size):
        number = f"-{noun}-{start // size + 1}" if len(items) > size else ""
        yield number, items[start : start + size]


def _device_columns(rows: Sequence[Row], y: str) -> list[str]:
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
    lines = {
        x: len(combinations(rows, [key for key in case_keys(rows) if key != x]))
        for x in ("seq_len", "batch_size", "hidden_size")
    }
    best = min(lines, key=lambda x: lines[x])
    return SHAPE if len(rows) < MIN_POINTS * lines[best] and len(set(shapes(rows))) > 1 else best
