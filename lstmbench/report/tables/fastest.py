"""The fastest implementations of each workload: all that this run cannot tell from the fastest
one."""

from typing import Any

import pandas as pd

from lstmbench.report.labels import WORKLOAD, describe, ordered
from lstmbench.report.number_format import Sentence, markdown, number


def fastest_per_workload(records: pd.DataFrame) -> pd.DataFrame:
    """Return, for each workload, what is the fastest, and how far our best and
    the reference are behind.

    Args:
        records: as ``read_results`` returns them.

    Returns:
        One row per workload: ``workload`` in words, ``fastest`` (names, the fastest first),
        ``time_s`` of the first, ``reference_times``, how many times longer the reference took,
        and ``ours``, the first of ours, with ``ours_times``, how many times longer it took.
        What was not measured is missing.
    """
    timed = records[(records["status"] == "ok") & records["time_median_s"].notna()]
    varying = [key for key in WORKLOAD if key in timed and timed[key].nunique(dropna=False) > 1]
    groups = timed.groupby(["run_id", *WORKLOAD], sort=False, dropna=False)
    rows = [_fastest(group.sort_values("time_median_s"), varying) for _, group in groups]
    return pd.DataFrame(
        rows, columns=["workload", "fastest", "time_s", "reference_times", "ours", "ours_times"]
    )


def fastest_names(rows: pd.DataFrame) -> list[str]:
    """Return the fastest implementations of one workload, the fastest first.

    An implementation is among them if its interval reaches down to the upper end of the fastest
    one's.
    """
    rows = rows.sort_values("time_median_s")
    return list(rows["implementation"][rows["time_low_s"] <= rows.iloc[0]["time_high_s"]])


def _fastest(group: pd.DataFrame, varying: list[str]) -> dict[str, Any]:
    """Return the row of one workload, whose cases are sorted by their times."""
    first = group.iloc[0]
    reference = group[group["implementation"] == next(iter(group["ratio_to"].dropna()), None)]
    ours = group[~group["peer"].astype("boolean").fillna(False)]
    shortest = float(first["time_median_s"])

    def times(rows: pd.DataFrame) -> float | None:
        return float(rows.iloc[0]["time_median_s"]) / shortest if len(rows) else None

    return {
        "workload": describe({key: first[key] for key in varying}) or "the only one",
        "fastest": ", ".join(fastest_names(group)),
        "time_s": shortest,
        "reference_times": times(reference),
        "ours": ours.iloc[0]["implementation"] if len(ours) else None,
        "ours_times": times(ours),
    }


def summary(records: pd.DataFrame) -> Sentence:
    """Say how often each implementation was among the fastest, by mode, and how far our best were
    behind."""
    timed = records[records["status"] == "ok"]
    points = []
    for mode in ordered("mode", timed["mode"]):
        workloads = fastest_per_workload(timed[timed["mode"] == mode])
        if workloads.empty:
            continue
        wins = workloads["fastest"].str.split(", ").explode().value_counts()
        names = ", ".join(f"{markdown(name)} in {count}" for name, count in wins.items())
        point = f"In {mode}, of {len(workloads)} workloads, among the fastest: {names}."
        behind = workloads["ours_times"].dropna()
        if len(behind):
            point += f" The best of ours took {number(behind.median())} times the fastest's time in the middle, "
            point += f"{number(behind.max())} at the most."
        points.append(point)
    skipped = records[records["status"] == "skipped"]["implementation"].drop_duplicates()
    if len(skipped):
        points.append(
            f"Skipped somewhere, with the reason in its row: {', '.join(map(markdown, skipped))}."
        )
    return Sentence("\n".join(f"- {point}" for point in points) or "Nothing was timed.")
