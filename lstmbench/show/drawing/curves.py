"""How learning went: the score on the validation data after each epoch, beside what is to be beaten."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from lstmbench.show.drawing.axes import set_number_axis
from lstmbench.show.drawing.figure import Figure, our_settings
from lstmbench.show.drawing.styles import INK, MUTED, line_options, style_at, style_of
from lstmbench.show.formats import Sentence
from lstmbench.show.tabulating.learning import by_seed, mean

WIDTH, HEIGHT, ACROSS = 3.1, 2.5, 3
"""Inches of a panel, and how many stand side by side."""
MARKERS = 8
"""A line has about so many markers, however many epochs."""
WIDE = 30
"""Errors that differ by more than this factor are drawn on a logarithmic axis."""


def curves(samples: pd.DataFrame, records: pd.DataFrame, tasks: Sequence[str] | None = None) -> Figure | Sentence:
    """Draw one panel per task and its sizes: a line for each implementation, the mean over seeds, a band of all seeds.

    The lines are scores on validation data; a plain RNN's are thin, without markers. At the right stands what came of
    it on the test data, the mean over seeds with its 95 % interval, beside the baselines, dotted, on the same data.

    Args:
        samples: of a run of lessons, as ``read_samples`` returns them.
        records: of the same run.
        tasks: which, in this order; those of the records if None.
    """
    wanted = [str(task) for task in (tasks if tasks is not None else dict.fromkeys(records["task"]))]
    there = samples[["task", "sizes"]].dropna().drop_duplicates() if "task" in samples else pd.DataFrame()
    lessons = [(str(task), str(sizes)) for task, sizes in there.itertuples(index=False) if task in wanted]
    lessons.sort(key=lambda lesson: wanted.index(lesson[0]))
    if not lessons:
        return Sentence("There is nothing to draw: nothing was learnt.")
    with our_settings():
        across, down = min(ACROSS, len(lessons)), -(-len(lessons) // ACROSS)
        figure = Figure(figsize=(max(4.2, 0.3 + WIDTH * across), 0.4 + HEIGHT * down), layout="constrained")
        places = figure.subplots(down, across, squeeze=False).ravel()
        for axes, (task, sizes) in zip(places, lessons, strict=False):
            _panel(axes, _of(samples, task, sizes), _of(records, task, sizes))
            others = [other for name, other in lessons if name == task and other != sizes]
            own = [each for each in sizes.split(", ") if not all(each in other.split(", ") for other in others)]
            axes.set_title(f"{task} ({', '.join(own)})" if own and others else task, loc="left", parse_math=False)
        for axes in places[len(lessons) :]:
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
    names = ", ".join(dict.fromkeys(task for task, _ in lessons))
    figure.alt = f"{figure.caption} Tasks: {names}. Lines: {', '.join(named)}. Dotted: baselines."
    return figure


def _of(rows: pd.DataFrame, task: str, sizes: str) -> pd.DataFrame:
    return rows[(rows["task"] == task) & (rows["sizes"].fillna("") == sizes)]


def _panel(axes: Any, samples: pd.DataFrame, records: pd.DataFrame) -> None:
    end = float(samples["updates"].max())
    for (cell, name), group in samples.groupby(["cell", "implementation"], sort=False):
        several = group.pivot_table(index="updates", columns="seed", values="score").astype(float)
        look = line_options(style_of(str(name))) | {"markevery": max(1, len(several) // MARKERS)}
        label = str(name)
        if cell == "rnn":
            look |= {"marker": "", "linewidth": 0.9}
            label = f"plain RNN, {label.partition('.')[0]}"
        axes.plot(several.index, several.mean(axis=1), label=label, **look)
        if several.shape[1] > 1:
            _band(axes, several, look["color"])
    shown = samples["score"].astype(float).dropna()
    scored = records[records["score"].notna()]
    seeds = by_seed([{str(key): each for key, each in row.items()} for row in scored.to_dict("records")], "lstm")
    if seeds:
        found = mean(seeds)
        low, high = (found.value if edge is None else edge for edge in (found.low, found.high))
        reach = [[found.value - low], [high - found.value]]
        axes.errorbar([1.05 * end], [found.value], yerr=reach, color=INK, capsize=2, linewidth=0.9, zorder=5)
        axes.plot([1.05 * end], [found.value], "*", color=INK, markersize=6, zorder=5, label="LSTM, test data")
    positive = bool(len(shown)) and shown.min() > 0
    if positive and not records["higher_is_better"].eq(True).any() and shown.max() > WIDE * shown.min():
        axes.set_yscale("log")
    _baselines(axes, scored[scored["cell"] == "baselines"])
    metric = records["metric"].dropna()
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("updates")
    axes.set_ylabel(str(metric.iloc[0]) if len(metric) else "score", parse_math=False)


def _baselines(axes: Any, rows: pd.DataFrame) -> None:
    """Draw a line for each that lies where the curves are, and name it within the panel."""
    low, high = axes.get_ylim()
    logarithmic = axes.get_yscale() == "log"
    span = high - low
    for name, score in zip(rows["variant"], rows["score"].astype(float), strict=True):
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
            _band(axes, several, look["color"])
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
