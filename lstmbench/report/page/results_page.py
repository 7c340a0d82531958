"""The page of all runs: one HTML file with its data, scripts and charts, which needs no network.

All numbers and words are formatted here; the scripts filter, sort and draw what they are given.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from lstmbench.report import provenance
from lstmbench.report.labels import WORKLOAD, ordered, phrase, quantity
from lstmbench.report.number_format import interval, pick_unit
from lstmbench.report.page.plotly_figures import Json, axis, learning_panel, line_style, rounded
from lstmbench.report.page.readme_pages import NO_RUNS, Summary, executed_notebooks
from lstmbench.report.tables.learning_curves import curves_by_task
from lstmbench.report.tables.shown_records import read_shown
from lstmbench.results.schema import BYTES, CASE_COLUMNS, COLUMNS, SECONDS
from lstmbench.results.store import read_samples

MAX_SAMPLES_PER_CASE: Final = 200
"""Maximum number of samples of one case, evenly chosen: its plot shows no more apart."""
MAX_SAMPLES: Final = 150_000
"""Maximum number of samples of all cases, about 2 MB of text; each case has an equal share."""
DIGITS: Final = 6
"""Significant digits of a number in the page and its CSV files; a sample has four."""

GROUPS: Final = ("run", *WORKLOAD)
"""What a panel of the plots is for, but for the size on its axis."""
SHOWN: Final = (
    "task", "cell", "implementation", *GROUPS, "variant", "seed", "status", "time_median_s",
    "ratio", "first_call_s", "peak_host_bytes", "peak_device_bytes", "allocated_bytes",
    "output_rel_error",
    "grad_rel_error", "roofline_fraction", "samples", "metric", "score", "solved", "best_epoch",
    "epochs", "updates", "epoch_s", "ended", "error",
)  # fmt: skip
"""The columns that the page's tables show at first, in their order."""

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
"""What the page may load: nothing but what stands in it."""
NOTES: Final = {
    "filters": "Leave a filter empty to show everything. "
    "The address of this page keeps the choice.",
    "plots": "Bars are 95 % intervals. Click a point to see its raw samples. With the keyboard: "
    "Tab to a plot, ← → along a line, ↑ ↓ from line to line, and Enter for the samples.",
    "scores": "Score on the validation data after each epoch, mean over seeds. A band holds all "
    "seeds; the lines of plain RNNs are thin. Star: the LSTM on the test data, with its 95 % "
    "interval over seeds. Dotted: baselines on the same data. The keyboard works as above.",
    "samples": "in the order in which they were taken, one process after the other. Hollow: taken "
    "while the machine was disturbed.",
    "about": "Made from the records alone by `lstmbench table`: the same records give the same "
    "bytes. Nothing is loaded from a network. Numbers are rounded to "
    f"{DIGITS} digits; at most {MAX_SAMPLES_PER_CASE} raw samples of a case, evenly chosen, are "
    "here, to 4 digits. `records.csv` and `samples.parquet` in a run's folder hold all in full. "
    "Each run's page and the project's README say how a number is made, and what makes it fair. "
    "Charts by plotly.js (MIT licence).",
}
"""What the page says about its parts."""


def results_page(base: Path, runs: Sequence[Summary]) -> str:
    """Return the page as HTML, with the records of all runs and as many raw samples as fit.

    Args:
        base: the folder of runs.
        runs: those in it, as they are to be shown. One with trouble is listed without records.

    Raises:
        LstmbenchError: if records or samples cannot be read.
    """
    tables = []
    remarks = []
    samples = {}
    for run in runs:
        if run.trouble:
            continue
        folder = base / run.folder
        records, left_out = read_shown(folder)
        records.attrs = {}
        tables.append(records.assign(run=run.folder))
        if left_out:
            remarks.append(f"{run.folder}: {left_out}")
        else:
            samples[run.folder] = read_samples(folder)
    rows = pd.concat(tables or [pd.DataFrame()], ignore_index=True)
    rows = rows.reindex(columns=rows.columns.union([*COLUMNS, "run", "task"], sort=False))
    is_training = rows["task"].notna()
    order = [*GROUPS, "implementation"]
    cases = rows[~is_training].sort_values(order, key=_in_order, ignore_index=True)
    data = {
        "cases": _columns(cases),
        "scores": _columns(rows[is_training]),
        "samples": _samples(cases, samples),
        "learning_curves": [
            learning_panel(curve, run)
            for run, taken in samples.items()
            for curve in curves_by_task(taken, rows[is_training & (rows["run"] == run)])
        ],
        "styles": {name: line_style(name) for name in cases["implementation"].dropna().unique()},
    }
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.from_string(_source("results.html.j2")).render(
        data=data | json.loads(_source("plotly.json")),
        runs=runs,
        provenance=provenance,
        notebooks={run.folder: executed_notebooks(base / run.folder) for run in runs},
        remarks=remarks,
        policy=POLICY,
        notes=NOTES,
        no_runs=NO_RUNS,
        rows=len(rows),
        source=_source,
    )


def _source(name: str) -> Markup:
    """Return a part of the page, as it stands in its file."""
    return Markup((files("lstmbench.report.page") / "static" / name).read_text(encoding="utf-8"))


def _in_order(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Order runs as they are given and all else as in the tables, since panels follow the rows."""
    values = column.unique() if column.name == "run" else ordered(str(column.name), column.dropna())
    return pd.Series(pd.Categorical(column, values, ordered=True), column.index)


def _columns(table: pd.DataFrame) -> list[Json]:
    """Return the columns in which there is anything, those of the page's table first."""
    names = dict.fromkeys([*SHOWN, *table])
    return [_column(table, name) for name in names if name in table and table[name].notna().any()]


def _column(table: pd.DataFrame, name: str) -> Json:
    """Return a column as the scripts take it: how it is shown, and each row's value and text.

    Where only values come, they are the texts.
    """
    known = quantity(name)
    values = _values(table, name)
    texts = None
    is_number = pd.api.types.infer_dtype(values) in ("integer", "floating", "mixed-integer-float")
    if name in WORKLOAD:
        texts = [phrase(name, value) for value in values]
    elif is_number:
        low, high = _values(table, known.low), _values(table, known.high)
        rows = zip(values, low, high, strict=True)
        texts = [_text(known.units, *row) for row in rows]
    if not is_number:
        values = [value if value is None else str(value) for value in values]
    is_chosen = name in ("implementation", "status", *GROUPS)
    return {
        "name": name,
        "label": known.label,
        "values": values,
        "texts": texts,
        "choices": ordered(name, {*(texts or values)} - {None}) if is_chosen else [],
        "is_number": is_number,
        "is_group": name in GROUPS,
        "is_shown": name in SHOWN,
        "low": known.low,
        "high": known.high,
        "scale": BYTES["MiB"] if known.units == BYTES else 1,
        "axis": axis(known, values),
    }


def _values(table: pd.DataFrame, name: str | None) -> list[Any]:
    """Return a column as plain Python values, None where there is none."""
    if name is None or name not in table:
        return [None] * len(table)
    column = table[name].astype(object)
    return rounded(column.where(column.notna(), None), DIGITS)


def _text(units: Mapping[str, float], value: Any, low: Any = None, high: Any = None) -> str:
    """Return a number in the unit that fits it, with its interval if it has one."""
    if value is None:
        return "–"
    if units not in (SECONDS, BYTES):
        units = {"": 1.0}
        if isinstance(value, int):
            return str(value)
        if value and not 1e-3 <= abs(value) < 1e6:
            return f"{value:.2e}"
    unit = pick_unit([value], units)
    scaled = (end and end * units[unit] for end in (value, low, high))
    return f"{interval(*scaled)} {unit}".strip()


def _samples(cases: pd.DataFrame, samples: Mapping[str, pd.DataFrame]) -> dict[str, Json]:
    """Return the raw samples by the row of their case, and a summary of each process."""
    if not samples:
        return {}
    keys = ["run", *CASE_COLUMNS]
    taken = pd.concat([table.assign(run=run) for run, table in samples.items()], ignore_index=True)
    taken = cases[keys].rename_axis("case").reset_index().merge(taken, on=keys)
    taken = taken.sort_values(["case", "process", "round", "sample"]).fillna({"disturbed": False})
    by_case = taken[["case", "process", "seconds", "disturbed"]].dropna().groupby("case")
    share = max(1, min(MAX_SAMPLES_PER_CASE, MAX_SAMPLES // max(1, by_case.ngroups)))
    samples_of = {}
    for case, own in by_case:
        chosen = own.iloc[:: -(-len(own) // share)]
        extent = f"{len(chosen)} of {len(own)}, evenly chosen,"
        if len(chosen) == len(own):
            extent = f"All {len(own)}"
        processes = [_process(process, part) for process, part in chosen.groupby("process")]
        samples_of[str(case)] = {"extent": f"{extent} samples", "processes": processes}
    return samples_of


def _process(process: Any, samples: pd.DataFrame) -> Json:
    seconds = samples["seconds"].astype(float)
    disturbed = samples["disturbed"].to_numpy(bool).nonzero()[0].tolist()
    times = [_text(SECONDS, time) for time in seconds.quantile([0, 0.5, 1])]
    return {
        "process": int(process),
        "seconds": rounded(seconds, 4),
        "disturbed": disturbed,
        "summary": [str(process), str(len(seconds)), str(len(disturbed)), *times],
    }
