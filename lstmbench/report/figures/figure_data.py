"""A figure as data and in words: points by panel and line, labels, cases without a point."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.labels import (
    SHAPE,
    SHAPE_KEYS,
    SIZES,
    Row,
    combinations,
    counted,
    counts,
    describe,
    grouped,
    is_square,
    key_of,
    ordered,
    quantity,
    shared,
    status_words,
    symbol,
    varying,
    workload_keys,
)
from lstmbench.report.number_format import number, pick_unit, plain, plural, shorten

Line = tuple[str, float]

MAX_LINES = 8
"""More lines in a panel can hardly be told apart."""
MAX_NOTES = 6
"""Kinds of missing cases that are listed below a figure."""
MAX_VALUES = 3
"""Values of the x axis that are listed for one kind of missing cases."""
COINCIDING = 0.01
"""Lines that differ by less than this fraction hide each other, so the figure names them."""
ORDERED = (*SIZES, "threads")
"""Columns along which points may be joined by a line."""


@dataclass(frozen=True)
class FigureData:
    """A figure as data.

    Attributes:
        points: one row per case: ``row``, ``col`` and ``hue`` are places in the lists below,
            ``hue`` is -1 for a line without any number; ``x``; ``y`` with its interval, ``low`` and
            ``high``, and ``guide``, all in the unit of the y axis and NaN where there is no number.
        rows, cols: titles of the rows and columns of panels; one empty title if there is only one.
        hue: the column whose values are the lines.
        hues: its values.
        x: the column on the x axis.
        ticks: words for the places 0, 1, ... on the x axis; None if it shows numbers.
        y_label: the y axis with its unit; for a ratio, what is 1.
        guide: label of the guide, if there is one.
        line: label of a line across every panel, and its height in the unit of the y axis.
        title: of the figure.
        log: the axes that are logarithmic.
        constants: what all points have in common, as a phrase.
        remarks: which lines cannot be told apart, and which cases have no point.
    """

    points: pd.DataFrame
    rows: list[str]
    cols: list[str]
    hue: str
    hues: list[Any]
    x: str
    ticks: list[str] | None
    y_label: str
    guide: str | None
    line: Line | None
    title: str
    log: str
    constants: str
    remarks: list[str]

    @property
    def joined(self) -> bool:
        """Whether points are joined: the x axis is ordered and has several values."""
        return self.x in ORDERED and self.ticks is None

    @property
    def x_label(self) -> str:
        """The x axis with its unit."""
        column = quantity(self.x)
        unit = next(iter(column.units))
        return f"{column.label} ({unit})" if unit else column.label

    def transposed(self) -> "FigureData":
        """Return the figure with its columns of panels as rows."""
        points = self.points.rename(columns={"row": "col", "col": "row"})
        return replace(self, points=points, rows=self.cols, cols=self.rows)


def facets(
    cases: Sequence[Row],
    x: str = "seq_len",
    y: str = "time_median_s",
    hue: str = "implementation",
    col: Sequence[str] = (),
    row: Sequence[str] = (),
    log: str = "xy",
    title: str | None = None,
    guide: str | None = None,
    line: Line | None = None,
) -> FigureData:
    """Return what ``plot`` shows of these cases with these arguments.

    Raises:
        LstmbenchError: as for ``plot``.
    """
    panels = [*col, *row]
    points = _numbers(cases, y, guide, "y" in log)
    drawn = points["y"].notna()
    known = list(compress(cases, drawn))
    if not known:
        statuses = counts(counted(case["status"] for case in cases))
        raise LstmbenchError(f"There is nothing to draw: no case has a number in {y} ({statuses}).")
    keys = [key for key in case_keys(cases) if key not in (x, hue, *panels)]
    _check_lines(cases, x, hue, panels, keys)
    hues = ordered(hue, (case[hue] for case in known))
    if len(hues) > MAX_LINES:
        raise LstmbenchError(
            f"A panel holds at most {MAX_LINES} lines, but {hue} has {len(hues)} values here: "
            "choose some of them."
        )
    column = quantity(y)
    unit = pick_unit(points["y"].abs(), column.units)
    factor = column.units[unit]
    points *= factor
    values = ordered(x, (case[x] for case in cases))
    numeric = len(values) > 1 and all(isinstance(value, int | float) for value in values)
    points["x"] = [case[x] if numeric else values.index(case[x]) for case in cases]
    points["hue"] = [hues.index(case[hue]) if case[hue] in hues else -1 for case in cases]
    rows, points["row"] = _panels(cases, row)
    cols, points["col"] = _panels(cases, col)
    points = points.sort_values("x", kind="stable", ignore_index=True)
    usual_title = column.label[:1].upper() + column.label[1:]
    if y == "ratio":
        bases = {case["ratio_to"] for case in known}
        base = bases.pop() if len(bases) == 1 else None
        usual_title = f"Time relative to {base or 'the base'}, below 1 is faster"
        unit = f"{shorten(base, 40)} = 1" if base else unit
    remarks = {
        "Coinciding lines": _coinciding(points, hues),
        "Not drawn": _missing(compress(cases, ~drawn), x, hue, y),
    }
    return FigureData(
        points=points,
        rows=rows,
        cols=cols,
        hue=hue,
        hues=hues,
        x=x,
        ticks=None if numeric else [*map(str, values)],
        y_label=f"{column.label} ({unit})",
        guide=guide.split("_")[0] if guide and points["guide"].notna().any() else None,
        line=line and (line[0], line[1] * factor),
        title=plain(title or usual_title),
        log=log,
        constants=plain(describe(shared(cases, keys), is_square(cases))),
        remarks=[f"{name}: {'; '.join(phrases)}." for name, phrases in remarks.items() if phrases],
    )


def _numbers(cases: Sequence[Row], y: str, guide: str | None, positive: bool) -> pd.DataFrame:
    """Return ``y``, ``low``, ``high`` and ``guide`` of each case, NaN where nothing is drawn."""
    column = quantity(y)
    sources = {"y": y, "low": column.low, "high": column.high, "guide": guide}
    numbers = pd.DataFrame(
        {name: [case.get(source or "") for case in cases] for name, source in sources.items()}
    )
    numbers = numbers.apply(pd.to_numeric, errors="coerce").astype(float)
    drawn = np.isfinite(numbers["y"]) & np.array([case["status"] == "ok" for case in cases])
    if positive:
        drawn &= numbers["y"] > 0
    numbers.loc[~drawn, ["y", "low", "high"]] = np.nan
    return numbers


def case_keys(cases: Sequence[Row]) -> list[str]:
    """Return the columns that tell cases apart."""
    return ["implementation", *workload_keys(cases)]


def _panels(cases: Sequence[Row], keys: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the titles of the rows or columns of panels, and the place of each case among them."""
    values = combinations(cases, keys)
    titles = [describe(dict(zip(keys, value, strict=True)), is_square(cases)) for value in values]
    return titles, [values.index(key_of(case, keys)) for case in cases]


def _check_lines(
    cases: Sequence[Row], x: str, hue: str, panels: Sequence[str], keys: Sequence[str]
) -> None:
    """Refuse to join cases that differ in one of ``keys`` or stand at the same ``x``."""
    keys = [key for key in keys if x != SHAPE or key not in SHAPE_KEYS]
    for names, line in grouped(cases, [hue, *panels]).items():
        if differing := varying(line, keys):
            raise LstmbenchError(
                f"One line would join cases that differ in {' and '.join(differing)}: give each "
                "value a panel with col= or row=, or choose records with one value."
            )
        if len({case[x] for case in line}) < len(line):
            raise LstmbenchError(
                f"Two records are of the same case: {', '.join(map(str, names))}, at the same {x}."
            )


def _missing(cases: Iterable[Row], x: str, hue: str, y: str) -> list[str]:
    """Return which cases have no point, and why, in a few phrases."""
    reasons = [case | {"reason": _reason(case["status"], case[y])} for case in cases]
    phrases = []
    for (name, reason), group in grouped(reasons, [hue, "reason"]).items():
        values = ordered(x, (case[x] for case in group))
        where = (
            f"{symbol(x)} = {', '.join(map(str, values))}, " if len(values) <= MAX_VALUES else ""
        )
        phrases.append(f"{shorten(name, 40)}: {reason} ({where}{plural(len(group), 'case')})")
    more = len(phrases) - MAX_NOTES
    if more > 0:
        phrases[MAX_NOTES - 1 :] = [f"{more + 1} more kinds, in the table"]
    return phrases


def _reason(status: str, value: Any) -> str:
    if status != "ok":
        return status_words(status)
    return "not measured" if value is None else f"exactly {value:g}"


def _coinciding(points: pd.DataFrame, hues: Sequence[Any]) -> list[str]:
    """Return which lines coincide wherever both have a point."""
    lines = points.dropna(subset="y").pivot(index=["row", "col", "x"], columns="hue", values="y")
    lines = lines.rename(columns=lambda place: str(hues[place]))
    groups: dict[str, list[str]] = {}
    for name in lines.columns.astype(str):
        difference = (lines.div(lines[name], axis=0) - 1).abs()
        same = lines.columns[(difference.max() < COINCIDING) & (difference.count() > 1)]
        groups.setdefault(str(same[0]) if len(same) else name, []).append(shorten(name, 40))
    return [" = ".join(names) for names in groups.values() if len(names) > 1]


def alt_text(shown: FigureData) -> str:
    """Return in words what a figure shows, for readers who do not see it.

    That is its kind, axes, lines, and the lowest and highest line at the right end of each panel.
    """
    panels = shown.points.groupby(["row", "col"]).ngroups
    kind = f"{'Line' if shown.joined else 'Dot'} chart"
    if panels > 1:
        kind += f" of {panels} panels"
    scale = {"": "linear", "x": "logarithmic x", "y": "logarithmic y"}.get(shown.log, "logarithmic")
    x = shown.points["x"]
    span = ", ".join(shown.ticks or [f"{x.min():g} to {x.max():g}"])
    known = shown.points.dropna(subset="y")
    ends = [_right_end(shown, panel) for _, panel in known.groupby(["row", "col"])]
    sentences = [
        f"{shown.title}. {kind}, {scale} axes. x: {shown.x_label}, {span}. y: {shown.y_label}.",
        f"Lines: {', '.join(shorten(hue, 40) for hue in shown.hues)}.",
        *ends,
        *shown.remarks,
    ]
    return plain(" ".join(sentences))


def _right_end(shown: FigureData, panel: pd.DataFrame) -> str:
    """Return which line ends lowest and which highest in a panel."""
    last = panel["x"].max()
    place = shown.ticks[last] if shown.ticks else f"{last:g}"
    if shown.x in ORDERED:
        place = f"{symbol(shown.x)} = {place}"
    ends = panel[panel["x"] == last].set_index("hue")["y"].sort_index()
    lowest, highest = (
        f"{shorten(shown.hues[hue], 40)} {_short(ends[hue])}"
        for hue in (ends.idxmin(), ends.idxmax())
    )
    titles = shown.rows[panel["row"].iloc[0]], shown.cols[panel["col"].iloc[0]]
    where = ", ".join(filter(None, [*titles, place]))
    values = f"lowest {lowest}, highest {highest}" if len(ends) > 1 else lowest
    return f"{where[:1].upper()}{where[1:]}: {values}."


def _short(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else number(value)
