"""The page of all runs that answers to a reader: one file with its data, script and charts, that needs no network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from lstmbench.results.record import CASE_COLUMNS, COLUMNS, LEARNING_COLUMNS
from lstmbench.results.store import read_samples
from lstmbench.show import provenance
from lstmbench.show.drawing.styles import Style, style_of
from lstmbench.show.formats import plain
from lstmbench.show.labels import BYTES, SECONDS, WORKLOAD, counts, ordered, phrase, quantity
from lstmbench.show.paging.pages import Summary
from lstmbench.show.tabulating.courses import Line, courses
from lstmbench.show.tabulating.extract import read_shown

SAMPLES_OF_A_CASE: Final = 200
"""No more samples of one case are put into the page, evenly chosen."""

SAMPLES_IN_ALL: Final = 150_000
"""Nor more of all cases: where that would be, each has an equal share."""

DIGITS: Final = 6
"""Significant digits of a number of a record in the page; a sample has four."""

POINTS_OF_A_LINE: Final = 200
"""No more epochs of one line are put into the page, evenly chosen."""

_SCRIPTS: Final = ("data.js", "table.js", "details.js", "plots.js", "courses.js", "main.js")
_MARKERS: Final = {
    "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down", "<": "triangle-left",
    ">": "triangle-right", "o": "circle", "P": "cross", "X": "x", "p": "pentagon", "d": "diamond-tall", "h": "hexagon",
    (3, 1, 0): "star-triangle-up", (4, 1, 45): "star-square", (5, 1, 0): "star", (6, 1, 0): "hexagram",
    (4, 1, 0): "star-diamond",
}  # fmt: skip
_WIDTH: Final = 1.3
"""Pixels for each point of a dash."""


def interactive_page(base: Path, runs: Sequence[Summary]) -> str:
    """Return the page as HTML, with the records of all runs and as many raw samples as fit.

    Args:
        base: the folder of runs.
        runs: that are in it, in the order in which they are shown; those with trouble are listed without records.

    Raises:
        LstmbenchError: if records or samples cannot be read.
    """
    tables, remarks = [], []
    for place, run in enumerate(runs):
        if run.trouble:
            continue
        records, left_out = read_shown(base / run.folder)
        records.attrs = {}
        tables.append(records.assign(run=run.folder, place=place, whole=not left_out))
        remarks += [f"{run.folder}: {left_out}"] if left_out else []
    everything = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*COLUMNS, "run", "whole"])
    taught = everything["task"].notna() if "task" in everything else pd.Series(False, index=everything.index)
    cases = everything[~taught].reset_index(drop=True)
    columns = [name for name in everything.columns if name not in ("place", "whole")]
    names = ordered("implementation", everything["implementation"].dropna())
    data = {
        "cases": _columns(cases, [name for name in columns if name not in LEARNING_COLUMNS]),
        "lessons": _columns(everything[taught], columns),
        "courses": _courses(base, everything[taught]),
        "samples": _samples(base, cases),
        "workload": list(WORKLOAD),
        "about": {name: _about(name, everything[name]) for name in columns},
        "styles": {name: _style(style_of(name)) for name in names},
        "phrases": _phrases(everything),
    }
    return _render(data, [_run(base, run) for run in runs], remarks, len(everything))


def _columns(table: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the columns in which there is anything; texts as places in a list of the distinct ones."""
    found = []
    for name in names:
        column = table[name]
        if not column.notna().any():
            continue
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            found.append({"name": name, "values": [_number(value) for value in column.astype(object)]})
        else:
            codes, words = pd.factorize(column.astype("string"))
            found.append({"name": name, "values": codes.tolist(), "words": [str(word) for word in words]})
    return found


def _number(value: Any, digits: int = DIGITS) -> float | int | bool | None:
    if pd.isna(value):
        return None
    if isinstance(value, float):
        rounded = float(f"{value:.{digits}g}")
        return rounded if abs(rounded) != float("inf") else None
    return value.item() if hasattr(value, "item") else value


def _samples(base: Path, cases: pd.DataFrame) -> dict[int, list[Any]]:
    """Return, by a case's place, how many samples it has, and those that are put into the page.

    These are the processes, each with its number and its seconds, negative where disturbed.
    """
    read = []
    for run in cases.loc[cases["whole"].astype(bool), "run"].unique():
        read.append(read_samples(base / run).assign(run=run))
    if not read:
        return {}
    samples = pd.concat(read, ignore_index=True)
    places = {key: place for place, key in enumerate(_keys(cases))}
    samples["case"] = [places.get(key) for key in _keys(samples)]
    samples = samples.dropna(subset=["case", "seconds"]).astype({"case": int})
    samples = samples.sort_values(["case", "process", "round", "sample"])
    groups = [group for _, group in samples.groupby("case")]
    most = max(1, min(SAMPLES_OF_A_CASE, SAMPLES_IN_ALL // max(1, len(groups))))
    found = {}
    for group in groups:
        thinned = group.iloc[:: -(-len(group) // most)]
        processes = [[int(part["process"].iloc[0]), _signed(part)] for _, part in thinned.groupby("process")]
        found[int(group["case"].iloc[0])] = [len(group), processes]
    return found


def _signed(samples: pd.DataFrame) -> list[Any]:
    pairs = zip(samples["seconds"], samples["disturbed"].fillna(False), strict=True)
    return [_number(-float(seconds) if disturbed else float(seconds), 4) for seconds, disturbed in pairs]


def _courses(base: Path, lessons: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how each task of each run went, as its figure shows it."""
    found = []
    for run in lessons.loc[lessons["whole"].astype(bool), "run"].unique():
        for course in courses(read_samples(base / run), lessons[lessons["run"] == run]):
            said = asdict(course) | {"run": run, "lines": [_thinned(line) for line in course.lines]}
            said["score"] = course.score and [_number(each) for each in course.score]
            said["baselines"] = {name: _number(score) for name, score in course.baselines.items()}
            found.append(said)
    return found


def _thinned(line: Line) -> dict[str, Any]:
    step = -(-len(line.updates) // POINTS_OF_A_LINE)
    scores = {name: getattr(line, name)[::step] for name in ("mean", "least", "most")}
    rounded = {name: [_number(each, 4) for each in values] for name, values in scores.items()}
    return asdict(line) | {"updates": [int(each) for each in line.updates[::step]]} | rounded


def _keys(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return what tells the rows' cases apart."""
    texts = (table[name].astype("string").fillna("") for name in ("run", *CASE_COLUMNS))
    return list(zip(*texts, strict=True))


def _about(name: str, column: "pd.Series[Any]") -> dict[str, Any]:
    """Return what a column is called, how its values are shown, and where its interval is."""
    is_text = not pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    known = quantity(name)
    kind = {id(SECONDS): "s", id(BYTES): "bytes"}.get(id(known.units), "number")
    if pd.api.types.is_bool_dtype(column):
        kind = "yes"
    return {"name": known.name, "kind": "text" if is_text else kind, "low": known.low, "high": known.high}


def _style(style: Style) -> dict[str, str]:
    dashes = ",".join(f"{_WIDTH * length:.1f}px" for length in style.dashes)
    return {"color": style.color, "dash": dashes or "solid", "symbol": _MARKERS.get(style.marker, "circle")}


def _phrases(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return each value of a workload's columns as it stands in a caption, in order."""
    return {
        name: {_text(value): phrase(name, value) for value in ordered(name, table[name].dropna().astype(object))}
        for name in WORKLOAD
        if name in table
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or str(value) in ("True", "False") else str(value)


def _run(base: Path, run: Summary) -> dict[str, Any]:
    """Return what the page says about a run; links as names of files below it."""
    manifest: Mapping[str, Any] = run.manifest
    notebooks = {path.stem: path.name for path in sorted((base / run.folder / "notebooks").glob("*.ipynb"))}
    notebooks |= {path.stem: path.name for path in sorted((base / run.folder / "notebooks").glob("*.html"))}
    return {
        "folder": run.folder,
        "trouble": run.trouble,
        "date": provenance.date(manifest),
        "suite": provenance.suite_of([], [manifest]),
        "machine": provenance.machine(manifest),
        "versions": provenance.versions(manifest),
        "noise": provenance.noise_floor(manifest),
        "cases": counts(run.statuses) + ("" if manifest.get("complete", True) else "; not finished"),
        "notebooks": notebooks,
    }


def _render(data: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], remarks: Sequence[str], cases: int) -> str:
    folder = files("lstmbench.show.paging") / "page"

    def part(*names: str) -> Markup:
        return Markup("\n".join((folder / name).read_text(encoding="utf-8").strip() for name in names))

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_on_one_line)
    return environment.from_string(part("page.html")).render(
        style=part("page.css"),
        charts=part("plotly-basic.min.js"),
        script=part(*_SCRIPTS),
        data=_embedded(data),
        runs=runs,
        remarks=remarks,
        cases=cases,
        samples_of_a_case=SAMPLES_OF_A_CASE,
        digits=DIGITS,
    )


def _on_one_line(value: Any) -> Any:
    return value if isinstance(value, Markup) else plain(value)


def _embedded(data: Mapping[str, Any]) -> Markup:
    """Return JSON that cannot end the element that it stands in, whatever its texts are."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
