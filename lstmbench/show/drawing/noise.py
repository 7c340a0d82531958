"""What noise looks like, and what stands against it: disturbed rounds, estimates of a ratio, controls, processes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.show.drawing.axes import set_number_axis
from lstmbench.show.drawing.figure import Figure, our_settings
from lstmbench.show.drawing.styles import INK, MUTED, style_of
from lstmbench.show.formats import Sentence, pick_unit
from lstmbench.show.labels import SECONDS, WORKLOAD, ordered

BEST = "best time over best time, of one process"
MEAN = "mean over mean, of one process"
MEDIAN = "median over median, of one process"
ROUNDS = "median of the ratios within rounds, of one process"
WAYS = (BEST, MEAN, MEDIAN, ROUNDS)
CONTROL_LOOKS = {"same": ("o", "#4477AA", "the same once more"), "slower": ("^", "#BB5566", "made slower on purpose")}


def disturbances(samples: pd.DataFrame) -> pd.DataFrame:
    """Count the rounds of each implementation: all, and those that each kind of disturbance marked.

    Args:
        samples: as ``read_samples`` returns them.
    """
    keys = ["implementation", *WORKLOAD, "process", "round"]
    rounds = samples[[*keys, "disturbance"]].drop_duplicates(keys)
    kinds = rounds["disturbance"].fillna("").str.get_dummies(", ").drop(columns="", errors="ignore")
    counted = kinds.groupby(rounds["implementation"].astype(str)).sum()
    table = rounds.groupby(rounds["implementation"].astype(str)).size().to_frame("rounds").join(counted)
    return table.loc[ordered("implementation", table.index)].rename_axis(columns=None)


def ways(samples: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Show how far the ratio of the same two implementations differs from process to process, by how it is estimated.

    Args:
        samples: as ``read_samples`` returns them.
        reference: the implementation that ratios are taken against.

    Returns:
        One row per way: ``scatter``, the standard deviation between processes as a share, in the middle (median) over
        implementations and workloads, and ``worst``, its largest.
    """
    keys = [*WORKLOAD, "process"]
    columns = ["round", "seconds"]
    base = {key: group[columns] for key, group in samples[samples["implementation"] == reference].groupby(keys)}
    rows = []
    for (name, *workload), group in samples.groupby(["implementation", *keys]):
        other = base.get(tuple(workload))
        if name != reference and other is not None:
            rows.append((name, *workload, *np.log(_estimates(group[columns], other))))
    table = pd.DataFrame(rows, columns=["implementation", *keys, *WAYS])
    scatter = table.groupby(["implementation", *WORKLOAD])[list(WAYS)].std(ddof=1)
    return pd.DataFrame({"scatter": scatter.median(), "worst": scatter.max()}).rename_axis("way")


def _estimates(own: pd.DataFrame, base: pd.DataFrame) -> list[float]:
    """Return the ratio by each of ``WAYS``."""
    plain = [own["seconds"].agg(kind) / base["seconds"].agg(kind) for kind in ("min", "mean", "median")]
    within = own.groupby("round")["seconds"].mean() / base.groupby("round")["seconds"].mean()
    return [*map(float, plain), float(within.median())]


def controls(manifest: Mapping[str, Any]) -> Figure | Sentence:
    """Draw what the controls of a run showed, workload by workload, with their intervals and the truth."""
    rows = (manifest.get("controls") or {}).get("rows") or []
    if not rows:
        return Sentence("There is nothing to draw: no control was measured.")
    workloads = list(dict.fromkeys(row["workload"] for row in rows))
    with our_settings():
        figure = Figure(figsize=(max(4.6, 1.6 + 0.28 * len(workloads)), 3.0), layout="constrained")
        axes = figure.subplots()
        for kind, (marker, color, label) in CONTROL_LOOKS.items():
            chosen = [row for row in rows if row["control"] == kind]
            at = np.array([workloads.index(row["workload"]) for row in chosen]) + (0.16 if kind == "slower" else -0.16)
            ratios = np.array([[row["ratio"], row["ratio_low"], row["ratio_high"]] for row in chosen]).reshape(-1, 3)
            truth = [row["truth"] for row in chosen]
            axes.vlines(at, ratios[:, 1], ratios[:, 2], color=color, linewidth=1.4)
            axes.plot(at, ratios[:, 0], linestyle="", marker=marker, markersize=4.5, color=color, label=label)
            axes.hlines(truth, at - 0.16, at + 0.16, color=INK, linewidth=1.0)
        axes.plot([], [], color=INK, linewidth=1.0, label="the truth")
        low, high = np.percentile([[row["ratio_low"], row["ratio_high"]] for row in rows], [2, 98])
        axes.set_ylim(max(0.5, low - 0.02), min(1.6, high + 0.02))  # one interval that is wide hides all others
        axes.set_xticks(range(len(workloads)), [str(k + 1) for k in range(len(workloads))])
        axes.set_xlabel("workload")
        axes.set_ylabel("ratio to the reference")
        axes.grid(visible=False, axis="x")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    figure.id = "controls"
    figure.caption = "The reference against itself, and against itself made slower, at every workload of the run."
    figure.alt = f"{figure.caption} {len(workloads)} workloads; points are medians, lines their 95 % intervals."
    return figure


def processes(times: pd.DataFrame) -> Figure:
    """Draw every call of ``lstmbench.measure.together``: each implementation alone, and all in one process."""
    names = ordered("implementation", times["implementation"])
    kinds = list(dict.fromkeys(times["processes"]))
    unit = pick_unit(times["seconds"], SECONDS)
    with our_settings():
        figure = Figure(figsize=(4.6, 3.0), layout="constrained")
        axes = figure.subplots()
        ticks = []
        for place, (name, kind) in enumerate((name, kind) for name in names for kind in kinds):
            chosen = times[(times["implementation"] == name) & (times["processes"] == kind)]
            seconds = chosen["seconds"].to_numpy(float) * SECONDS[unit]
            at = place + 0.6 * (np.arange(len(seconds)) + 0.5) / len(seconds) - 0.3
            axes.plot(at, seconds, "o", color=style_of(name).color, markersize=3.2, markeredgewidth=0, alpha=0.6)
            axes.plot([place - 0.36, place + 0.36], [np.median(seconds)] * 2, color=INK, linewidth=1.4)
            ticks.append(f"{name}\n{kind}")
        axes.set_xticks(range(len(ticks)), ticks)
        axes.grid(visible=False, axis="x")
        set_number_axis(axes, list(times["seconds"].astype(float) * SECONDS[unit]), log=True)
        axes.set_ylabel(f"time of one call, {unit}")
        axes.set_title("the same calls", loc="left", color=MUTED)
    figure.id = "processes"
    figure.caption = "The same calls with a process for each framework, and with one process for all of them."
    figure.alt = f"{figure.caption} {', '.join(names)}; lines are medians."
    return figure
