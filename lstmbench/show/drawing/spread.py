"""The raw samples behind one workload's times: every one of them, in the order in which they were taken."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.show.drawing.axes import INCHES_PER_LETTER, set_number_axis
from lstmbench.show.drawing.figure import Figure, our_settings
from lstmbench.show.drawing.styles import INK, style_of
from lstmbench.show.formats import Sentence, pick_unit
from lstmbench.show.labels import SECONDS, WORKLOAD, describe, ordered

BAND = 0.84
"""Share of an implementation's place on the axis that its processes take up together."""


def spread(samples: pd.DataFrame, **where: Any) -> Figure | Sentence:
    """Draw every sample of one workload: a column for each implementation, a band for each process within it.

    Within a band, time runs from left to right; the line across it is the median of that process. Where nothing was
    timed at all, it is a sentence that says so.

    Args:
        samples: as ``read_samples`` returns them.
        where: which workload, such as ``mode="training"``; what is left open falls to training and the largest sizes.

    Raises:
        LstmbenchError: if there are samples, but not of such a workload.
    """
    if samples.empty:
        return Sentence("There is nothing to draw: nothing was timed.")
    chosen, workload = _choose(samples, where)
    names = ordered("implementation", chosen["implementation"])
    unit = pick_unit(chosen["seconds"], SECONDS)
    with our_settings():
        width = max(4.6, 1.1 + 0.86 * len(names))
        figure = Figure(figsize=(width, 3.2), layout="constrained")
        axes = figure.subplots()
        for place, name in enumerate(names):
            processes = [group for _, group in chosen[chosen["implementation"] == name].groupby("process")]
            band = BAND / len(processes)
            for k, group in enumerate(processes):
                times = group.sort_values(["round", "sample"])["seconds"].to_numpy(float) * SECONDS[unit]
                left = place - BAND / 2 + k * band
                at = left + band * (0.08 + 0.84 * (np.arange(len(times)) + 0.5) / len(times))
                look: dict[str, Any] = {"color": style_of(name).color, "marker": "os"[k % 2], "alpha": 0.45}
                axes.plot(at, times, linestyle="", markersize=2.6, markeredgewidth=0, **look)
                axes.plot([left + 0.02, left + band - 0.02], [np.median(times)] * 2, color=INK, linewidth=1.2)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.55, len(names) - 0.45)
        axes.grid(visible=False, axis="x")
        set_number_axis(axes, list(chosen["seconds"].astype(float) * SECONDS[unit]), log=True)
        axes.set_ylabel(f"time of one call, {unit}")
        axes.set_title(_lines(describe(workload), int((width - 0.6) / INCHES_PER_LETTER)), loc="left")
    most = chosen.groupby("implementation")["process"].nunique().max()
    several = f"{most} process{'' if most == 1 else 'es'}"
    figure.id = "samples"
    figure.caption = f"Every sample of one workload, in order of time, {several} each: {describe(workload)}."
    figure.alt = f"{figure.caption} One column for each of {', '.join(names)}."
    return figure


def spreads(samples: pd.DataFrame, **where: Any) -> list[Figure | Sentence]:
    """Return what ``spread`` draws, for each device that was measured. Arguments as for ``spread``."""
    if "device" in where or samples.empty:
        return [spread(samples, **where)]
    return [spread(samples, **where, device=device) for device in ordered("device", samples["device"])]


def _lines(text: str, letters: int) -> str:
    """Return the text in lines of so many letters, ``T = 64`` in one of them."""
    return textwrap.fill(text.replace(" = ", "\u00a0=\u00a0"), letters).replace("\u00a0", " ")


def _choose(samples: pd.DataFrame, where: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the samples of one workload, and the workload."""
    if unknown := set(where) - set(WORKLOAD):
        raise LstmbenchError(f"A workload has no {sorted(unknown)[0]!r}; it has {', '.join(WORKLOAD)}.")
    workload = {}
    for column in WORKLOAD:
        if column in where:
            samples = samples[samples[column] == where[column]]
        if samples.empty:
            asked = ", ".join(f"{name}={value!r}" for name, value in where.items())
            raise LstmbenchError(f"There are no samples to draw{f' with {asked}' if asked else ''}.")
        values = ordered(column, samples[column])
        last = column == "mode" or isinstance(values[0], int | float | np.integer)
        workload[column] = values[-1 if last else 0]
        samples = samples[samples[column] == workload[column]]
    return samples, workload
