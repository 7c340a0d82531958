"""The raw samples behind one workload's times, in the order in which they were taken."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.figures.figure import (
    INK,
    PAGE,
    SINGLE,
    Figure,
    add_text,
    figure_style,
    fit,
    scale_numbers,
    style_of,
)
from lstmbench.report.labels import WORKLOAD, describe, ordered
from lstmbench.report.number_format import Sentence, pick_unit, plural
from lstmbench.results.schema import SECONDS

MARKS: dict[str, Any] = {
    "marker": "o", "linestyle": "none", "alpha": 0.45, "markersize": 2.6, "markeredgewidth": 0,
}  # fmt: skip
"""Hundreds of samples are small and see-through."""
MAX_LABELS = 4
"""Labels that find room below a single panel; for more, the figure is as wide as a page."""


def sample_plot(samples: pd.DataFrame, **where: Any) -> Figure | Sentence:
    """Draw every sample of one workload: a column per implementation, a strip per process.

    Within a strip, time runs from left to right; the line across it is the median of that process.
    If nothing was timed at all, return a sentence that says so.

    Args:
        samples: as ``read_samples`` returns them.
        where: which workload, such as ``mode="training"``; by default training and the largest
            sizes.

    Raises:
        LstmbenchError: if there are samples, but not of such a workload.
    """
    if samples.empty:
        return Sentence("There is nothing to draw: nothing was timed.")
    samples, workload = _choose(samples, where)
    names = ordered("implementation", samples["implementation"])
    samples = samples.sort_values(["process", "round", "sample"])
    calls = samples.set_index("implementation").loc[names].reset_index()
    figure = draw_calls(calls.assign(label=calls["implementation"]), workload)
    count = int(samples.groupby("implementation")["process"].nunique().max())
    return figure.described(
        "samples",
        f"Every sample of one workload, in order of time, {plural(count, 'process')} each: "
        f"{workload}.",
        f"One column for each of {', '.join(names)}.",
    )


def sample_plots(samples: pd.DataFrame, **where: Any) -> list[Figure | Sentence]:
    """Return the ``sample_plot`` of each device that was measured; it takes the same arguments."""
    if "device" in where or samples.empty:
        return [sample_plot(samples, **where)]
    devices = ordered("device", samples["device"])
    return [sample_plot(samples, **where, device=device) for device in devices]


@figure_style()
def draw_calls(calls: pd.DataFrame, title: str) -> Figure:
    """Draw the ``seconds`` of every call: a column per ``label``, a strip per ``process``.

    Columns and the calls within a strip keep the order of the rows. Each column has the colour of
    its implementation, each strip a line at its median.
    """
    unit = pick_unit(calls["seconds"], SECONDS)
    calls = calls.assign(time=calls["seconds"].astype(float) * SECONDS[unit])
    labels = calls["label"].unique()
    figure = Figure(figsize=(SINGLE if len(labels) <= MAX_LABELS else PAGE, 4))
    add_text(figure.suptitle, title, fontsize="medium", fontweight="normal")
    axes = figure.subplots()
    for place, (_, column) in enumerate(calls.groupby("label", sort=False)):
        color = style_of(column["implementation"].iloc[0]).color
        strips = column.groupby("process")
        edges = np.linspace(place - 0.42, place + 0.42, len(strips) + 1)
        for (left, right), (_, strip) in zip(pairwise(edges), strips, strict=True):
            x = np.linspace(left, right, len(strip) + 2)[1:-1]
            axes.plot(x, strip["time"], color=color, **MARKS)
            axes.hlines(strip["time"].median(), left + 0.02, right - 0.02, color=INK)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylabel(f"time of one call, {unit}")
    axes.grid(visible=False, axis="x")
    scale_numbers(axes, calls[["time"]], log=True)
    fit(figure, np.array([[axes]]))
    return figure


def _choose(samples: pd.DataFrame, where: dict[str, Any]) -> tuple[pd.DataFrame, str]:
    """Return the samples of one workload, and the workload in words."""
    if unknown := sorted(set(where) - set(WORKLOAD)):
        raise LstmbenchError(f"A workload has no {unknown[0]!r}; it has {', '.join(WORKLOAD)}.")
    workload = {}
    for column in WORKLOAD:
        values = ordered(column, samples[column])
        last = column == "mode" or isinstance(values[0], int | float | np.integer)
        workload[column] = where.get(column, values[-1 if last else 0])
        samples = samples[samples[column] == workload[column]]
        if samples.empty:
            conditions = ", ".join(f"{name}={value!r}" for name, value in where.items())
            raise LstmbenchError(f"There are no samples to draw with {conditions}.")
    return samples, describe(workload)
