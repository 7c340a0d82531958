"""What all figures share: a figure that describes itself, the look of lines, and drawing parts.

A figure's files hold the same bytes whenever they are written.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

import matplotlib.figure
import matplotlib.style
import numpy as np
import pandas as pd
import seaborn
import yaml
from matplotlib import rc_params_from_file
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator
from pydantic import TypeAdapter

INK: Final = "#222222"
MUTED: Final = "#666666"
_OWN: Any = rc_params_from_file(
    Path(__file__).with_name("lstmbench.mplstyle"), use_default_template=False
)
RC: Final[dict[str, Any]] = {
    **seaborn.axes_style("whitegrid"),
    **seaborn.plotting_context("paper", font_scale=0.83),  # 8 points, as captions in print
    **_OWN,
}
_STYLES: Final = yaml.safe_load(Path(__file__).with_name("styles.yaml").read_text(encoding="utf-8"))
_STAR_SIZE: Final = 6.8  # stars have thin arms


class Style(NamedTuple):
    """The look of a line.

    Attributes:
        color: as hexadecimal digits.
        dashes: points on and off, relative to the width of the line.
        marker, symbol: the names of the marker in Matplotlib and in Plotly.
        scale: of line width and marker.
    """

    color: str
    dashes: tuple[float, ...]
    marker: str | tuple[int, int, int]
    symbol: str
    scale: float = 1.0

    def line_options(self) -> dict[str, Any]:
        """Return the style as keyword arguments of a Matplotlib line."""
        size = _STAR_SIZE if isinstance(self.marker, tuple) else RC["lines.markersize"]
        return {
            "color": self.color,
            "linestyle": (0, self.dashes) if self.dashes else "-",
            "marker": self.marker,
            "linewidth": RC["lines.linewidth"] * self.scale,
            "markersize": size * self.scale,
        }


def style_of(name: str) -> Style:
    """Return the style of an implementation; it depends on nothing but the name."""
    look = _STYLES["implementations"].get(name)
    if look is None:
        look = {}
        for byte, options in zip(sha256(name.encode()).digest(), _STYLES["others"], strict=False):
            look |= options[byte % len(options)]
        look["dashes"] = _STYLES["backends"].get(name.partition(".")[0], look["dashes"])
    return TypeAdapter(Style).validate_python(look)


CREATOR = "lstmbench"
PAGE = 7.0
"""Width in inches of the text of a printed page."""
SINGLE = 4.6
"""Width in inches of a figure of one panel."""
COLUMN = 3.4
"""Width in inches of a column of a two-column paper."""

figure_style = partial(matplotlib.style.context, ["default", RC])
"""Apply Matplotlib's defaults and our settings for a while, whatever the user has set."""


class Figure(matplotlib.figure.Figure):
    """A Matplotlib figure outside pyplot: JupyterLab shows it once, as the value of a cell.

    Attributes:
        id: its stable name, such as ``quick-speed``.
        caption: what it shows, in one sentence.
        alt: the text for readers who do not see it.
        narrow: draws the same figure ``COLUMN`` inches wide; None if the figure has no such form.
    """

    id: str = "figure"
    caption: str = ""
    alt: str = ""
    narrow: "Callable[[], Figure] | None" = None

    def described(self, name: str, caption: str, details: str) -> "Figure":
        """Return this figure with name, caption, and an alt text of caption and details."""
        self.id, self.caption, self.alt = name, caption, f"{caption} {details}"
        return self

    def svg(self) -> str:
        """Return the figure as SVG; its title is ``caption``, its description ``alt``."""
        text = self._saved("svg", {"Date": None, "Creator": CREATOR}).decode()
        text = text.replace("</title>", f"</title>\n <desc>{escape(self.alt)}</desc>", 1)
        return text.replace("<svg ", '<svg role="img" ', 1)

    def png(self, dpi: int = 200) -> bytes:
        """Return the figure as PNG, with ``caption`` and ``alt`` in its metadata."""
        # In this order, or the bytes of committed figures would differ
        metadata: dict[str, str | None] = {"Software": CREATOR, "Title": self.caption}
        return self._saved("png", metadata | {"Description": self.alt}, dpi=dpi)

    def pdf(self) -> bytes:
        """Return the figure as PDF for print, as wide as a column if it has such a form."""
        figure = self.narrow() if self.narrow else self
        figure.caption = self.caption
        # Without a date, or the bytes would differ
        return figure._saved("pdf", {"CreationDate": None, "Creator": CREATOR, "Producer": CREATOR})

    def _saved(self, kind: str, metadata: dict[str, str | None], **options: Any) -> bytes:
        file = io.BytesIO()
        with figure_style():
            self.savefig(file, format=kind, metadata=metadata | {"Title": self.caption}, **options)
        return file.getvalue()

    def _ipython_display_(self) -> None:
        """Show the figure in a notebook; otherwise pyplot would draw it with its own settings."""
        width, height = (round(96 * inches) for inches in self.get_size_inches())
        data = {"image/png": self.png(), "text/plain": self.alt or repr(self)}
        metadata = {"image/png": {"width": width, "height": height, "alt": self.alt}}
        import_module("IPython.display").display(data, metadata=metadata, raw=True)


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


def add_text(place: Callable[..., Any], text: str, **look: Any) -> None:
    """Add a text at the left edge, such as by ``figure.suptitle``; keep ``T = 64`` unbroken."""
    place(text.replace(" = ", "\u00a0=\u00a0"), x=0.01, ha="left", wrap=True, **look)


def draw_lines(axes: Axes, points: pd.DataFrame, looks: Looks) -> None:
    """Draw a line with a band for each value of ``hue``; marks with bars if not joined.

    Args:
        axes: the panel.
        points: columns ``x``, ``y``, ``hue`` and, if there are intervals, ``low`` and ``high``.
        looks: options of the line of each hue; Matplotlib's cycle of styles gives those that are
            left out. With the line style ``none``, points are not joined.
    """
    for hue, look in looks.items():
        line = points[points["hue"] == hue]
        (drawn,) = axes.plot(line["x"], line["y"], **{"label": hue, **look})
        if "low" not in line or not (line["low"] < line["high"]).any():
            continue
        interval = line["x"], line["low"], line["high"]
        if look.get("linestyle") != "none" and line["y"].count() > 1:
            axes.fill_between(*interval, color=drawn.get_color(), alpha=0.2, linewidth=0)
        else:
            axes.vlines(*interval, color=drawn.get_color(), linewidth=1.0)


@figure_style()
def line_chart(
    points: pd.DataFrame, x_label: str, y_label: str, looks: Looks, width: float = SINGLE
) -> tuple[Figure, Axes]:
    """Return a figure of one panel with a legend, and the panel; see ``draw_lines``."""
    figure = Figure(figsize=(width, 3.2))
    axes = figure.subplots()
    draw_lines(axes, points, looks)
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
        if high < 10 * low:
            axes.yaxis.set_major_locator(MaxNLocator("auto"))
        elif high < 100 * low:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.minorticks_off()
    elif low >= 0:
        axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_formatter("{x:g}")


def add_legend(figure: Figure | SubFigure, panels: Iterable[Axes]) -> list[str]:
    """Put one legend above all panels, in as many columns as find room; return its names."""
    handles: dict[str, Any] = {}
    for axes in panels:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    for columns in range(6, 0, -1):
        legend = figure.legend(handles.values(), handles, loc="outside upper left", ncols=columns)
        narrow = legend.get_window_extent().width < LEGEND_WIDTH * figure.bbox.width
        if narrow or columns == 1:
            break
        legend.remove()
    return list(handles)


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
