"""One generic figure: a quantity over an axis, one line per implementation, a grid of panels."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.report.figures.figure import (
    COLUMN,
    MUTED,
    PAGE,
    SINGLE,
    Figure,
    add_legend,
    add_text,
    draw_lines,
    figure_style,
    fit,
    scale_numbers,
    scale_values,
    style_of,
)
from lstmbench.report.figures.figure_data import FigureData, Line, alt_text, facets
from lstmbench.report.labels import phrase, rows_of
from lstmbench.report.number_format import shorten

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

    Points are joined only along an ordered axis, such as sequence length. Bands are the interval
    from the columns that belong to ``y`` (``time_low_s`` and ``time_high_s``). Cases without a
    number are named below the panels.

    Args:
        records: as ``read_results`` returns them.
        x, y, hue: names of columns.
        col, row: names of columns, one or several each, whose values get a panel of their own.
        log: the axes that are logarithmic: any of ``x`` and ``y``; an axis with little range stays
            linear.
        title: of the figure; made from ``y`` if None.
        guide: a column that is drawn as one dotted grey line per panel, such as ``formula_bytes``.
        line: label and height, in the records' unit, of a grey line across every panel.

    Raises:
        LstmbenchError: if there is nothing to draw, a column is missing, a line would join
            different workloads, or there are more than eight lines.
    """
    col, row = ([names] if isinstance(names, str) else names or [] for names in (col, row))
    cases = rows_of(records, filter(None, [x, y, hue, *col, *row, guide]))
    return draw(facets(cases, x, y, hue, col, row, log, title, guide, line))


def draw(shown: FigureData) -> Figure:
    """Return the figure of these data, which is also as narrow as a column in print."""
    wide = len(shown.cols) > 1 or len(shown.ticks or ()) > MAX_WORDS
    figure = _draw(shown, PAGE if wide else SINGLE)
    upright = shown.transposed() if len(shown.cols) > len(shown.rows) else shown
    figure.narrow = partial(_draw, upright, COLUMN)
    figure.caption = ". ".join(filter(None, (shown.title, shown.constants))) + "."
    figure.alt = alt_text(shown)
    return figure


@figure_style()
def _draw(shown: FigureData, width: float) -> Figure:
    # High enough for all texts; ``fit`` takes off what is not needed
    figure = Figure(figsize=(width, 4 + 2 * len(shown.rows)))
    add_text(figure.suptitle, shown.title)
    interval = f"{'Bands' if shown.joined else 'Bars'}: 95 % interval."
    notes = [interval, *shown.remarks] if shown.points["low"].notna().any() else shown.remarks
    add_text(figure.supxlabel, " ".join(notes), fontsize="small", color=MUTED)
    # The layout reserves room for one text above the panels of a figure, so the constants and the
    # legend get a subfigure each
    middle: Any = figure.subfigures()
    add_text(middle.suptitle, shown.constants, fontsize="medium", fontweight="normal", color=MUTED)
    body = middle.subfigures()
    body.supxlabel(shown.x_label)
    body.supylabel(shown.y_label, ha="center", va="top", wrap=True)

    looks: dict[int, dict[str, Any]] = {}
    for place, value in enumerate(shown.hues):
        style = style_of(str(value)).line_options() if shown.hue == "implementation" else {}
        look = {"label": shorten(phrase(shown.hue, value), 40)} | style
        looks[place] = look if shown.joined else look | {"linestyle": "none"}
    points = shown.points.assign(place=shown.points["x"])
    if shown.ticks:  # lines have places side by side
        points["x"] += (points["hue"] + 0.5) / len(looks) / 2 - 0.25
    panels = body.subplots(
        len(shown.rows), len(shown.cols), sharex=True, sharey=True, squeeze=False
    )
    for (row, col), axes in np.ndenumerate(panels):
        panel = points[(points["row"] == row) & (points["col"] == col)]
        draw_lines(axes, panel, looks)
        if shown.guide:
            formula = panel.dropna(subset="guide").drop_duplicates("place")
            look = {"color": MUTED, "linestyle": ":", "marker": "", "zorder": 1.5}
            axes.plot(formula["place"], formula["guide"], label=shown.guide, **look)
        if shown.line:
            label, height = shown.line
            axes.axhline(height, color=MUTED, linestyle="--", zorder=1.5, label=label)
        if panel.empty:
            axes.annotate(
                "not in these records",
                (0.5, 0.5),
                xycoords="axes fraction",
                ha="center",
                color=MUTED,
            )
    for axes, title in zip(panels[0], shown.cols, strict=True):
        axes.set_title(title.replace(", ", ",\n"))
    for axes, title in zip(panels[:, -1], shown.rows, strict=True):
        beside = (1.02, 0.5)
        axes.annotate(
            title.replace(", ", ",\n"),
            beside,
            xycoords="axes fraction",
            rotation=270,
            va="center",
            ma="center",
        )
    scale_values(panels[0, 0], sorted(points["place"].unique()), shown.ticks, "x" in shown.log)
    heights = points[["y", "low", "high", "guide"]].assign(line=shown.line and shown.line[1])
    scale_numbers(panels[0, 0], heights.astype(float), "y" in shown.log)
    add_legend(body, panels.flat)
    fit(figure, panels)
    return figure
