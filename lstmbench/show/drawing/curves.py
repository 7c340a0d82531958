"""How learning went: the score on the validation data after each epoch, beside what is to be beaten."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.show.drawing.axes import set_number_axis
from lstmbench.show.drawing.figure import Figure, our_settings
from lstmbench.show.drawing.styles import INK, MUTED, line_options, style_at, style_of
from lstmbench.show.formats import Sentence
from lstmbench.show.labels import ordered

WIDTH, HEIGHT, ACROSS = 3.1, 2.5, 3
"""Inches of a panel, and how many stand side by side."""


def curves(samples: pd.DataFrame, records: pd.DataFrame, tasks: Sequence[str] | None = None) -> Figure | Sentence:
    """Draw one panel per task: a line for each implementation, the mean over seeds, and a band from least to most.

    The plain RNN's lines are thin, without markers. Grey lines are the baselines; they are scores on the test data.

    Args:
        samples: of a run of lessons, as ``read_samples`` returns them.
        records: of the same run.
        tasks: which, in this order; those of the records if None.
    """
    known = ordered("task", samples["task"].dropna()) if "task" in samples else []
    wanted = tasks if tasks is not None else list(dict.fromkeys(records["task"]))
    chosen = [task for task in wanted if task in known]
    if not chosen:
        return Sentence("There is nothing to draw: nothing was learnt.")
    with our_settings():
        across, down = min(ACROSS, len(chosen)), -(-len(chosen) // ACROSS)
        figure = Figure(figsize=(max(4.2, 0.3 + WIDTH * across), 0.3 + HEIGHT * down), layout="constrained")
        places = figure.subplots(down, across, squeeze=False).ravel()
        for axes, task in zip(places, chosen, strict=False):
            _panel(axes, samples[samples["task"] == task], records[records["task"] == task])
        for axes in places[len(chosen) :]:
            axes.remove()
        handles = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}
        named = {name: line for name, line in handles.items() if not name.startswith("_")}
        columns = min(4, len(named))
        figure.legend([*named.values()], [*named], loc="outside upper center", ncols=columns, frameon=False)
    figure.id = "learning-curves"
    figure.caption = "Score on the validation data after each epoch, mean over seeds; the band holds all seeds."
    figure.alt = f"{figure.caption} Tasks: {', '.join(chosen)}. Lines: {', '.join(named)}. Grey: baselines."
    return figure


def _panel(axes: Any, samples: pd.DataFrame, records: pd.DataFrame) -> None:
    for (cell, name), group in samples.groupby(["cell", "implementation"], sort=False):
        several = group.pivot_table(index="updates", columns="seed", values="score")
        several = several.astype(float)
        look = line_options(style_of(str(name)))
        label = str(name)
        if cell == "rnn":
            look |= {"marker": "", "linewidth": 0.9}
            label = f"plain RNN, {label.partition('.')[0]}"
        axes.plot(several.index, several.mean(axis=1), label=label, **look)
        if several.shape[1] > 1:
            axes.fill_between(
                several.index, several.min(axis=1), several.max(axis=1), color=look["color"], alpha=0.15, linewidth=0
            )
    shown = samples["score"].astype(float).dropna()
    low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 1.0)
    for row in records[records["cell"] == "baselines"].to_dict("records"):
        if pd.notna(row["score"]) and low - 2 * (high - low) <= row["score"] <= high + 2 * (high - low):
            axes.axhline(row["score"], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
            axes.annotate(
                row["variant"], (1.0, row["score"]), xycoords=("axes fraction", "data"), xytext=(-2, 2),
                textcoords="offset points", ha="right", fontsize=6.5, color=MUTED,
            )  # fmt: skip
    metric = records["metric"].dropna()
    axes.set_title(str(samples["task"].iloc[0]), loc="left")
    axes.set_xlabel("updates")
    axes.set_ylabel(str(metric.iloc[0]) if len(metric) else "score")


def _band(axes: Any, several: pd.DataFrame, color: str) -> None:
    """Shade from the least to the most, over the columns."""
    low, high = several.min(axis=1), several.max(axis=1)
    axes.fill_between(several.index, low, high, color=color, alpha=0.15, linewidth=0)


def lags(norms: pd.DataFrame) -> Figure:
    """Draw what ``lstmbench.learning.lags.gradient_by_lag`` found: the median over seeds, and a band of all of them."""
    with our_settings():
        figure = Figure(figsize=(5.2, 3.1), layout="constrained")
        axes = figure.subplots()
        for k, (kind, group) in enumerate(norms.groupby("kind", sort=False)):
            several = group.pivot_table(index="lag", columns="seed", values="norm")
            look = line_options(style_at(k)) | {"marker": ""}
            axes.plot(several.index, several.median(axis=1), label=str(kind), **look)
            axes.fill_between(
                several.index, several.min(axis=1), several.max(axis=1), color=look["color"], alpha=0.15, linewidth=0
            )
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
