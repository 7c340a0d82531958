"""What noise looks like: disturbed rounds, scatter of ratios, controls, shared processes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.report.figures.figure import INK, PAGE, Figure, line_chart, scale_values
from lstmbench.report.figures.sample_plot import draw_calls
from lstmbench.report.labels import WORKLOAD, ordered
from lstmbench.report.number_format import Sentence

BEST = "best time over best time, of one process"
MEAN = "mean over mean, of one process"
MEDIAN = "median over median, of one process"
ROUNDS = "median of the ratios within rounds, of one process"
CONTROLS = {"same": "the same once more", "slower": "made slower on purpose"}


def disturbances(samples: pd.DataFrame) -> pd.DataFrame:
    """Count the rounds of each implementation: all, and those that each kind of disturbance marked.

    Args:
        samples: as ``read_samples`` returns them.
    """
    keys = ["implementation", *WORKLOAD, "process", "round"]
    rounds = samples.drop_duplicates(keys).set_index("implementation")["disturbance"]
    kinds = rounds.fillna("").str.get_dummies(", ").drop(columns="", errors="ignore")
    kinds.insert(0, "rounds", 1)
    counts = kinds.groupby(level=0).sum()
    return counts.loc[ordered("implementation", counts.index)]


def estimator_scatter(samples: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return how far each estimator of a ratio scatters between processes of the same two cases.

    Args:
        samples: as ``read_samples`` returns them.
        reference: the implementation that ratios are taken against.

    Returns:
        One row per estimator: ``scatter``, the standard deviation between processes as a share,
        the median over implementations and workloads, and ``worst``, its largest.
    """
    process = [*WORKLOAD, "process"]
    seconds = samples.groupby(["implementation", *process])["seconds"]
    rounds = samples.groupby(["implementation", *process, "round"])["seconds"].mean()
    averages = {BEST: seconds.min(), MEAN: seconds.mean(), MEDIAN: seconds.median()}
    ratios = {estimator: _ratios(average, reference) for estimator, average in averages.items()}
    ratios[ROUNDS] = _ratios(rounds, reference).groupby(level=process).median()
    table = {}
    for estimator, ratio in ratios.items():
        scatter = ratio.apply(np.log).groupby(level=list(WORKLOAD)).std().melt()["value"]
        table[estimator] = {"scatter": scatter.median(), "worst": scatter.max()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("estimator")


def _ratios(seconds: "pd.Series[float]", reference: str) -> pd.DataFrame:
    """Return the ratios to the reference, a column for each other implementation."""
    columns = seconds.astype(float).unstack("implementation")
    return columns.drop(columns=reference).div(columns[reference], axis=0)


def controls(manifest: Mapping[str, Any]) -> Figure | Sentence:
    """Draw the ratios of a run's controls, by workload, with their intervals and the truth."""
    rows = pd.DataFrame((manifest.get("controls") or {}).get("rows") or [])
    if rows.empty:
        return Sentence("There is nothing to draw: no control was measured.")
    points = rows.rename(columns={"ratio": "y", "ratio_low": "low", "ratio_high": "high"})
    points["hue"] = points["control"].map(CONTROLS)
    workloads = pd.factorize(points["workload"])[0] + 1
    points["x"] = workloads + points["control"].map({"same": -0.16, "slower": 0.16})
    truth = points.assign(hue="the truth", y=points["truth"], low=np.nan, high=np.nan)
    looks: dict[str, dict[str, Any]] = {hue: {"markersize": 5} for hue in CONTROLS.values()}
    dash = {"marker": "_", "markersize": 9, "markeredgecolor": INK, "markeredgewidth": 1}
    looks["the truth"] = dash | {"zorder": 3}
    labels = ("workload", "ratio to the reference")
    figure, axes = line_chart(pd.concat([points, truth]), *labels, looks, joined=False, width=PAGE)
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
