"""What a figure shows, in words, for those who do not see it."""

import math
from typing import Any

from lstmbench.show.drawing.plan import Panel, Plan
from lstmbench.show.formats import number, plain, shorten


def alt_text(made: Plan, title: str) -> str:
    """Return kind, axes, lines, and per panel the least and the greatest value where the x axis ends."""
    many = len(made.panels)
    kind = "Line chart" if made.joined else "Dot chart"
    scale = {"": "linear", "x": "logarithmic x", "y": "logarithmic y"}.get(made.log, "logarithmic")
    names = ", ".join(shorten(value, 40) for value in made.hues)
    span = ", ".join(made.ticks) if made.ticks else _span(made.xs)
    sentences = [
        f"{title}. {kind}{f' of {many} panels' if many > 1 else ''}, {scale} axes.",
        f"x: {made.x_label}, {span}. y: {made.y_label}. Lines: {names}.",
        *(_summary(made, panel) for panel in made.panels),
    ]
    if made.coinciding:
        sentences.append(f"Coinciding lines: {'; '.join(made.coinciding)}.")
    if made.missing:
        sentences.append(f"Not drawn: {'; '.join(made.missing)}.")
    return plain(" ".join(sentence for sentence in sentences if sentence))


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _summary(made: Plan, panel: Panel) -> str:
    """Say which line ends lowest and which highest in a panel."""
    ends: list[tuple[float, Any]] = []
    last = max((p.x for points in panel.lines.values() for p in points if math.isfinite(p.y)), default=math.nan)
    for value, points in panel.lines.items():
        ends += [(point.y, value) for point in points if point.x == last and math.isfinite(point.y)]
    if not ends:
        return ""
    where = ", ".join(part for part in (made.rows[panel.row], made.cols[panel.col]) if part)
    at = made.ticks[int(last)] if made.ticks else f"{made.x.name.split()[-1]} = {last:g}"
    (low, lowest), (high, highest) = min(ends, key=lambda end: end[0]), max(ends, key=lambda end: end[0])
    found = f"{shorten(lowest, 40)} {_short(low)}"
    if len(ends) > 1:
        found = f"lowest {found}, highest {shorten(highest, 40)} {_short(high)}"
    return f"{where[:1].upper()}{where[1:]}{', ' if where else ''}{at}: {found}."


def _short(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else number(value)
