"""What a figure shows, in words, for readers who do not see it."""

import pandas as pd

from lstmbench.show.drawing.facets import Facets
from lstmbench.show.formats import number, plain, shorten


def alt_text(shown: Facets, title: str, log: str) -> str:
    """Return kind, axes and lines, and for each panel the least and the greatest value at the end of the x axis."""
    panels = list(shown.points.groupby(["row", "col"]))
    scale = {"": "linear", "x": "logarithmic x", "y": "logarithmic y"}.get(log, "logarithmic")
    ends = dict.fromkeys(f"{x:g}" for x in (shown.points["x"].min(), shown.points["x"].max()))
    sentences = [
        f"{title}. {'Line' if shown.joined else 'Dot'} chart{f' of {len(panels)} panels' if len(panels) > 1 else ''}, "
        f"{scale} axes.",
        f"x: {shown.x_label}, {', '.join(shown.ticks) if shown.ticks else ' to '.join(ends)}. y: {shown.y_label}.",
        f"Lines: {', '.join(shorten(hue, 40) for hue in shown.hues)}.",
        *(_summary(shown, row, col, panel.dropna(subset="y")) for (row, col), panel in panels),
        f"Coinciding lines: {'; '.join(shown.coinciding)}." if shown.coinciding else "",
        f"Not drawn: {'; '.join(shown.missing)}." if shown.missing else "",
    ]
    return plain(" ".join(sentences))


def _summary(shown: Facets, row: int, col: int, panel: pd.DataFrame) -> str:
    """Say which line ends lowest and which highest in a panel."""
    if panel.empty:
        return ""
    last = panel["x"].max()
    ends = panel[panel["x"] == last].set_index("hue")["y"].sort_index()
    lowest, highest = (f"{shorten(shown.hues[hue], 40)} {_short(ends[hue])}" for hue in (ends.idxmin(), ends.idxmax()))
    where = ", ".join(part for part in (shown.rows[row], shown.cols[col], shown.place(last)) if part)
    values = f"lowest {lowest}, highest {highest}" if len(ends) > 1 else lowest
    return f"{where[:1].upper()}{where[1:]}: {values}."


def _short(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else number(value)
