"""How learning went: the score on the validation data after each epoch, beside what is to be beaten."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from lstmbench.show.drawing.axes import set_number_axis
from lstmbench.show.drawing.figure import COLUMN, Figure, our_settings
from lstmbench.show.drawing.styles import INK, MUTED, line_options, style_at, style_of
from lstmbench.show.formats import Sentence
from lstmbench.show.tabulating.courses import Course, courses

WIDTH, HEIGHT, ACROSS = 3.1, 2.5, 3
"""Inches of a panel, and how many stand side by side."""
MARKERS = 8
"""A line has about so many markers, however many epochs."""


def curves(samples: pd.DataFrame, records: pd.DataFrame, tasks: Sequence[str] | None = None) -> Figure | Sentence:
    """Draw one panel per task and its sizes: a line for each implementation, the mean over seeds, a band of all seeds.

    The lines are scores on validation data; a plain RNN's are thin, without markers. At the right stands what came of
    it on the test data, the mean over seeds with its 95 % interval, beside the baselines, dotted, on the same data.

    Args:
        samples: of a run of lessons, as ``read_samples`` returns them.
        records: of the same run.
        tasks: which, in this order; those of the records if None.
    """
    several = courses(samples, records, tasks)
    if not several:
        return Sentence("There is nothing to draw: nothing was learnt.")
    across = min(ACROSS, len(several))
    figure = _draw(several, across, max(4.2, 0.3 + WIDTH * across))
    figure.narrow = lambda: _draw(several, 1, COLUMN)
    return figure


@our_settings()
def _draw(several: Sequence[Course], across: int, width: float) -> Figure:
    down = -(-len(several) // across)
    figure = Figure(figsize=(width, 0.4 + HEIGHT * down), layout="constrained")
    places = figure.subplots(down, across, squeeze=False).ravel()
    for axes, course in zip(places, several, strict=False):
        _panel(axes, course)
    for axes in places[len(several) :]:
        axes.remove()
    handles = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}
    named = {name: line for name, line in handles.items() if not name.startswith("_")}
    columns = min(1 + across, 4, len(named))
    figure.legend([*named.values()], [*named], loc="outside upper center", ncols=columns, frameon=False)
    figure.id = "learning-curves"
    figure.caption = (
        "Score on the validation data after each epoch, mean over seeds; the band holds all seeds. At the right, the "
        "LSTM's score on the test data beside those of the baselines."
    )
    names = ", ".join(dict.fromkeys(course.task for course in several))
    figure.alt = f"{figure.caption} Tasks: {names}. Lines: {', '.join(named)}. Dotted: baselines."
    return figure


def _panel(axes: Any, course: Course) -> None:
    for line in course.lines:
        look = line_options(style_of(line.implementation)) | {"markevery": max(1, len(line.updates) // MARKERS)}
        if line.cell == "rnn":
            look |= {"marker": "", "linewidth": 0.9}
        axes.plot(line.updates, line.mean, label=line.label, **look)
        if line.seeds > 1:
            _band(axes, line.updates, line.least, line.most, look["color"])
    if course.score is not None:
        end = 1.05 * max(line.updates[-1] for line in course.lines)
        value, *edges = course.score
        low, high = (value if edge is None else edge for edge in edges)
        reach = [[value - low], [high - value]]
        axes.errorbar([end], [value], yerr=reach, color=INK, capsize=2, linewidth=0.9, zorder=5)
        axes.plot([end], [value], "*", color=INK, markersize=6, zorder=5, label="LSTM, test data")
    if course.log:
        axes.set_yscale("log")
    _baselines(axes, course.baselines)
    axes.set_title(course.title, loc="left", parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("updates")
    axes.set_ylabel(course.metric, parse_math=False)


def _baselines(axes: Any, scores: Mapping[str, float]) -> None:
    """Draw a line for each that lies where the curves are, and name it within the panel."""
    low, high = axes.get_ylim()
    logarithmic = axes.get_yscale() == "log"
    span = high - low
    for name, score in scores.items():
        if logarithmic and not low / 10 <= score <= high * 10:
            continue
        if not logarithmic and not low - 2 * span <= score <= high + 2 * span:
            continue
        axes.axhline(score, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.annotate(
            name, (0.0, score), xycoords=("axes fraction", "data"), xytext=(3, 2), textcoords="offset points",
            ha="left", fontsize=6.5, color=MUTED, parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.4},
        )  # fmt: skip
    axes.margins(y=0.1)  # the highest line's name fits below the frame


def _band(axes: Any, xs: Any, low: Any, high: Any, color: str) -> None:
    axes.fill_between(xs, low, high, color=color, alpha=0.15, linewidth=0)


def lags(norms: pd.DataFrame) -> Figure:
    """Draw what ``lstmbench.learning.lags.gradient_by_lag`` found: the median over seeds, and a band of all of them."""
    with our_settings():
        figure = Figure(figsize=(5.2, 3.1), layout="constrained")
        axes = figure.subplots()
        for k, (kind, group) in enumerate(norms.groupby("kind", sort=False)):
            several = group.pivot_table(index="lag", columns="seed", values="norm")
            look = line_options(style_at(k)) | {"marker": ""}
            axes.plot(several.index, several.median(axis=1), label=str(kind), **look)
            _band(axes, several.index, several.min(axis=1), several.max(axis=1), look["color"])
        axes.set_yscale("log")
        axes.set_ylim(1e-16, max(10.0, float(norms["norm"].max()) * 2))  # below is rounding
        axes.set_xlabel("lag (steps)")
        axes.set_ylabel("gradient, relative to lag 0")
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.id = "gradient-by-lag"
    figure.caption = (
        "How strongly the last output depends on the input so many steps before, before anything is learnt."
    )
    figure.alt = (
        f"{figure.caption} {', '.join(dict.fromkeys(norms['kind']))}; medians over seeds, bands hold all of them."
    )
    return figure


def drawings(truth: np.ndarray[Any, Any], drawn: np.ndarray[Any, Any], prompt: int, several: int = 4) -> Figure:
    """Draw curves beside their continuation by a model.

    Args:
        truth: the ways of the pen, (T, B, 2).
        drawn: those that the model drew after the first ``prompt``, (T - prompt, B, 2).
        prompt: how many ways the model was shown.
        several: how many curves are shown.
    """
    with our_settings():
        figure = Figure(figsize=(6.4, 0.4 + 0.8 * several), layout="constrained")
        for k, axes in enumerate(figure.subplots(several, 1, squeeze=False)[:, 0]):
            whole = np.cumsum(truth[:, k], axis=0)
            alone = whole[prompt - 1] + np.cumsum(drawn[:, k], axis=0)
            axes.plot(
                *whole[prompt - 1 :].T, color=MUTED, linewidth=1.0, linestyle=(0, (1, 1.5)), label="the true curve"
            )
            axes.plot(*whole[:prompt].T, color=INK, linewidth=1.2, label="what it was shown")
            axes.plot(*alone.T, color=style_of("torch.fused").color, linewidth=1.2, label="what it drew")
            axes.set_axis_off()
            axes.set_aspect("equal")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    figure.id = "drawings"
    figure.caption = "Curves, and how a model went on with them by itself."
    figure.alt = f"{figure.caption} {several} curves; the model reads its own ways after {prompt} steps."
    return figure


def precision_recall(curves_: pd.DataFrame) -> Figure:
    """Draw precision against recall: columns ``detector``, ``recall``, ``precision``."""
    with our_settings():
        figure = Figure(figsize=(3.8, 3.2), layout="constrained")
        axes = figure.subplots()
        for k, (name, group) in enumerate(curves_.groupby("detector", sort=False)):
            axes.plot(
                group["recall"], group["precision"], label=str(name), **(line_options(style_at(k)) | {"marker": ""})
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("recall: share of the wrong values found")
        axes.set_ylabel("precision: share of the finds that are wrong values")
        figure.legend(loc="outside upper center", ncols=1, frameon=False)
    figure.id = "precision-recall"
    figure.caption = "Precision against recall of detectors of wrong values."
    figure.alt = f"{figure.caption} {', '.join(dict.fromkeys(curves_['detector']))}."
    return figure


def horizons(errors: pd.DataFrame, unit: str, step: str) -> Figure:
    """Draw the mean error of forecasts by how far ahead they are: columns ``method``, ``ahead``, ``error``."""
    with our_settings():
        figure = Figure(figsize=(4.8, 3.3), layout="constrained")
        axes = figure.subplots()
        for k, (name, group) in enumerate(errors.groupby("method", sort=False)):
            axes.plot(group["ahead"], group["error"], label=str(name), **line_options(style_at(k)))
        set_number_axis(axes, list(errors["error"]), log=True)
        axes.set_xlabel(f"ahead ({step})")
        axes.set_ylabel(f"mean absolute error ({unit})")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    figure.id = "horizons"
    figure.caption = "Error of forecasts of the test data, by how far ahead they are."
    figure.alt = f"{figure.caption} {', '.join(dict.fromkeys(errors['method']))}."
    return figure
