"""What a figure shows, in words, for readers who do not see it."""

from typing import Any

import pandas as pd

from lstmbench.report.figures.facets import ORDERED, Facets
from lstmbench.report.number_format import number, plain, shorten


def alt_text(shown: Facets) -> str:
    """Return kind, axes, lines, and the lowest and highest line at the right end of each panel."""
    panels = list(shown.points.groupby(["row", "col"]))
    kind = f"{'Line' if shown.joined else 'Dot'} chart{f' of {len(panels)} panels' if len(panels) > 1 else ''}"
    scale = {"": "linear", "x": "logarithmic x", "y": "logarithmic y"}.get(shown.log, "logarithmic")
    span = (
        ", ".join(shown.ticks)
        if shown.ticks
        else f"{shown.points['x'].min():g} to {shown.points['x'].max():g}"
    )
    sentences = [
        f"{shown.title}. {kind}, {scale} axes. x: {shown.x_label}, {span}. y: {shown.y_label}.",
        f"Lines: {', '.join(shorten(hue, 40) for hue in shown.hues)}.",
        *(_summary(shown, row, col, panel.dropna(subset="y")) for (row, col), panel in panels),
        *shown.remarks,
    ]
    return plain(" ".join(sentences))


def _summary(shown: Facets, row: Any, col: Any, panel: pd.DataFrame) -> str:
    """Say which line ends lowest and which highest in a panel."""
    if panel.empty:
        return ""
    last = panel["x"].max()
    place = shown.ticks[last] if shown.ticks else f"{last:g}"
    if shown.x.name in ORDERED:
        place = f"{shown.x.label.split()[-1]} = {place}"
    ends = panel[panel["x"] == last].set_index("hue")["y"].sort_index()
    lowest, highest = (
        f"{shorten(shown.hues[hue], 40)} {_short(ends[hue])}"
        for hue in (ends.idxmin(), ends.idxmax())
    )
    where = ", ".join(part for part in (shown.rows[row], shown.cols[col], place) if part)
    values = f"lowest {lowest}, highest {highest}" if len(ends) > 1 else lowest
    return f"{where[:1].upper()}{where[1:]}: {values}."


def _short(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else number(value)
