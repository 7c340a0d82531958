"""One generic figure: a quantity over an axis, one line per implementation, a grid of panels."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lstmbench.show.drawing.alt import alt_text
from lstmbench.show.drawing.axes import fit_words, set_number_axis, set_values_axis
from lstmbench.show.drawing.figure import COLUMN, Figure, our_settings
from lstmbench.show.drawing.plan import Panel, Plan, plan
from lstmbench.show.drawing.styles import MUTED, Style, line_options, style_at, style_of
from lstmbench.show.formats import plain, shorten
from lstmbench.show.labels import phrase

Line = tuple[str, float]

# All in inches
PAGE, SINGLE = 7.0, 4.6
_LEFT, _RIGHT, _LOW, _PANEL, _TALL, _GAP_X, _GAP_Y = 0.7, 0.1, 1.35, 1.7, 2.3, 0.13, 0.14
_TEXT, _LETTER, _BOLD = 0.14, 0.057, 0.079
_FEW = 5
"""So many words find room below a single panel; for more, it is as wide as a page."""


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
    that belong to ``y`` (``time_low_s`` and ``time_high_s``). Cases without a number are named beneath.

    Args:
        records: as ``read_results`` returns them.
        x, y, hue: names of columns.
        col, row: names of columns, one or several each, whose values get a panel of their own.
        log: the axes that are logarithmic: any of ``x`` and ``y``; an axis with little range stays linear.
        title: of the figure; made from ``y`` if None.
        guide: a column that is drawn as one dotted grey line per panel, such as ``formula_bytes``.
        line: label and height, in the records' unit, of a grey line across every panel.

    Raises:
        LstmbenchError: if there is nothing to draw, a column is not there, a line would join different workloads, or
            there are more than eight lines.
    """
    made = plan(records, x, y, hue, _names(col), _names(row), log, guide)
    title = title or made.y.name[:1].upper() + made.y.name[1:]
    several = len(made.rows) > 1 or len(made.cols) > 1
    wide = len(made.cols) > 1 or len(made.ticks or ()) > _FEW
    figure = _draw(made, title, guide, line, PAGE if wide else SINGLE, _PANEL if several else _TALL)
    narrow = made.turned() if len(made.cols) > len(made.rows) else made
    figure.narrow = lambda: _draw(narrow, title, guide, line, COLUMN, _LOW if len(narrow.rows) > 2 else _PANEL)
    return figure


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


@dataclass(frozen=True)
class _Frame:
    """The sizes of a figure's parts, in inches, from the top down."""

    width: float
    height: float
    head: float
    panel_width: float
    panel_height: float

    def box(self, row: int, col: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a panel as shares of the figure."""
        left = _LEFT + col * (self.panel_width + _GAP_X)
        bottom = self.height - self.head - (row + 1) * self.panel_height - row * _GAP_Y
        return left / self.width, bottom / self.height, self.panel_width / self.width, self.panel_height / self.height


@our_settings()
def _draw(made: Plan, title: str, guide: str | None, line: Line | None, width: float, panel_height: float) -> Figure:
    sides = [_wrap(side, panel_height) for side in made.rows]
    right = _RIGHT + (_TEXT * (0.6 + max(map(_count, sides))) if len(sides) > 1 else 0)
    panel_width = (width - _LEFT - right - (len(made.cols) - 1) * _GAP_X) / len(made.cols)

    name = _wrap(title, width - 0.2, _BOLD)
    subtitle = _wrap(made.constants, width - 0.2)
    handles = _handles(made, guide, line)
    columns = max(1, int((width - 0.2) / (0.5 + _LETTER * max(len(str(handle.get_label())) for handle in handles))))
    columns = min(columns, len(handles))
    legend_rows = math.ceil(len(handles) / columns)
    heads = [_wrap(head, panel_width) for head in made.cols]
    x_label = _wrap(made.x_label, panel_width)
    notes = _wrap(_notes(made), width - 0.2, 0.05)

    lines_above = 1.35 * _count(name) + _count(subtitle) + 1.15 * legend_rows + max(map(_count, heads)) + 0.9
    foot = _TEXT * (1.8 + _count(x_label) + _count(notes) + (0.9 if notes else 0.4))
    if made.ticks:
        foot += fit_words(made.ticks, panel_width)[2]
    head = _TEXT * lines_above + 0.05
    height = head + len(made.rows) * (panel_height + _GAP_Y) - _GAP_Y + foot
    frame = _Frame(width, height, head, panel_width, panel_height)

    figure = Figure(figsize=(width, height))
    figure.text(0.1 / width, 1 - 0.09 / height, name, fontsize=9.5, fontweight="bold", va="top")
    top = 0.09 + 1.35 * _TEXT * _count(name)
    figure.text(0.1 / width, 1 - top / height, subtitle, fontsize=7.5, color=MUTED, va="top", linespacing=1.25)
    top += _TEXT * _count(subtitle) + 0.05
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.1 / width, 1 - top / height), ncols=columns, frameon=False,
        borderpad=0, borderaxespad=0, handlelength=2.6, columnspacing=1.4, labelspacing=0.35,
    )  # fmt: skip
    if notes:
        figure.text(0.1 / width, 0.07 / height, notes, fontsize=7, color=MUTED, va="bottom", linespacing=1.3)

    _panels(figure, made, frame, heads, sides, x_label, line)
    figure.caption = plain(f"{title}. {made.constants}." if made.constants else f"{title}.")
    figure.alt = alt_text(made, title)
    return figure


def _panels(
    figure: Figure, made: Plan, frame: _Frame, heads: list[str], sides: list[str], x_label: str, line: Line | None
) -> None:
    height = line[1] * made.per if line else None
    numbers = [number for panel in made.panels for number in _numbers(panel)] + ([height] if height else [])
    y_label = _wrap(made.y_label, frame.panel_height)
    filled = {(panel.row, panel.col): panel for panel in made.panels}
    for i, j in ((i, j) for i in range(len(made.rows)) for j in range(len(made.cols))):
        axes: Axes = figure.add_axes(frame.box(i, j))
        set_values_axis(axes, made.xs, frame.panel_width, "x" in made.log, made.ticks)
        set_number_axis(axes, numbers, "y" in made.log)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=2.5, width=0.6, labelbottom=i == len(made.rows) - 1, labelleft=j == 0)
        if i == 0 and heads[j]:
            axes.set_title(heads[j], loc="left", pad=4)
        if i == len(made.rows) - 1:
            axes.set_xlabel(x_label)
        if j == 0:
            axes.set_ylabel(y_label)
            axes.yaxis.set_label_coords((0.1 - _LEFT) / frame.panel_width, 0.5)  # a second line goes to the right
            axes.yaxis.label.set_verticalalignment("top")
        if j == len(made.cols) - 1 and sides[i]:
            axes.text(1.0 + 0.05 / frame.panel_width, 0.5, sides[i], rotation=270, va="center", ma="center",
                      transform=axes.transAxes)  # fmt: skip
        if height is not None:
            axes.axhline(height, color=MUTED, linewidth=1.0, linestyle=(0, (5, 2)), zorder=1.5)
        panel = filled.get((i, j))
        if panel is None:
            axes.text(0.5, 0.5, "not in these records", transform=axes.transAxes, ha="center", color=MUTED)
        else:
            _lines(axes, made, panel)


def _numbers(panel: Panel) -> list[float]:
    points = [point for points in (*panel.lines.values(), panel.guide) for point in points]
    return [number for point in points for number in (point.y, point.low, point.high) if math.isfinite(number)]


def _lines(axes: Axes, made: Plan, panel: Panel) -> None:
    if panel.guide:
        axes.plot([p.x for p in panel.guide], [p.y for p in panel.guide], color=MUTED, linewidth=1.1, linestyle=":")
    for position, value in enumerate(made.hues):
        points = panel.lines[value]
        xs, ys = [_aside(made, point.x, position) for point in points], [point.y for point in points]
        style = _style(made, value, position)
        joined = made.joined and sum(map(math.isfinite, ys)) > 1
        options = line_options(style) | ({} if joined else {"linestyle": "none"})
        axes.plot(xs, ys, label=shorten(value, 40), zorder=2.5, **options)
        known = [point for point in points if math.isfinite(point.low) and math.isfinite(point.high)]
        if joined and known:
            lows, highs = [point.low for point in points], [point.high for point in points]
            axes.fill_between(xs, lows, highs, color=style.color, alpha=0.22, linewidth=0, zorder=2)
        elif known:
            at = [_aside(made, point.x, position) for point in known]
            axes.vlines(at, [p.low for p in known], [p.high for p in known], color=style.color, linewidth=1.0)


def _aside(made: Plan, x: float, position: int) -> float:
    """Set points apart that stand above one another, where the x axis is of words or has a single value."""
    share = (position - (len(made.hues) - 1) / 2) / len(made.hues)
    if made.ticks:
        return x + 0.5 * share
    return x * 2.0**share if len(made.xs) == 1 else x


def _style(made: Plan, value: Any, position: int) -> Style:
    return style_of(str(value)) if made.hue == "implementation" else style_at(position)


def _handles(made: Plan, guide: str | None, line: Line | None) -> list[Line2D]:
    """Return one legend entry per line; the backend's dashes show in each."""
    found = []
    for position, value in enumerate(made.hues):
        options = line_options(_style(made, value, position)) | ({} if made.joined else {"linestyle": "none"})
        label = str(value) if made.hue == "implementation" else phrase(made.hue, value)
        found.append(Line2D([], [], label=shorten(label, 40), **options))
    if guide and any(panel.guide for panel in made.panels):
        found.append(Line2D([], [], color=MUTED, linewidth=1.1, linestyle=":", label=guide.split("_")[0]))
    if line:
        found.append(Line2D([], [], color=MUTED, linewidth=1.0, linestyle=(0, (5, 2)), label=line[0]))
    return found


def _notes(made: Plan) -> str:
    interval = any(math.isfinite(p.low) for panel in made.panels for points in panel.lines.values() for p in points)
    notes = [f"{'Bands' if made.joined else 'Bars'}: 95 % interval."] if interval else []
    if made.coinciding:
        notes.append(f"Coinciding lines: {'; '.join(made.coinciding)}.")
    if made.missing:
        notes.append(f"Not drawn: {'; '.join(made.missing)}.")
    return " ".join(notes)


def _wrap(text: str, width: float, letter: float = _LETTER) -> str:
    together = plain(text).replace(" = ", "\u00a0=\u00a0")
    return "\n".join(textwrap.wrap(together, max(8, int(width / letter)))).replace("\u00a0", " ")


def _count(text: str) -> int:
    return text.count("\n") + 1 if text else 0
