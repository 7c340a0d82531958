"""What noise looks like: controls, and frameworks that share a process."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.report.figures.figure import INK, PAGE, Figure, line_chart, scale_values
from lstmbench.report.figures.sample_plot import draw_calls
from lstmbench.report.labels import ordered
from lstmbench.report.number_format import Sentence

CONTROLS = {"same": "the same once more", "slower": "made slower on purpose"}
OFFSETS = {"same": -0.16, "slower": 0.16}


def controls(manifest: Mapping[str, Any]) -> Figure | Sentence:
    """Draw the ratios of a run's controls, by workload, with their intervals and the truth."""
    rows = pd.DataFrame((manifest.get("controls") or {}).get("rows") or [])
    if rows.empty:
        return Sentence("There is nothing to draw: no control was measured.")
    workloads = pd.factorize(rows["workload"])[0] + 1
    points = rows.rename(columns={"ratio": "y", "ratio_low": "low", "ratio_high": "high"})
    points["hue"] = points["control"].map(CONTROLS)
    points["x"] = workloads + points["control"].map(OFFSETS)
    truth = points[["x"]].assign(hue="the truth", y=points["truth"])
    looks: dict[str, Any] = {
        hue: {"linestyle": "none", "markersize": 5} for hue in CONTROLS.values()
    }
    dash = {"marker": "_", "markersize": 9, "markeredgecolor": INK, "markeredgewidth": 1}
    looks |= {"the truth": {"linestyle": "none", "zorder": 3, **dash}}
    labels = ("workload", "ratio to the reference")
    figure, axes = line_chart(pd.concat([points, truth]), *labels, looks, PAGE)
    low, high = np.percentile(points[["low", "high"]], [2, 98])
    # A single wide interval would press all others flat
    axes.set_ylim(max(0.5, low - 0.02), min(1.6, high + 0.02))
    scale_values(axes, range(1, max(workloads) + 1), words=None, log=False)
    return figure.described(
        "controls",
        "The reference against itself, and against itself made slower, at every workload of the "
        "run.",
        f"{max(workloads)} workloads; points are medians, lines their 95 % intervals.",
    )


def processes(times: pd.DataFrame) -> Figure:
    """Draw every call of ``measure.framework_interference``: one process each, and one for all."""
    names = ordered("implementation", times["implementation"])
    calls = times.set_index("implementation").loc[names].reset_index()
    labels = calls["implementation"] + "\n" + calls["processes"]
    figure = draw_calls(calls.assign(label=labels, process=0), "the same calls")
    return figure.described(
        "processes",
        "The same calls with a process for each framework, and with one process for all of them.",
        f"{', '.join(names)}; lines are medians.",
    )
