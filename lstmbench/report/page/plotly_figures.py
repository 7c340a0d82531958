"""What Plotly draws in the page of all runs, as plain dictionaries in Plotly's own format.

``static/plotly.json`` holds what all plots share, in colours for a white ground.

Plotly reads a little HTML in its texts, and a record is foreign text, so texts are escaped here.
Those of single points are not, since a screen reader gets them too: the page's script escapes them
for the label under the mouse.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, Final

import pandas as pd
from markupsafe import escape

from lstmbench.report.figures.figure import INK, MUTED, style_of
from lstmbench.report.tables.learning_curves import LearningCurve, ScoreLine
from lstmbench.results.schema import BYTES, SECONDS, Column

Json = dict[str, Any]

MAX_EPOCHS: Final = 200
"""Maximum number of epochs of a learning curve, evenly chosen: a panel is not many pixels wide."""
MAX_TICKS: Final = 10
"""Maximum number of sizes of which each is named at an axis: more would overlap."""
_DASH_SCALE: Final = 1.3
"""Pixels per unit of a dash, which is the width of a line, as in the figures of a run."""


def line_style(implementation: str, width: float = 1.6) -> Json:
    """Return how an implementation is drawn: as in the figures of a run."""
    style = style_of(implementation)
    dashes = ",".join(f"{_DASH_SCALE * length:.1f}px" for length in style.dashes)
    return {
        "mode": "lines+markers",
        "line": {"color": style.color, "dash": dashes or "solid", "width": width},
        "marker": {"color": style.color, "symbol": style.symbol, "size": 8},
    }


def axis(column: Column, values: Sequence[Any]) -> Json:
    """Return an axis for a column of numbers.

    Seconds are in the unit that fits, bytes in MiB, and a few sizes are each named.
    """
    if column.units == SECONDS:
        return _titled(f"{column.label} (s)", tickformat="~s", ticksuffix="s")
    if column.units == BYTES:
        return _titled(f"{column.label}, MiB")
    sizes = sorted({value for value in values if isinstance(value, int)})
    return _titled(column.label, **({"tickvals": sizes} if 0 < len(sizes) <= MAX_TICKS else {}))


def _titled(title: str, **options: Any) -> Json:
    return {"title": {"text": str(escape(title))}, **options}


def learning_panel(curve: LearningCurve, run: str) -> Json:
    """Return the plot of how one task was learnt, with the final score and near baselines."""
    lines = [
        replace(line, points=line.points.iloc[:: -(-len(line.points) // MAX_EPOCHS)])
        for line in curve.lines
    ]
    scores = pd.concat(line.points for line in lines)
    traces = [*(_mean(line, curve.metric) for line in lines), *map(_band, lines)]
    if curve.score is not None:
        traces.append(_final_score(curve.end, *curve.score))
    near = curve.near_baselines(scores["low"].min(), scores["high"].max())
    return {
        "caption": f"{curve.title}, {run}",
        "label": f"{curve.metric} against updates",
        "traces": traces,
        "layout": {
            "xaxis": _titled("updates", range=[0, 1.04 * curve.end]),
            "yaxis": _titled(curve.metric, type="log" if curve.log else "linear"),
            "shapes": [_baseline(name, score) for name, score in near.items()],
        },
    }


def _mean(line: ScoreLine, metric: str) -> Json:
    """Return the mean over seeds; that of a plain RNN is thin."""
    texts = []
    for x, y, low, high in line.points.itertuples(index=False):
        seeds = f" ({low:.4g} to {high:.4g}, {line.seeds} seeds)" if line.seeds > 1 else ""
        texts.append(f"{line.label}\n{x:.0f} updates\n{metric}: {y:.4g}{seeds}")
    return line_style(line.implementation, 1 if line.cell == "rnn" else 2) | {
        "mode": "lines",
        "name": str(escape(line.label)),
        "x": line.points["x"].tolist(),
        "y": rounded(line.points["y"], 4),
        "text": texts,
    }


def _band(line: ScoreLine) -> Json:
    """Return the area between the least and the greatest score, as a polygon."""
    back = line.points[::-1]
    return {
        "x": [*line.points["x"], *back["x"]],
        "y": rounded([*line.points["high"], *back["low"]], 4),
        "mode": "none",
        "fill": "toself",
        "fillcolor": style_of(line.implementation).color + "26",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _final_score(x: float, y: float, low: float | None, high: float | None) -> Json:
    interval = "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"
    return {
        "x": [x],
        "y": [y],
        "error_y": {"array": [(high or y) - y], "arrayminus": [y - (low or y)]},
        "mode": "markers",
        "marker": {"symbol": "star", "size": 11, "color": INK},
        "name": "on the test data",
        "text": [f"LSTM on the test data: {y:.4g}{interval}"],
    }


def _baseline(name: str, score: float) -> Json:
    """Return a dotted line from side to side, with its name."""
    font = {"size": 10, "color": MUTED}
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": score,
        "y1": score,
        "line": {"color": MUTED, "width": 1, "dash": "dot"},
        "label": {"text": str(escape(name)), "textposition": "start", "font": font},
    }


def rounded(values: Iterable[Any], digits: int) -> list[Any]:
    """Return floats with so many significant digits, None if infinite, and all else as it is."""
    return [
        (float(f"{value:.{digits}g}") if isfinite(value) else None)
        if isinstance(value, float)
        else value
        for value in values
    ]
