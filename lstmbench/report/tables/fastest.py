"""The fastest implementations of each workload: all that a run cannot tell from the fastest one."""

from typing import Any

import pandas as pd

from lstmbench.report.labels import WORKLOAD, describe, measured, ordered, varying_columns
from lstmbench.report.number_format import Sentence, bullets, markdown, number

_COLUMNS = ["workload", "fastest", "time_s", "reference_times", "ours", "ours_times"]


def fastest_per_workload(records: pd.DataFrame) -> pd.DataFrame:
    """Return what is fastest at each workload, and how far our best and the reference are behind.

    Args:
        records: as ``read_results`` returns them.

    Returns:
        One row per workload: ``workload`` in words, ``fastest`` (names, the fastest first),
        ``time_s`` of the first, ``reference_times``, how many times longer the reference took,
        and ``ours``, the first of ours, with ``ours_times``, how many times longer it took.
        What was not measured is missing.
    """
    timed = measured(records, "time_median_s")
    differing = varying_columns(timed)
    groups = timed.groupby(["run_id", *WORKLOAD], sort=False, dropna=False)
    rows = [_fastest(group.sort_values("time_median_s"), differing) for _, group in groups]
    return pd.DataFrame(rows, columns=_COLUMNS)


def fastest_names(rows: pd.DataFrame) -> list[str]:
    """Return the fastest implementations of one workload, the fastest first.

    An implementation is among them if its interval reaches down to the upper end of the fastest
    one's.
    """
    rows = rows.sort_values("time_median_s")
    return list(rows["implementation"][rows["time_low_s"] <= rows.iloc[0]["time_high_s"]])


def _fastest(cases: pd.DataFrame, differing: list[str]) -> dict[str, Any]:
    """Return the row of one workload, whose cases are sorted by their times."""
    first = cases.iloc[0]
    reference = cases[cases["implementation"] == next(iter(cases["ratio_to"].dropna()), None)]
    ours = cases[~cases["peer"].astype("boolean").fillna(False)]
    times = cases["time_median_s"].astype(float) / first["time_median_s"]
    return {
        "workload": describe({key: first[key] for key in differing}) or "the only one",
        "fastest": ", ".join(fastest_names(cases)),
        "time_s": first["time_median_s"],
        "reference_times": next(iter(times[reference.index]), None),
        "ours": next(iter(ours["implementation"]), None),
        "ours_times": next(iter(times[ours.index]), None),
    }


def summary(records: pd.DataFrame) -> Sentence:
    """Say by mode how often each was among the fastest, and how far our best were behind."""
    timed = measured(records, "time_median_s")
    points = []
    for mode in ordered("mode", timed["mode"]):
        workloads = fastest_per_workload(timed[timed["mode"] == mode])
        wins = workloads["fastest"].str.split(", ").explode().value_counts()
        names = ", ".join(f"{markdown(name)} in {count}" for name, count in wins.items())
        point = f"In {mode}, of {len(workloads)} workloads, among the fastest: {names}."
        behind = workloads["ours_times"].dropna()
        if len(behind):
            point += (
                f" The best of ours took {number(behind.median())} times the fastest's time in "
                f"the middle, {number(behind.max())} at the most."
            )
        points.append(point)
    skipped = records[records["status"] == "skipped"]["implementation"].drop_duplicates()
    if len(skipped):
        names = ", ".join(map(markdown, skipped))
        points.append(f"Skipped somewhere, with the reason in its row: {names}.")
    return bullets(points) or Sentence("Nothing was timed.")
