"""The raw samples behind one workload's times: each of them, in the order in which they were taken."""

from typing import Any

import numpy as np
import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.show.drawing.axes import fit, scale_numbers, write
from lstmbench.show.drawing.figure import PAGE, SINGLE, Figure, figure_style
from lstmbench.show.drawing.styles import INK, style_of
from lstmbench.show.formats import Sentence, pick_unit
from lstmbench.show.labels import SECONDS, WORKLOAD, describe, ordered

STRIPS_WIDTH = 0.84
"""Share of the distance between two labels that the strips of one label take up together."""
MAX_LABELS = 4
"""Labels that find room below a single panel; for more, the figure is as wide as a page."""


def sample_plot(samples: pd.DataFrame, **where: Any) -> Figure | Sentence:
    """Draw every sample of one workload: a column for each implementation, a strip for each process within it.

    Within a strip, time runs from left to right; the line across it is the median of that process. If nothing was
    timed at all, return a sentence that says so.

    Args:
        samples: as ``read_samples`` returns them.
        where: which workload, such as ``mode="training"``; by default training and the largest sizes.

    Raises:
        LstmbenchError: if there are samples, but not of such a workload.
    """
    if samples.empty:
        return Sentence("There is nothing to draw: nothing was timed.")
    samples, workload = _choose(samples, where)
    names = ordered("implementation", samples["implementation"])
    samples = samples.sort_values(["process", "round", "sample"])
    calls = pd.concat(samples[samples["implementation"] == name].assign(label=name) for name in names)
    figure = draw_calls(calls, describe(workload))
    count = calls.groupby("implementation")["process"].nunique().max()
    return figure.described(
        "samples",
        f"Every sample of one workload, in order of time, {count} process{'' if count == 1 else 'es'} each: "
        f"{describe(workload)}.",
        f"One column for each of {', '.join(names)}.",
    )


def sample_plots(samples: pd.DataFrame, **where: Any) -> list[Figure | Sentence]:
    """Return what ``sample_plot`` draws, for each device that was measured. Arguments as for ``sample_plot``."""
    if "device" in where or samples.empty:
        return [sample_plot(samples, **where)]
    return [sample_plot(samples, **where, device=device) for device in ordered("device", samples["device"])]


@figure_style()
def draw_calls(calls: pd.DataFrame, title: str) -> Figure:
    """Draw the ``seconds`` of every call: a column for each ``label``, a strip for each ``process`` within it.

    Columns and the calls within a strip keep the order of the rows. Each column has the colour of its implementation,
    each strip a line at its median.
    """
    unit = pick_unit(calls["seconds"], SECONDS)
    calls = calls.assign(time=calls["seconds"].astype(float) * SECONDS[unit])
    labels = list(calls["label"].unique())
    figure = Figure(figsize=(SINGLE if len(labels) <= MAX_LABELS else PAGE, 4))
    axes = figure.subplots()
    for place, label in enumerate(labels):
        column = calls[calls["label"] == label]
        color = style_of(column["implementation"].iloc[0]).color
        strips = [strip["time"].to_numpy() for _, strip in column.groupby("process")]
        width = STRIPS_WIDTH / len(strips)
        for k, strip in enumerate(strips):
            left = place - STRIPS_WIDTH / 2 + k * width
            ends = left + 0.05 * width, left + 0.95 * width
            x = np.linspace(*ends, len(strip) + 2)[1:-1]
            axes.plot(x, strip, "os"[k % 2], color=color, alpha=0.45, markersize=2.6, markeredgewidth=0)
            axes.plot(ends, [np.median(strip)] * 2, color=INK, linestyle="-", linewidth=1.2, marker="")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.55, len(labels) - 0.45)
    axes.grid(visible=False, axis="x")
    scale_numbers(axes, calls["time"].min(), calls["time"].max(), log=True)
    axes.set_ylabel(f"time of one call, {unit}")
    write(figure.suptitle, title, fontsize="medium")
    fit(figure, [[axes]], 2.5)
    return figure


def _choose(samples: pd.DataFrame, where: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the samples of one workload, and the workload."""
    if unknown := sorted(set(where) - set(WORKLOAD)):
        raise LstmbenchError(f"A workload has no {unknown[0]!r}; it has {', '.join(WORKLOAD)}.")
    workload = {}
    for column in WORKLOAD:
        if column in where:
            samples = samples[samples[column] == where[column]]
        if samples.empty:
            conditions = ", ".join(f"{name}={value!r}" for name, value in where.items())
            raise LstmbenchError(f"There are no samples to draw{f' with {conditions}' if conditions else ''}.")
        values = ordered(column, samples[column])
        last = column == "mode" or isinstance(values[0], int | float | np.integer)
        workload[column] = values[-1 if last else 0]
        samples = samples[samples[column] == workload[column]]
    return samples, workload
