"""What a figure shows, before it is drawn: its points by panel and line, its labels, and the cases without a point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.show.formats import pick_unit, plain, shorten
from lstmbench.show.labels import (
    SHAPE,
    SHAPE_KEYS,
    Quantity,
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
    rows_of,
    status_words,
    workload_keys,
)

MAX_LINES = 8
"""More lines in a panel can hardly be told apart."""
MAX_NOTES = 6
"""Kinds of missing cases that are listed below a figure."""
COINCIDING = 0.01
"""Lines that differ by less than this fraction are drawn on top of each other, so the figure says so."""
ORDERED = ("seq_len", "batch_size", "input_size", "hidden_size", "num_layers", "threads")
"""Columns along which points may be joined by a line."""


@dataclass(frozen=True)
class Facets:
    """A figure as data.

    Attributes:
        points: one row per case: ``row``, ``col`` and ``hue`` are places in the lists below, ``hue`` is -1 for a line
            without any number; ``x``; ``y`` with its interval, ``low`` and ``high``, and ``guide``, all in ``unit``
            and NaN where there is no number.
        rows, cols: titles of the rows and columns of panels; one empty title if there is only one.
        hue: the column whose values are the lines.
        hues: its values.
        x, y: the quantities on the two axes.
        unit: of the y axis.
        ticks: words for the places 0, 1, ... on the x axis; None if it shows numbers.
        constants: what all points have in common, as a phrase.
        base: the implementation that ratios are taken against, if it is the same for all.
        missing: the cases without a point, as phrases.
        coinciding: lines that cannot be told apart, as phrases.
    """

    points: pd.DataFrame
    rows: list[str]
    cols: list[str]
    hue: str
    hues: list[Any]
    x: Quantity
    y: Quantity
    unit: str
    ticks: list[str] | None
    constants: str
    base: str | None
    missing: list[str]
    coinciding: list[str]

    @property
    def joined(self) -> bool:
        """Whether points are joined: the x axis is ordered and has several values."""
        return self.x.column in ORDERED and self.ticks is None

    @property
    def x_label(self) -> str:
        """The x axis with its unit."""
        unit = next(iter(self.x.units))
        return f"{self.x.name} ({unit})" if unit else self.x.name

    @property
    def y_label(self) -> str:
        """The y axis with its unit; for a ratio, what is 1."""
        unit = f"{shorten(self.base, 40)} = 1" if self.y.column == "ratio" and self.base is not None else self.unit
        return f"{self.y.name} ({unit})"

    def place(self, x: float) -> str:
        """Return a place on the x axis in words, such as ``T = 64``."""
        value = f"{x:g}" if self.ticks is None else self.ticks[int(x)]
        return f"{self.x.name.split()[-1]} = {value}" if self.x.column in ORDERED else value

    def transposed(self) -> "Facets":
        """Return the figure with its columns of panels as rows."""
        points = self.points.rename(columns={"row": "col", "col": "row"})
        return replace(self, points=points, rows=self.cols, cols=self.rows)


def facets(
    records: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    col: Sequence[str],
    row: Sequence[str],
    log: bool,
    guide: str | None = None,
) -> Facets:
    """Return what ``plot`` shows with these arguments; ``log`` says whether numbers must be positive.

    Raises:
        LstmbenchError: as for ``plot``.
    """
    cases = rows_of(records, [x, y, hue, *col, *row, *([guide] if guide else [])])
    y_quantity = quantity(y)
    numbers = [_number(case, y_quantity, log) for case in cases]
    known = [case for case, number in zip(cases, numbers, strict=True) if number]
    if not known:
        raise LstmbenchError(f"There is nothing to draw: no case has a number in {y} ({counts(counted(cases))}).")
    _check_lines(cases, x, hue, [*col, *row])
    hues, values = ordered(hue, (case[hue] for case in known)), ordered(x, (case[x] for case in cases))
    if len(hues) > MAX_LINES:
        raise LstmbenchError(
            f"A panel holds at most {MAX_LINES} lines, but {hue} has {len(hues)} values here: choose some of them."
        )
    unit = pick_unit((abs(number["y"]) for number in numbers if number), y_quantity.units)
    rows, cols = combinations(cases, row), combinations(cases, col)
    numeric = len(values) > 1 and all(isinstance(value, int | float) for value in values)
    points = pd.DataFrame(
        {
            "row": rows.index(key_of(case, row)),
            "col": cols.index(key_of(case, col)),
            "hue": hues.index(case[hue]) if case[hue] in hues else -1,
            "x": case[x] if numeric else values.index(case[x]),
            "guide": case[guide] if guide else None,
            **(number or {"y": None, "low": None, "high": None}),
        }
        for case, number in zip(cases, numbers, strict=True)
    ).sort_values("x", kind="stable", ignore_index=True)
    scaled = ["y", "low", "high", "guide"]
    points[scaled] = points[scaled].astype(float) * y_quantity.units[unit]
    square = is_square(cases)
    bases = {case["ratio_to"] for case in known}
    return Facets(
        points=points,
        rows=[describe(dict(zip(row, key, strict=True)), square) for key in rows],
        cols=[describe(dict(zip(col, key, strict=True)), square) for key in cols],
        hue=hue,
        hues=hues,
        x=quantity(x),
        y=y_quantity,
        unit=unit,
        ticks=None if numeric else [str(value) for value in values],
        constants=_constants(cases, [x, hue, *col, *row]),
        base=bases.pop() if len(bases) == 1 else None,
        missing=_missing([case for case, number in zip(cases, numbers, strict=True) if not number], x, hue, y),
        coinciding=_coinciding(points, hues),
    )


def _number(case: Row, what: Quantity, log: bool) -> dict[str, Any] | None:
    """Return the number of a case with its interval; None if it cannot be drawn."""
    value = case[what.column]
    if case["status"] != "ok" or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if log and value <= 0:
        return None
    return {"y": value, "low": case.get(what.low or ""), "high": case.get(what.high or "")}


def _check_lines(cases: Sequence[Row], x: str, hue: str, panel_keys: Sequence[str]) -> None:
    """Refuse to join different workloads: along a line nothing but ``x`` may differ."""
    shown = (x, hue, *panel_keys, *(SHAPE_KEYS if x == SHAPE else ()))
    others = [key for key in ("implementation", *workload_keys(cases)) if key not in shown]
    for names, line in grouped(cases, [hue, *panel_keys]).items():
        differing = [key for key in others if len({case[key] for case in line}) > 1]
        if differing:
            raise LstmbenchError(
                f"One line would join cases that differ in {' and '.join(differing)}: give each value a panel with "
                "col= or row=, or choose records with one value."
            )
        if len({case[x] for case in line}) < len(line):
            raise LstmbenchError(f"Two records are of the same case: {', '.join(map(str, names))}, at the same {x}.")


def _constants(cases: Sequence[Row], shown: Sequence[str]) -> str:
    keys = [key for key in ("implementation", *workload_keys(cases)) if key not in (*shown, "run_id")]
    values = {key: cases[0][key] for key in keys if {case[key] for case in cases} == {cases[0][key]}}
    return plain(describe({key: value for key, value in values.items() if value is not None}, is_square(cases)))


def _missing(cases: Sequence[Row], x: str, hue: str, y: str) -> list[str]:
    """Say briefly which cases have no point, and why."""
    reasons = [case | {"reason": _reason(case["status"], case[y])} for case in cases]
    phrases = []
    for (name, reason), group in grouped(reasons, [hue, "reason"]).items():
        values = ordered(x, (case[x] for case in group))
        where = f"{quantity(x).name.split()[-1]} = {', '.join(map(str, values))}, " if len(values) <= 3 else ""
        count = f"{len(group)} case{'' if len(group) == 1 else 's'}"
        phrases.append(f"{shorten(name, 40)}: {reason} ({where}{count})")
    if len(phrases) > MAX_NOTES:
        return [*phrases[: MAX_NOTES - 1], f"{len(phrases) - MAX_NOTES + 1} more kinds, in the table"]
    return phrases


def _reason(status: str, value: Any) -> str:
    if status != "ok":
        return status_words(status)
    return "not measured" if value is None else f"exactly {value:g}"


def _coinciding(points: pd.DataFrame, hues: Sequence[Any]) -> list[str]:
    """Say which lines lie on each other wherever both have a point."""
    lines = points.dropna(subset="y").pivot(index=["row", "col", "x"], columns="hue", values="y")
    groups: list[list[int]] = []
    for hue in lines:
        for group in groups:
            both = lines[[group[0], hue]].dropna().to_numpy()
            if len(both) > 1 and np.allclose(both[:, 0], both[:, 1], rtol=COINCIDING, atol=0):
                group.append(hue)
                break
        else:
            groups.append([hue])
    return [" = ".join(shorten(hues[hue], 40) for hue in group) for group in groups if len(group) > 1]
