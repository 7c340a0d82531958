"""What a figure will show, before anything is drawn: panels, lines, points, and the cases that have no point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.show.formats import pick_unit, shorten
from lstmbench.show.labels import (
    SHAPE,
    SHAPE_KEYS,
    Quantity,
    Row,
    combinations,
    counted,
    counts,
    describe,
    is_square,
    key_of,
    ordered,
    quantity,
    rank,
    rows_of,
    status_words,
    workload_keys,
)

MOST_LINES = 8
MOST_NOTES = 6
COINCIDING = 0.01
"""Lines nearer than this share of their height are drawn on each other, and said to be."""
ORDERED = ("seq_len", "batch_size", "input_size", "hidden_size", "num_layers", "threads")
"""The axes along which points may be joined by a line."""


@dataclass(frozen=True)
class Point:
    """A position on the x axis with the number and its interval, NaN where there is none, in the figure's unit."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """The lines of one panel: points by hue, in the order of the x axis; the guide is the same for every hue."""

    row: int
    col: int
    lines: dict[Any, list[Point]]
    guide: list[Point]


@dataclass(frozen=True)
class Plan:
    """A figure as data.

    Attributes:
        x, y: how the two axes are named.
        unit: of the y axis.
        per: how many of that unit make one of the records'.
        log: the axes that are logarithmic.
        hue: the column whose values are the lines.
        hues: its values that have a point somewhere.
        rows, cols: titles of the rows and columns of panels; one empty title where there is only one.
        panels: those in which a case was asked for.
        xs: all values on the x axis; positions 0, 1, ... where ``ticks`` are words.
        ticks: words for the x axis, None where it is of numbers.
        constants: what holds for every point, as a phrase.
        base: the implementation that ratios are taken against, where it is one.
        missing: the cases without a point, as phrases.
        coinciding: lines that cannot be told apart, as phrases.
    """

    x: Quantity
    y: Quantity
    unit: str
    per: float
    log: str
    hue: str
    hues: list[Any]
    rows: list[str]
    cols: list[str]
    panels: list[Panel]
    xs: list[float]
    ticks: list[str] | None
    constants: str
    base: str | None
    missing: list[str]
    coinciding: list[str]

    @property
    def joined(self) -> bool:
        """Whether the x axis is ordered and has several values, so that points may be joined."""
        return self.x.column in ORDERED and self.ticks is None and len(self.xs) > 1

    def turned(self) -> "Plan":
        """Return the plan with its columns of panels as rows."""
        panels = [replace(panel, row=panel.col, col=panel.row) for panel in self.panels]
        return replace(self, rows=self.cols, cols=self.rows, panels=panels)

    @property
    def x_label(self) -> str:
        """The x axis with its unit."""
        return self.x.name if self.ticks else f"{self.x.name} ({next(iter(self.x.units))})"

    @property
    def y_label(self) -> str:
        """The y axis with its unit; of a ratio, what is 1."""
        if self.y.column == "ratio" and self.base is not None:
            return f"{self.y.name} ({shorten(self.base, 40)} = 1)"
        return f"{self.y.name} ({self.unit})"


def plan(
    records: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    col: Sequence[str],
    row: Sequence[str],
    log: str,
    guide: str | None = None,
) -> Plan:
    """Return what ``plot`` with these arguments will show.

    Raises:
        LstmbenchError: as for ``plot``.
    """
    cases = rows_of(records, [name for name in (x, y, hue, *col, *row, *([guide] if guide else [])) if name])
    known = [case for case in cases if _drawable(case, y, "y" in log)]
    if not known:
        raise LstmbenchError(f"There is nothing to draw: no case has a number in {y} ({counts(counted(cases))}).")
    _check_lines(cases, x, hue, [*col, *row])
    hues = ordered(hue, (case[hue] for case in known))
    if len(hues) > MOST_LINES:
        raise LstmbenchError(
            f"A panel holds at most {MOST_LINES} lines, but {hue} has {len(hues)} values here: choose some of them."
        )
    what, values = quantity(y), ordered(x, (case[x] for case in cases))
    unit = pick_unit((abs(case[y]) for case in known), what.units)
    numeric = all(isinstance(value, int | float) for value in values)
    place = {value: float(value) if numeric else float(index) for index, value in enumerate(values)}
    rows, cols = combinations(cases, row), combinations(cases, col)
    square, drawn = is_square(cases), {id(case) for case in known}
    panels = []
    for i, j in ((i, j) for i in range(len(rows)) for j in range(len(cols))):
        inside = [case for case in cases if key_of(case, row) == rows[i] and key_of(case, col) == cols[j]]
        inside.sort(key=lambda case: place[case[x]])
        if not inside:
            continue
        per = what.units[unit]
        points = [(case[hue], _point(case, place[case[x]], what, per, id(case) in drawn)) for case in inside]
        lines = {value: [point for line, point in points if line == value] for value in hues}
        guides = {place[case[x]]: case[guide] * per for case in inside if case[guide] is not None} if guide else {}
        panels.append(Panel(i, j, lines, [Point(at, value, math.nan, math.nan) for at, value in guides.items()]))
    bases = {case["ratio_to"] for case in known}
    return Plan(
        x=quantity(x), y=what, unit=unit, per=what.units[unit], log=log, hue=hue, hues=hues,
        rows=[describe(dict(zip(row, value, strict=True)), square) for value in rows],
        cols=[describe(dict(zip(col, value, strict=True)), square) for value in cols],
        panels=panels, xs=list(place.values()), ticks=None if numeric else [str(value) for value in values],
        constants=_constants(cases, [x, hue, *col, *row]), base=bases.pop() if len(bases) == 1 else None,
        missing=_missing([case for case in cases if id(case) not in drawn], x, hue, y),
        coinciding=_coinciding(panels, hues),
    )  # fmt: skip


def _drawable(case: Row, y: str, log: bool) -> bool:
    value = case[y]
    if case["status"] != "ok" or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return value > 0 or not log


def _point(case: Row, at: float, what: Quantity, per: float, drawn: bool) -> Point:
    if not drawn:
        return Point(at, math.nan, math.nan, math.nan)
    ends = (case.get(name) if name else None for name in (what.low, what.high))
    low, high = (math.nan if end is None else end * per for end in ends)
    return Point(at, case[what.column] * per, low, high)


def _check_lines(cases: Sequence[Row], x: str, hue: str, facets: Sequence[str]) -> None:
    """Refuse to join what does not belong together: on one line nothing but ``x`` may differ."""
    shown = (x, hue, *facets, *(SHAPE_KEYS if x == SHAPE else ()))
    others = [key for key in ("implementation", *workload_keys(cases)) if key not in shown]
    for line in combinations(cases, [hue, *facets]):
        inside = [case for case in cases if key_of(case, [hue, *facets]) == line]
        differing = [name for name in others if len({case[name] for case in inside}) > 1]
        if differing:
            raise LstmbenchError(
                f"One line would join cases that differ in {' and '.join(differing)}: give each value a panel with "
                "col= or row=, or choose records with one value."
            )
        if len({case[x] for case in inside}) < len(inside):
            raise LstmbenchError(f"Two records are of the same case: {', '.join(map(str, line))}, at the same {x}.")


def _constants(cases: Sequence[Row], shown: Sequence[str]) -> str:
    keys = [key for key in ("implementation", *workload_keys(cases)) if key not in (*shown, "run_id")]
    same = [key for key in keys if len(combinations(cases, [key])) == 1]  # a panel's column may decide another
    values = {key: cases[0][key] for key in same if cases[0][key] is not None}
    return describe(values, is_square(cases))


def _missing(left: Sequence[Row], x: str, hue: str, y: str) -> list[str]:
    """Say which cases have no point, and why, in few words."""
    found: dict[tuple[Any, str], list[Row]] = {}
    for case in left:
        word = status_words(case["status"])
        if case["status"] == "ok":
            word = "not measured" if case[y] is None else f"exactly {case[y]:g}"
        found.setdefault((case[hue], word), []).append(case)
    phrases = []
    for value, word in sorted(found, key=lambda key: (rank(hue, key[0]), key[1])):
        at = ordered(x, (case[x] for case in found[value, word]))
        count = len(found[value, word])
        where = f"{quantity(x).name.split()[-1]} = {', '.join(map(str, at))}, " if len(at) <= 3 else ""
        phrases.append(f"{shorten(value, 40)}: {word} ({where}{count} case{'' if count == 1 else 's'})")
    if len(phrases) > MOST_NOTES:
        rest = len(phrases) - MOST_NOTES + 1
        phrases = [*phrases[: MOST_NOTES - 1], f"{rest} more kinds, in the table"]
    return phrases


def _coinciding(panels: Sequence[Panel], hues: Sequence[Any]) -> list[str]:
    """Say which lines lie on each other wherever both have a point."""
    groups: list[list[Any]] = []
    for value in hues:
        same = next((group for group in groups if _same(panels, group[0], value)), None)
        groups.append([value]) if same is None else same.append(value)
    return [" = ".join(shorten(value, 40) for value in group) for group in groups if len(group) > 1]


def _same(panels: Sequence[Panel], one: Any, other: Any) -> bool:
    pairs = [(a.y, b.y) for panel in panels for a, b in zip(panel.lines[one], panel.lines[other], strict=False)
             if a.x == b.x and math.isfinite(a.y) and math.isfinite(b.y)]  # fmt: skip
    return len(pairs) > 1 and all(math.isclose(a, b, rel_tol=COINCIDING) for a, b in pairs)
