"""The parts that figures share: texts, lines with intervals, scales, legend, size of panels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import FixedLocator, Locator, LogLocator, MaxNLocator

from lstmbench.report.figures.figure import SINGLE, Figure, figure_style

Looks = Mapping[Any, Mapping[str, Any]]
"""The options of the Matplotlib line of each hue."""

LINEAR_BELOW = 2.5
"""With a smaller ratio of the largest to the smallest value, an axis is linear and starts at 0."""
MAX_TICKS = 6
"""Values of the x axis that find room below a panel as wide as a quarter of a page."""
LEGEND_WIDTH = 0.95
"""Share of the width of the narrowest figure that its padding leaves to the legend."""
PANEL_HEIGHT, SINGLE_PANEL_HEIGHT = 1.7, 2.3
"""In inches: of one among several panels, and of a single panel."""


def write(place: Callable[..., Any], text: str, **look: Any) -> None:
    """Write a text at the left edge, such as by ``figure.suptitle``; keep ``T = 64`` unbroken."""
    place(text.replace(" = ", "\u00a0=\u00a0"), x=0.01, ha="left", wrap=True, **look)


def draw_lines(axes: Axes, points: pd.DataFrame, looks: Looks, joined: bool = True) -> None:
    """Draw a line with a band for each value of ``hue``; marks with bars if not joined.

    Args:
        axes: the panel.
        points: columns ``x``, ``y``, ``hue`` and, if there are intervals, ``low`` and ``high``.
        looks: options of the line of each hue; Matplotlib's cycle of styles gives those that are
            left out.
        joined: whether points are joined.
    """
    for hue, look in looks.items():
        line = points[points["hue"] == hue]
        options = {"label": hue, **look} | ({} if joined else {"linestyle": "none"})
        (drawn,) = axes.plot(line["x"], line["y"], **options)
        if "low" not in line or not (line["low"] < line["high"]).any():
            continue
        interval = line["x"], line["low"], line["high"]
        if joined and line["y"].count() > 1:
            axes.fill_between(*interval, color=drawn.get_color(), alpha=0.2, linewidth=0)
        else:
            axes.vlines(*interval, color=drawn.get_color(), linewidth=1.0)


@figure_style()
def line_chart(
    points: pd.DataFrame,
    x_label: str,
    y_label: str,
    looks: Looks,
    joined: bool = True,
    width: float = SINGLE,
) -> tuple[Figure, Axes]:
    """Return a figure of one panel with a legend, and the panel; see ``draw_lines``."""
    figure = Figure(figsize=(width, 3.2))
    axes = figure.subplots()
    draw_lines(axes, points, looks, joined)
    axes.set(xlabel=x_label, ylabel=y_label)
    add_legend(figure, [axes])
    return figure, axes


def scale_values(
    axes: Axes, values: Sequence[float], words: Sequence[str] | None, log: bool
) -> None:
    """Label the x axis with the values themselves, or with the words for them."""
    if words is not None:
        axes.set_xticks(values, [word.replace(" ", "\n") for word in words])
        axes.set_xlim(-0.5, len(values) - 0.5)
        return
    if log and min(values) > 0:
        axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(values, nbins=MAX_TICKS))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def scale_numbers(axes: Axes, numbers: pd.DataFrame, log: bool) -> None:
    """Scale the y axis of drawn lines: logarithmic if the numbers differ much, else from zero.

    Args:
        axes: the panel, or one of several that share their y axis.
        numbers: all that is drawn.
        log: whether the axis may be logarithmic; then all numbers are positive.
    """
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    if log and high >= LINEAR_BELOW * low:
        axes.set_yscale("log")
        # Within one decade, powers of ten and their multiples can leave a single tick
        locator: Locator = LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,))
        axes.yaxis.set_major_locator(MaxNLocator("auto") if high < 10 * low else locator)
        axes.minorticks_off()
    elif low >= 0:
        axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_formatter("{x:g}")


def add_legend(figure: Figure | SubFigure, panels: Iterable[Axes]) -> list[str]:
    """Put one legend above all panels, in as many columns as find room; return its names."""
    handles: dict[str, Any] = {}
    for axes in panels:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    names, lines = [*handles], [*handles.values()]
    for columns in range(6, 0, -1):
        legend = figure.legend(lines, names, loc="outside upper left", ncols=columns)
        if legend.get_window_extent().width < LEGEND_WIDTH * figure.bbox.width:
            break
        if columns > 1:
            legend.remove()
    return names


def fit(figure: Figure, panels: Any) -> None:
    """Turn overlapping labels of the x axis, and choose the height of the figure by its panels.

    Args:
        figure: with all that is drawn.
        panels: of the figure, an array of rows and columns.
    """
    figure.draw_without_rendering()
    labels = panels[-1, 0].get_xticklabels()
    boxes = [label.get_window_extent() for label in labels]
    if any(left.x1 >= right.x0 for left, right in pairwise(boxes)):
        texts = [label.get_text().replace("\n", " ") for label in labels]
        for axes in panels[-1]:
            axes.set_xticks(axes.get_xticks(), texts, rotation=90)
        figure.draw_without_rendering()
    height = PANEL_HEIGHT if panels.size > 1 else SINGLE_PANEL_HEIGHT
    lacking = height - panels[-1, 0].get_window_extent().height / figure.dpi
    figure.set_figheight(figure.get_figheight() + len(panels) * lacking)
