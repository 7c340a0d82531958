"""Figures of trained models: learning curves, gradients, forecasts, detection, generation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lstmbench.report.figures.figure import (
    COLUMN,
    INK,
    MUTED,
    PAGE,
    SINGLE,
    Figure,
    Looks,
    add_legend,
    draw_lines,
    figure_style,
    fit,
    line_chart,
    scale_numbers,
    style_of,
)
from lstmbench.report.number_format import Sentence
from lstmbench.report.tables.learning_curves import LearningCurve, curves_by_task

MAX_COLUMNS = 3
"""Panels of learning curves that find room side by side on a page."""
MARKERS = 8
"""Markers on a learning curve; one at every epoch would hide it."""
CURVES = 4
"""Curves that are drawn beside their continuation."""
ROUNDING = 1e-16
"""Gradients below this fraction of the largest are rounding errors of float64."""


def learning_curves(
    samples: pd.DataFrame, records: pd.DataFrame, tasks: Sequence[str] | None = None
) -> Figure | Sentence:
    """Draw one panel per task and its sizes: lines are means over seeds, bands hold all seeds.

    The lines are scores on validation data; a plain RNN's are thin, without markers. The star at
    the right is the score on the test data, the mean over seeds with its 95 % interval. Dotted
    lines are the baselines on the same data.

    Args:
        samples: of training runs, as ``read_samples`` returns them.
        records: of the same runs.
        tasks: which, in this order; those of the records if None.
    """
    curves = curves_by_task(samples, records, tasks)
    if not curves:
        return Sentence("There is nothing to draw: nothing was learnt.")
    columns = min(MAX_COLUMNS, len(curves))
    figure = _draw_curves(curves, columns, SINGLE if columns == 1 else PAGE)
    figure.narrow = lambda: _draw_curves(curves, 1, COLUMN)
    return figure


@figure_style()
def _draw_curves(curves: Sequence[LearningCurve], columns: int, width: float) -> Figure:
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(width, 2 + 2 * rows))
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(curves) :]:
        axes.set_axis_off()
    for axes, curve in zip(panels.flat, curves, strict=False):
        _draw_curve(axes, curve)
    names = add_legend(figure, panels.flat)
    fit(figure, panels)
    return figure.described(
        "learning-curves",
        "Score on the validation data after each epoch, mean over seeds; the band holds all seeds. "
        "At the right, the LSTM's score on the test data beside those of the baselines.",
        f"Tasks: {', '.join(dict.fromkeys(curve.task for curve in curves))}. "
        f"Lines: {', '.join(names)}. Dotted: baselines.",
    )


def _draw_curve(axes: Axes, curve: LearningCurve) -> None:
    looks = {}
    for line in curve.lines:
        thin = {"marker": "", "linewidth": 0.9} if line.cell == "rnn" else {}
        look = style_of(line.implementation).line_options() | thin
        looks[line.label] = look | {"markevery": max(1, len(line.points) // MARKERS)}
    draw_lines(axes, pd.concat(line.points.assign(hue=line.label) for line in curve.lines), looks)
    if curve.score is not None:
        value, low, high = curve.score
        axes.plot(curve.end, value, "*", color=INK, markersize=8, zorder=5, label="LSTM, test data")
        if low is not None and high is not None:
            axes.vlines(curve.end, low, high, color=INK)
    if curve.log:
        axes.set_yscale("log")
    # The table has the baselines that are far from the curves
    for name, score in curve.near_baselines(*axes.get_ylim()).items():
        axes.axhline(score, color=MUTED, linewidth=0.8, linestyle=":")
        axes.text(
            0.01, score, name, fontsize="small", color=MUTED, backgroundcolor="#ffffff99",
            va="bottom", transform=axes.get_yaxis_transform(), parse_math=False,
        )  # fmt: skip
    axes.margins(y=0.1)  # the name of the highest line fits below the top
    axes.set_title(curve.title, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("updates")
    axes.set_ylabel(curve.metric, parse_math=False)


def gradient_by_lag(norms: pd.DataFrame) -> Figure:
    """Draw ``training.gradient_by_lag.gradient_by_lag``: medians over seeds, bands of all seeds."""
    groups = norms.groupby(["kind", "lag"], sort=False)["norm"]
    points = groups.agg(y="median", low="min", high="max").rename_axis(["hue", "x"]).reset_index()
    looks = {hue: {"marker": ""} for hue in points["hue"]}
    figure, axes = line_chart(points, "lag (steps)", "gradient, relative to lag 0", looks)
    axes.set(yscale="log", ylim=(ROUNDING, max(10.0, 2 * points["high"].max())))
    return figure.described(
        "gradient-by-lag",
        "How strongly the last output depends on the input so many steps before, before anything "
        "is learnt.",
        f"{', '.join(looks)}; medians over seeds, bands hold all of them.",
    )


def precision_recall(points: pd.DataFrame) -> Figure:
    """Draw precision against recall: columns ``detector``, ``recall``, ``precision``."""
    points = points.rename(columns={"detector": "hue", "recall": "x", "precision": "y"})
    looks = {hue: {"marker": ""} for hue in points["hue"]}
    y_label = "precision:\nshare of the finds that are wrong values"
    figure, axes = line_chart(points, "recall: share of the wrong values found", y_label, looks)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    caption = "Precision against recall of detectors of wrong values."
    return figure.described("precision-recall", caption, f"{', '.join(looks)}.")


def forecast_horizons(errors: pd.DataFrame, unit: str, step: str) -> Figure:
    """Draw mean errors of forecasts: columns ``method``, ``ahead``, ``error``."""
    points = errors.rename(columns={"method": "hue", "ahead": "x", "error": "y"})
    looks: Looks = {hue: {} for hue in points["hue"]}
    figure, axes = line_chart(points, f"ahead ({step})", f"mean absolute error ({unit})", looks)
    scale_numbers(axes, points[["y"]], log=True)
    caption = "Error of forecasts of the test data, by how far ahead they are."
    return figure.described("horizons", caption, f"{', '.join(looks)}.")


@figure_style()
def continued_curves(
    truth: np.ndarray[Any, Any], generated: np.ndarray[Any, Any], prompt: int
) -> Figure:
    """Draw the first curves beside their continuation by a model.

    Args:
        truth: the movements of the pen, (T, B, 2).
        generated: those that the model made after the first ``prompt``, (T - prompt, B, 2).
        prompt: how many movements the model was shown.
    """
    figure = Figure(figsize=(PAGE, PAGE / 2))
    panels = figure.subplots(CURVES)
    for k, axes in enumerate(panels):
        whole = truth[:, k].cumsum(axis=0)
        alone = whole[prompt - 1] + generated[:, k].cumsum(axis=0)
        for curve, label, color, linestyle in (
            (whole[prompt - 1 :], "the true curve", MUTED, ":"),
            (whole[:prompt], "what it was shown", INK, "-"),
            (alone, "what it drew", style_of("torch.fused").color, "-"),
        ):
            axes.plot(*curve.T, color=color, linestyle=linestyle, marker="", label=label)
        axes.set_axis_off()
        axes.set_aspect("equal")
    add_legend(figure, panels[:1])
    return figure.described(
        "drawings",
        "Curves, and how a model went on with them by itself.",
        f"{CURVES} curves; the model reads its own movements after {prompt} steps.",
    )
