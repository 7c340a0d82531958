"""One generic figure: a quantity over an axis, one line per implementation, a grid of panels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import FigureBase

from lstmbench.show.drawing.alt_text import alt_text
from lstmbench.show.drawing.axes import add_legend, draw_lines, fit, scale_numbers, scale_values, write
from lstmbench.show.drawing.facets import Facets, facets
from lstmbench.show.drawing.figure import COLUMN, PAGE, SINGLE, Figure, figure_style
from lstmbench.show.drawing.styles import MUTED, style_of
from lstmbench.show.formats import plain, shorten
from lstmbench.show.labels import phrase

Line = tuple[str, float]

PANEL_HEIGHT, SINGLE_PANEL_HEIGHT, LOW_PANEL_HEIGHT = 1.7, 2.3, 1.35
"""In inches: of one among several panels, of a single panel, and of many panels below each other in a column."""
MAX_WORDS = 5
"""Words that find room below a single panel; for more, the figure is as wide as a page."""


def plot(
    records: pd.DataFrame,
    x: str = "seq_len",
    y: str = "time_median_s",
    hue: str = "implementation",
    col: str | Sequence[str] | None = None,
    row: str | Sequence[str] | None = None,
    *,
    log: str = "xy",
    title: str | None = None,
    guide: str | None = None,
    line: Line | None = None,
) -> Figure:
    """Draw ``y`` over ``x``, one line per ``hue``, one panel per value of ``col`` and ``row``.

    Points are joined only along an ordered axis, such as sequence length. Bands are the interval from the columns
    that belong to ``y`` (``time_low_s`` and ``time_high_s``). Cases without a number are named below the panels.

    Args:
        records: as ``read_results`` returns them.
        x, y, hue: names of columns.
        col, row: names of columns, one or several each, whose values get a panel of their own.
        log: the axes that are logarithmic: any of ``x`` and ``y``; an axis with little range stays linear.
        title: of the figure; made from ``y`` if None.
        guide: a column that is drawn as one dotted grey line per panel, such as ``formula_bytes``.
        line: label and height, in the records' unit, of a grey line across every panel.

    Raises:
        LstmbenchError: if there is nothing to draw, a column is missing, a line would join different workloads, or
            there are more than eight lines.
    """
    shown = facets(records, x, y, hue, _names(col), _names(row), "y" in log, guide)
    title = plain(title or shown.y.name[:1].upper() + shown.y.name[1:])
    if line:
        line = line[0], line[1] * shown.y.units[shown.unit]
    guide = guide and guide.split("_")[0]
    wide = len(shown.cols) > 1 or len(shown.ticks or ()) > MAX_WORDS
    height = PANEL_HEIGHT if len(shown.rows) > 1 or len(shown.cols) > 1 else SINGLE_PANEL_HEIGHT
    figure = _draw(shown, title, log, guide, line, PAGE if wide else SINGLE, height)
    narrow = shown.transposed() if len(shown.cols) > len(shown.rows) else shown
    low = LOW_PANEL_HEIGHT if len(narrow.rows) > 2 else PANEL_HEIGHT
    figure.narrow = lambda: _draw(narrow, title, log, guide, line, COLUMN, low)
    figure.id = y
    figure.caption = f"{title}. {shown.constants}." if shown.constants else f"{title}."
    figure.alt = alt_text(shown, title, log)
    return figure


def _names(columns: str | Sequence[str] | None) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns or ())


@figure_style()
def _draw(
    shown: Facets, title: str, log: str, guide: str | None, line: Line | None, width: float, panel_height: float
) -> Figure:
    figure = Figure(figsize=(width, len(shown.rows) * panel_height + 4))  # room for all texts; ``fit`` takes the rest
    body = _add_texts(figure, title, shown)
    panels = body.subplots(len(shown.rows), len(shown.cols), sharex=True, sharey=True, squeeze=False)
    looks = {place: _look(shown.hue, value) for place, value in enumerate(shown.hues)}
    apart = (shown.points["hue"] + 0.5) / (2 * len(looks)) - 0.25 if shown.ticks else 0.0
    points = shown.points.assign(mark=shown.points["x"] + apart)
    for (row, col), axes in np.ndenumerate(panels):
        panel = points[(points["row"] == row) & (points["col"] == col)]
        draw_lines(axes, panel.assign(x=panel["mark"]), looks, shown.joined)
        if guide and points["guide"].notna().any():
            formula = panel.dropna(subset="guide").drop_duplicates("x")
            axes.plot(formula["x"], formula["guide"], color=MUTED, linestyle=":", marker="", zorder=1.5, label=guide)
        if line:
            axes.axhline(line[1], color=MUTED, linestyle="--", linewidth=1.0, zorder=1.5, label=line[0])
        if panel.empty:
            axes.text(0.5, 0.5, "not in these records", transform=axes.transAxes, ha="center", color=MUTED)
        if row == 0:
            axes.set_title(shown.cols[col].replace(", ", ",\n"))
        if col == len(shown.cols) - 1:
            side = shown.rows[row].replace(", ", ",\n")
            axes.annotate(side, (1.02, 0.5), xycoords="axes fraction", rotation=270, va="center", ma="center")
    scale_values(panels[0, 0], sorted(points["x"].unique()), shown.ticks, "x" in log)
    numbers = points[["y", "low", "high", "guide"]].assign(line=line[1] if line else np.nan)
    scale_numbers(panels[0, 0], numbers.min().min(), numbers.max().max(), "y" in log)
    add_legend(body, panels.flat)
    fit(figure, panels, panel_height)
    return figure


def _add_texts(figure: Figure, title: str, shown: Facets) -> FigureBase:
    """Write the title, what all points have in common, labels and notes; return the part between for the panels.

    Matplotlib's layout reserves room for one text above the panels of a figure, so each of three has its own figure:
    the title, the constants, and the legend.
    """
    notes = ["Bands: 95 % interval." if shown.joined else "Bars: 95 % interval."]
    if shown.points["low"].isna().all():
        notes = []
    notes += [f"Coinciding lines: {'; '.join(shown.coinciding)}."] if shown.coinciding else []
    notes += [f"Not drawn: {'; '.join(shown.missing)}."] if shown.missing else []
    write(figure.suptitle, title, fontsize="large", fontweight="bold")
    write(figure.supxlabel, " ".join(notes), fontsize="small", color=MUTED)
    middle = figure.subfigures()
    write(middle.suptitle, shown.constants, fontsize="medium", color=MUTED)
    body = middle.subfigures()
    body.supxlabel(shown.x_label, fontsize="medium")
    body.supylabel(shown.y_label, fontsize="medium", ha="center", va="top", wrap=True)
    return body


def _look(hue: str, value: object) -> dict[str, object]:
    if hue == "implementation":
        return style_of(str(value)).line_options() | {"label": shorten(value, 40), "zorder": 2.5}
    return {"label": shorten(phrase(hue, value), 40), "zorder": 2.5}
