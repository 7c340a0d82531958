"""The parts that figures share: lines with their intervals, scales, the legend, and the size of panels."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedLocator, LogFormatterSciNotation, LogLocator

from lstmbench.show.drawing.figure import Figure

LINEAR_BELOW = 2.5
"""If the largest value is less than this many times the smallest, a logarithmic axis would have hardly any tick."""
SCIENTIFIC_BELOW = 1e-4
"""Numbers below are labelled as powers of ten; ``0.0001`` is the smallest that is easily read."""
MAX_TICKS = 6
"""Values of the x axis that find room below a panel as wide as a quarter of a page."""


def write(place: Callable[..., Any], text: str, **look: Any) -> None:
    """Write a text from the left edge, such as with ``figure.suptitle``, in lines that keep ``T = 64`` together."""
    place(text.replace(" = ", "\u00a0=\u00a0"), x=0.01, ha="left", wrap=True, **look)


def draw_lines(axes: Axes, points: pd.DataFrame, looks: Mapping[Any, Mapping[str, Any]], joined: bool = True) -> None:
    """Draw a line for each value of ``hue``, with a band from ``low`` to ``high``; marks with bars if not joined.

    Args:
        axes: the panel.
        points: columns ``x``, ``y``, ``hue`` and, where there are intervals, ``low`` and ``high``.
        looks: options of the line of each hue; Matplotlib's cycle of styles gives those that are left out.
        joined: whether points are joined.
    """
    for hue, look in looks.items():
        line = points[points["hue"] == hue]
        options = {"label": hue, **look} | ({} if joined else {"linestyle": "none"})
        (drawn,) = axes.plot(line["x"], line["y"], **options)
        if "low" not in line or line["low"].isna().all():
            continue
        if joined and line["y"].count() > 1:
            axes.fill_between(line["x"], line["low"], line["high"], color=drawn.get_color(), alpha=0.2, linewidth=0)
        else:
            axes.vlines(line["x"], line["low"], line["high"], color=drawn.get_color(), linewidth=1.0)


def scale_values(axes: Axes, values: Sequence[float], words: Sequence[str] | None, log: bool) -> None:
    """Label the x axis with these values themselves, or with the words for them, a line for each part of a word."""
    if words is not None:
        axes.set_xticks(values, [word.replace(" ", "\n") for word in words])
        axes.set_xlim(min(values) - 0.5, max(values) + 0.5)
        return
    if log and min(values) > 0:
        axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(values, nbins=MAX_TICKS))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def scale_numbers(axes: Axes, low: float, high: float, log: bool) -> None:
    """Scale the y axis of drawn lines: logarithmic if their numbers differ much, else from zero, to compare lengths.

    Args:
        axes: the panel, or one of several that share their y axis.
        low: the least of the numbers.
        high: the greatest.
        log: whether the axis may be logarithmic; then all numbers are positive.
    """
    axes.yaxis.set_major_formatter("{x:g}")
    if not log or high < LINEAR_BELOW * low:
        axes.set_ylim(bottom=0.0 if low >= 0 else None)
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    if low < SCIENTIFIC_BELOW:
        axes.yaxis.set_major_formatter(LogFormatterSciNotation(minor_thresholds=(math.inf, math.inf)))
    else:
        axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def add_legend(figure: FigureBase, panels: Sequence[Axes]) -> None:
    """Put one legend for all panels above them, in as many columns as find room."""
    handles: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    for columns in range(min(5, len(handles)), 0, -1):
        legend = figure.legend([*handles.values()], [*handles], loc="outside upper left", ncols=columns)
        if columns == 1 or legend.get_window_extent().width < figure.bbox.width:
            return
        legend.remove()


def fit(figure: Figure, panels: Sequence[Sequence[Axes]], panel_height: float) -> None:
    """Turn overlapping labels of the x axis, and make the figure so high that each panel has its height in inches."""
    figure.draw_without_rendering()
    labels = panels[-1][0].get_xticklabels()
    boxes = [label.get_window_extent() for label in labels]
    if any(left.x1 >= right.x0 for left, right in pairwise(boxes)):
        words = [label.get_text().replace("\n", " ") for label in labels]
        for axes in panels[-1]:
            axes.set_xticks(axes.get_xticks(), words, rotation=90)
        figure.draw_without_rendering()
    lacking = panel_height - panels[-1][0].get_window_extent().height / figure.dpi
    figure.set_figheight(figure.get_figheight() + len(panels) * lacking)
