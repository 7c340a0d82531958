"""Which implementation to pick, workload by workload: all that this run cannot tell from the fastest."""

from typing import Any

import pandas as pd

from lstmbench.show.formats import Sentence, markdown, number
from lstmbench.show.labels import WORKLOAD, describe, ordered


def picks(records: pd.DataFrame) -> pd.DataFrame:
    """Return, for each workload, what is the fastest, and how far behind the reference and our best are.

    Args:
        records: as ``read_results`` returns them.

    Returns:
        One row per workload: ``workload`` in words, ``fastest`` (names, the fastest first), ``time_s`` of the first,
        ``reference_times``, how many times longer the reference took, and ``ours``, the first of ours, with
        ``ours_times``, how many times longer it took. What was not measured is missing.
    """
    timed = records[(records["status"] == "ok") & records["time_median_s"].notna()]
    varying = [key for key in WORKLOAD if key in timed and timed[key].nunique(dropna=False) > 1]
    groups = timed.groupby(["run_id", *WORKLOAD], sort=False, dropna=False)
    rows = [_pick(group.sort_values("time_median_s"), varying) for _, group in groups]
    return pd.DataFrame(rows, columns=["workload", "fastest", "time_s", "reference_times", "ours", "ours_times"])


def fastest(rows: pd.DataFrame) -> list[str]:
    """Return the names of the fastest at one workload, the fastest first: all that this run does not tell from it.

    An implementation is among them if its interval reaches down to the upper end of the fastest one's.
    """
    rows = rows.sort_values("time_median_s")
    return list(rows["implementation"][rows["time_low_s"] <= rows.iloc[0]["time_high_s"]])


def _pick(group: pd.DataFrame, varying: list[str]) -> dict[str, Any]:
    first = group.iloc[0]
    reference = group[group["implementation"] == next(iter(group["ratio_to"].dropna()), None)]
    ours = group[~group["peer"].astype("boolean").fillna(False)]
    best = float(first["time_median_s"])

    def times(rows: pd.DataFrame) -> float | None:
        return float(rows.iloc[0]["time_median_s"]) / best if len(rows) else None

    return {
        "workload": describe({key: first[key] for key in varying}) or "the only one",
        "fastest": ", ".join(fastest(group)),
        "time_s": best,
        "reference_times": times(reference),
        "ours": ours.iloc[0]["implementation"] if len(ours) else None,
        "ours_times": times(ours),
    }


def answer(records: pd.DataFrame) -> Sentence:
    """Say how often each implementation was among the fastest, by mode, and how far our best were behind."""
    timed = records[records["status"] == "ok"]
    parts = []
    for mode in ordered("mode", timed["mode"]):
        found = picks(timed[timed["mode"] == mode])
        if found.empty:
            continue
        often = found["fastest"].str.split(", ").explode().value_counts()
        several = ", ".join(f"{markdown(name)} in {count}" for name, count in often.items())
        behind = found["ours_times"].dropna()
        ours = (
            f" The best of ours took {number(behind.median())} times the fastest's time in the middle, "
            if len(behind)
            else ""
        )
        ours += f"{number(behind.max())} at the most." if len(behind) else ""
        parts.append(f"In {mode}, of {len(found)} workloads, among the fastest: {several}.{ours}")
    rest = records[records["status"] == "skipped"].drop_duplicates("implementation")
    if len(rest):
        names = ", ".join(markdown(name) for name in rest["implementation"])
        parts.append(f"Skipped somewhere, with the reason in its row: {names}.")
    return Sentence("\n".join(f"- {part}" for part in parts) or "Nothing was timed.")
