"""What a figure shows, in words, for readers who do not see it."""

from typing import cast

import pandas as pd

from lstmbench.report.figures.facets import ORDERED, Facets
from lstmbench.report.labels import symbol
from lstmbench.report.number_format import number, plain, shorten


def alt_text(shown: Facets) -> str:
    """Return kind, axes, lines, and the lowest and highest line at the right end of each panel."""
    panels = list(shown.points.groupby(["row", "col"]))
    kind = f"{'Line' if shown.joined else 'Dot'} chart"
    if len(panels) > 1:
        kind += f" of {len(panels)} panels"
    scale = {"": "linear", "x": "logarithmic x", "y": "logarithmic y"}.get(shown.log, "logarithmic")
    x = shown.points["x"]
    span = ", ".join(shown.ticks or [f"{x.min():g} to {x.max():g}"])
    ends = []
    for place, panel in panels:
        row, col = cast("tuple[int, int]", place)
        known = panel.dropna(subset="y")
        if len(known):
            ends.append(_right_end(shown, [shown.rows[row], shown.cols[col]], known))
    sentences = [
        f"{shown.title}. {kind}, {scale} axes. x: {shown.x_label}, {span}. y: {shown.y_label}.",
        f"Lines: {', '.join(shorten(hue, 40) for hue in shown.hues)}.",
        *ends,
        *shown.remarks,
    ]
    return plain(" ".join(sentences))


def _right_end(shown: Facets, titles: list[str], panel: pd.DataFrame) -> str:
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
    where = ", ".join(filter(None, [*titles, place]))
    values = f"lowest {lowest}, highest {highest}" if len(ends) > 1 else lowest
    return f"{where[:1].upper()}{where[1:]}: {values}."


def _short(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else number(value)
