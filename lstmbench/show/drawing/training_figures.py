"""Figures of trained models: learning curves, gradients by lag, forecasts, detection, and continued curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lstmbench.show.drawing.axes import add_legend, draw_lines, fit, scale_numbers
from lstmbench.show.drawing.figure import COLUMN, PAGE, SINGLE, Figure, figure_style
from lstmbench.show.drawing.styles import INK, MUTED, style_of
from lstmbench.show.formats import Sentence
from lstmbench.show.tabulating.courses import Course, courses

MAX_COLUMNS = 3
"""Panels of learning curves that find room side by side on a page."""
PANEL_HEIGHT = 1.9
"""In inches."""
MARKERS = 8
"""Markers on a learning curve; one at every epoch would hide it."""
ROUNDING = 1e-16
"""Gradients below this fraction of the largest are rounding errors of float64."""


def learning_curves(
    samples: pd.DataFrame, records: pd.DataFrame, tasks: Sequence[str] | None = None
) -> Figure | Sentence:
    """Draw one panel per task and its sizes: a line for each implementation, the mean over seeds, a band of all seeds.

    The lines are scores on validation data; a plain RNN's are thin, without markers. The star at the right is the
    score on the test data, the mean over seeds with its 95 % interval. Dotted lines are the baselines on the same data.

    Args:
        samples: of training runs, as ``read_samples`` returns them.
        records: of the same runs.
        tasks: which, in this order; those of the records if None.
    """
    curves = courses(samples, records, tasks)
    if not curves:
        return Sentence("There is nothing to draw: nothing was learnt.")
    columns = min(MAX_COLUMNS, len(curves))
    figure = _draw_curves(curves, columns, SINGLE if columns == 1 else PAGE)
    figure.narrow = lambda: _draw_curves(curves, 1, COLUMN)
    return figure


@figure_style()
def _draw_curves(curves: Sequence[Course], columns: int, width: float) -> Figure:
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(width, rows * PANEL_HEIGHT + 2))
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, curve in zip(panels.flat, curves, strict=False):
        _draw_curve(axes, curve)
    for axes in panels.flat[len(curves) :]:
        axes.set_axis_off()
    add_legend(figure, panels.flat)
    fit(figure, panels, PANEL_HEIGHT)
    names = dict.fromkeys(label for axes in panels.flat for label in axes.get_legend_handles_labels()[1])
    return figure.described(
        "learning-curves",
        "Score on the validation data after each epoch, mean over seeds; the band holds all seeds. At the right, the "
        "LSTM's score on the test data beside those of the baselines.",
        f"Tasks: {', '.join(dict.fromkeys(curve.task for curve in curves))}. Lines: {', '.join(names)}. "
        "Dotted: baselines.",
    )


def _draw_curve(axes: Axes, curve: Course) -> None:
    looks: dict[str, dict[str, Any]] = {}
    lines = []
    for line in curve.lines:
        looks[line.label] = style_of(line.implementation).line_options()
        looks[line.label] |= {"markevery": max(1, len(line.updates) // MARKERS)}
        if line.cell == "rnn":
            looks[line.label] |= {"marker": "", "linewidth": 0.9}
        points = pd.DataFrame({"x": line.updates, "y": line.mean, "hue": line.label})
        band = {"low": line.least, "high": line.most} if line.seeds > 1 else {"low": np.nan, "high": np.nan}
        lines.append(points.assign(**band))
    points = pd.concat(lines)
    draw_lines(axes, points, looks)
    if curve.score is not None:
        end = 1.05 * points["x"].max()
        value, low, high = curve.score
        if low is not None and high is not None:
            axes.vlines(end, low, high, color=INK, linewidth=0.9)
        axes.plot([end], [value], "*", color=INK, markersize=8, zorder=5, label="LSTM, test data")
    if curve.log:
        axes.set_yscale("log")
    _draw_baselines(axes, curve.baselines)
    axes.set_title(curve.title, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("updates")
    axes.set_ylabel(curve.metric, parse_math=False)


def _draw_baselines(axes: Axes, scores: Mapping[str, float]) -> None:
    """Draw and name a line for each score that is near the curves; the table has the others."""
    low, high = axes.get_ylim()
    margin = 2 * (high - low)
    least, greatest = (low / 10, high * 10) if axes.get_yscale() == "log" else (low - margin, high + margin)
    for name, score in scores.items():
        if least <= score <= greatest:
            axes.axhline(score, color=MUTED, linewidth=0.8, linestyle=":")
            axes.text(
                0.01, score, name, transform=axes.get_yaxis_transform(), fontsize="x-small", color=MUTED, va="bottom",
                parse_math=False, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.4},
            )  # fmt: skip
    axes.margins(y=0.1)  # the name of the highest line fits below the top


def gradient_by_lag(norms: pd.DataFrame) -> Figure:
    """Draw what ``lstmbench.learning.lags.gradient_by_lag`` returns: the median over seeds, and a band of all seeds."""
    by_lag = norms.groupby(["kind", "lag"], sort=False)["norm"].agg(y="median", low="min", high="max")
    points = by_lag.reset_index().rename(columns={"kind": "hue", "lag": "x"})
    figure, axes = _line_chart(points, "lag (steps)", "gradient, relative to lag 0", {"marker": ""})
    axes.set(yscale="log", ylim=(ROUNDING, max(10.0, 2 * points["high"].max())))
    return figure.described(
        "gradient-by-lag",
        "How strongly the last output depends on the input so many steps before, before anything is learnt.",
        f"{', '.join(points['hue'].unique())}; medians over seeds, bands hold all of them.",
    )


def precision_recall(points: pd.DataFrame) -> Figure:
    """Draw precision against recall: columns ``detector``, ``recall``, ``precision``."""
    points = points.rename(columns={"detector": "hue", "recall": "x", "precision": "y"})
    labels = "recall: share of the wrong values found", "precision: share of the finds that are wrong values"
    figure, axes = _line_chart(points, *labels, {"marker": ""})
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    names = f"{', '.join(points['hue'].unique())}."
    return figure.described("precision-recall", "Precision against recall of detectors of wrong values.", names)


def forecast_horizons(errors: pd.DataFrame, unit: str, step: str) -> Figure:
    """Draw the mean error of forecasts by how far ahead they are: columns ``method``, ``ahead``, ``error``."""
    points = errors.rename(columns={"method": "hue", "ahead": "x", "error": "y"})
    figure, axes = _line_chart(points, f"ahead ({step})", f"mean absolute error ({unit})", {})
    scale_numbers(axes, points["y"].min(), points["y"].max(), log=True)
    names = f"{', '.join(points['hue'].unique())}."
    return figure.described("horizons", "Error of forecasts of the test data, by how far ahead they are.", names)


@figure_style()
def _line_chart(points: pd.DataFrame, x_label: str, y_label: str, look: Mapping[str, Any]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SINGLE, 3.2))
    axes = figure.subplots()
    draw_lines(axes, points, dict.fromkeys(points["hue"], look))
    axes.set(xlabel=x_label, ylabel=y_label)
    add_legend(figure, [axes])
    return figure, axes


@figure_style()
def continued_curves(
    truth: np.ndarray[Any, Any], generated: np.ndarray[Any, Any], prompt: int, count: int = 4
) -> Figure:
    """Draw curves beside their continuation by a model.

    Args:
        truth: the movements of the pen, (T, B, 2).
        generated: those that the model made after the first ``prompt``, (T - prompt, B, 2).
        prompt: how many movements the model was shown.
        count: how many curves are drawn.
    """
    figure = Figure(figsize=(PAGE, 0.4 + 0.8 * count))
    panels = figure.subplots(count, squeeze=False)[:, 0]
    for k, axes in enumerate(panels):
        whole = truth[:, k].cumsum(axis=0)
        alone = whole[prompt - 1] + generated[:, k].cumsum(axis=0)
        lines = {
            "the true curve": (whole[prompt - 1 :], MUTED, ":"),
            "what it was shown": (whole[:prompt], INK, "-"),
            "what it drew": (alone, style_of("torch.fused").color, "-"),
        }
        for label, (line, color, linestyle) in lines.items():
            axes.plot(*line.T, color=color, linestyle=linestyle, marker="", label=label)
        axes.set_axis_off()
        axes.set_aspect("equal")
    add_legend(figure, panels[:1])
    details = f"{count} curves; the model reads its own movements after {prompt} steps."
    return figure.described("drawings", "Curves, and how a model went on with them by itself.", details)
