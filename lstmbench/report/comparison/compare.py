"""Compare two runs case by case: slower, faster, the same, ambiguous or not comparable, and why.

``matched_cases.py`` matches the records of both runs, ``verdicts.py`` decides what their numbers
say.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError
from lstmbench.report.comparison.comparison import Comparison, is_lost, is_wrong
from lstmbench.report.comparison.manifest_diff import differences, incomparability_reason
from lstmbench.report.comparison.markdown_parts import percent
from lstmbench.report.comparison.matched_cases import (
    FLAGS,
    KEYS,
    NAMES,
    RATIO,
    TIME,
    match_cases,
    other_threads,
    read_run,
)
from lstmbench.report.comparison.verdicts import (
    AMBIGUOUS,
    FASTER,
    INTERVAL,
    NOT_COMPARABLE,
    SAME,
    SLOWER,
    category,
    check_threshold,
    classify_change,
    estimate_change,
    has_interval,
)
from lstmbench.report.number_format import plural
from lstmbench.report.provenance import MIN_PROCESSES, Manifest, part

QUANTITIES = ("ratio", "time")
_ONE_PROCESS = "one process alone"

_COLUMNS = [
    *KEYS, "verdict", "quantity", "change_percent", "low_percent", "high_percent", "base_ratio",
    "new_ratio", "base_time_s", "new_time_s", "base_ratio_to", "new_ratio_to", "base_status",
    "new_status", "is_reference", "flags", "reason",
]  # fmt: skip


def compare(
    base: str | Path | pd.DataFrame,
    new: str | Path | pd.DataFrame,
    *,
    threshold: float = 0.05,
    by: str | None = None,
    across_machines: bool = False,
) -> Comparison:
    """Compare two runs.

    Args:
        base: the folder of a run, or its records as ``read_results`` returns them.
        new: the other run.
        threshold: the smallest change that matters: with 0.05, a change within a factor of 1.05 is
            neither slower nor faster.
        by: ``ratio`` (the time relative to the reference in the same rounds), ``time``, or None for
            the ratio where both runs have one to the same reference, otherwise the time. The
            reference itself is always compared by time.
        across_machines: whether ratios are compared although the machines differ; times never are.

    Raises:
        LstmbenchError: if one of them is not one run, it cannot be read, or an argument is invalid.
    """
    check_threshold(threshold)
    if by not in (None, *QUANTITIES):
        raise LstmbenchError(f"Runs are compared by 'ratio' or by 'time', not by {by!r}.")
    records, manifests = zip(*map(read_run, (base, new), NAMES), strict=True)
    cases = match_cases(*records)
    del records  # they need as much memory as the cases
    if cases.empty:
        raise LstmbenchError("There is nothing to compare: neither run has records.")
    cases = _add_quantity(cases, by)
    estimates = [_estimates(cases, name) for name in NAMES]
    machine_reason = incomparability_reason(*manifests)
    cases["reason"] = _reasons(cases, estimates, by, across_machines, machine_reason)
    is_same_run = manifests[0].get("run_id") == manifests[1].get("run_id") is not None
    unchanged = is_same_run & (estimates[0]["estimate"] == estimates[1]["estimate"])
    cases.loc[unchanged & cases["reason"].str.startswith(_ONE_PROCESS), "reason"] = ""
    comparable = cases["reason"] == ""
    unchanged &= comparable
    before, after = (run.where(comparable) for run in estimates)
    del estimates
    cases = cases.rename(
        columns={"base_time_median_s": "base_time_s", "new_time_median_s": "new_time_s"}
    ).filter(_COLUMNS)

    comparisons = int((comparable & ~unchanged).sum())
    change = estimate_change(before, after)
    del before, after
    change.loc[unchanged, ["low", "high"]] = 0.0
    verdict = cases["verdict"] = classify_change(change, threshold).where(
        comparable, NOT_COMPARABLE
    )
    cases["quantity"] = cases["quantity"].where(comparable)
    ambiguous, beyond = verdict == AMBIGUOUS, change["change"].abs() > np.log1p(threshold)
    cases.loc[ambiguous, "reason"] = "the interval reaches beyond the threshold"
    cases.loc[ambiguous & beyond, "reason"] = "not significant among all comparisons"
    contains_none = (change["low"] <= 0) & (change["high"] >= 0)
    text = "the interval contains 'no change' as well"
    cases.loc[ambiguous & beyond & contains_none, "reason"] = text
    with np.errstate(over="ignore"):  # the end of a wide interval may be infinite
        percents: Any = 100 * np.expm1(change[["change", "low", "high"]])
    cases = cases.join(percents.add_suffix("_percent"))[_COLUMNS]
    cases = cases.iloc[_report_order(cases)].reset_index(drop=True)
    runs = {
        name: {key: str(manifest.get(key) or "not recorded") for key in ("run_id", "started")}
        for name, manifest in zip(NAMES, manifests, strict=True)
    }
    notes = [*_notes_on_runs(manifests, threshold, machine_reason), *_notes_on_cases(cases)]
    if count := int(unchanged.sum()):
        same = f"{plural(count, 'case')} of one and the same measurement: the same for certain."
        notes.insert(0, same)
    return Comparison(cases, threshold, comparisons, runs, differences(*manifests), notes)


def _add_quantity(cases: pd.DataFrame, by: str | None) -> pd.DataFrame:
    """Return the cases with ``quantity``, ``flags``, ``is_reference`` and ``same_reference``.

    The quantity is the ratio if both runs have one to the same reference and ``by`` is not
    ``time``. The reference itself, whose ratio is 1, is always compared by time.
    """
    names = cases[["implementation", "base_ratio_to", "new_ratio_to"]].astype(object)
    is_reference = names["implementation"] == names["base_ratio_to"]
    same_reference = names["base_ratio_to"] == names["new_ratio_to"]
    by_time = is_reference | ~same_reference | (by == "time")
    flags = cases[["base_flags", "new_flags"]].fillna(0).astype(int)
    return cases.assign(
        is_reference=is_reference,
        same_reference=same_reference,
        quantity=category(by_time.astype(int), QUANTITIES),
        flags=category(flags["base_flags"] | flags["new_flags"], FLAGS),
    )


def _estimates(cases: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the numbers of a run, those of each case's quantity, for the functions of verdicts."""
    ratio, time = ([f"{name.lower()}_{column}" for column in columns] for columns in (RATIO, TIME))
    by_ratio = cases[["quantity"]] == "ratio"
    estimates = pd.DataFrame(np.where(by_ratio, cases[ratio], cases[time]), columns=INTERVAL)
    own = cases[[f"{name.lower()}_{column}" for column in ("ratio_freedom", "time_freedom")]]
    freedom = own.iloc[:, 0].where(by_ratio["quantity"], own.iloc[:, 1])
    # Earlier versions recorded processes, and tables of others may lack them: then normal
    earlier = cases[f"{name.lower()}_processes"].fillna(np.inf) - 1
    return estimates.assign(freedom=freedom.fillna(earlier))


def _reasons(
    cases: pd.DataFrame,
    estimates: Sequence[pd.DataFrame],
    by: str | None,
    across_machines: bool,
    machine_reason: str,
) -> pd.Series:
    """Return why each case cannot be compared; empty where it can.

    Args:
        cases: as ``_add_quantity`` returns them.
        estimates: of both runs.
        by: ``ratio`` to refuse cases without a common reference.
        across_machines: whether ratios may be compared in spite of ``machine_reason``.
        machine_reason: why times of these two runs cannot be compared, or empty.
    """
    reasons = pd.Series("", cases.index, dtype=object)  # a later reason replaces earlier ones
    for name, run in reversed([*zip(NAMES, estimates, strict=True)]):
        quantity = cases.loc[~has_interval(run), "quantity"].astype(object)
        reasons[quantity.index] = "no interval of the " + quantity + f" in {name}"
        single = (cases[f"{name.lower()}_processes"] == 1) & (reasons != "")
        reasons[single] = f"{_ONE_PROCESS} in {name}: what another would give is not known"
    if machine_reason:
        reasons[~(across_machines & (cases["quantity"] == "ratio"))] = machine_reason
    if by == "ratio":
        other = cases.loc[~cases["same_reference"], ["base_ratio_to", "new_ratio_to"]]
        base, new = (other[name].astype(object).fillna("nothing") for name in other)
        reasons[other.index] = "ratio to " + base + " in BASE, to " + new + " in NEW"
    failures = cases[["base_failure", "new_failure"]].dropna(how="all")
    base, new = (failures[name] for name in failures)
    reasons[failures.index] = (base + "; " + new).fillna(base).fillna(new)
    reasons[cases["new_flags"].isna()] = "only in BASE"
    reasons[cases["base_flags"].isna()] = "only in NEW"
    threads = other_threads(cases)
    reasons[threads.index] = threads
    return reasons


def _report_order(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return the order of rows: by verdict, then the largest change, wrong result or loss first."""
    verdict, percents = frame["verdict"], frame["change_percent"]
    place = percents.where(verdict == FASTER, -percents).where(verdict != SAME, 0.0)
    place = place.fillna(-2.0 * is_wrong(frame) - is_lost(frame))
    return np.lexsort((place, verdict.cat.codes))


def _notes_on_runs(
    manifests: Sequence[Manifest], threshold: float, machine_reason: str
) -> Iterator[str]:
    """Yield what readers should know about the runs."""
    for name, manifest in zip(NAMES, manifests, strict=True):
        if not manifest.get("complete", True):
            yield f"{name} is not finished: more of its cases may come."
        controls = part(manifest, "controls")
        if controls.get("failed"):
            yield f"The controls of {name} failed: its intervals cannot be relied on."
        floor = controls.get("floor")
        if isinstance(floor, int | float) and floor > threshold:
            beyond = f"beyond the threshold of {percent(threshold)}"
            yield f"The noise floor of {name} is {percent(floor)}, {beyond}."
    if machine_reason:
        yield f"Times are not compared: {machine_reason}. Ratios are only with --across-machines."


def _notes_on_cases(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what readers should know about the compared cases."""
    flags = frame["flags"][frame["quantity"].notna()]
    if exploratory := int((flags.cat.codes >= FLAGS.index("exploratory")).sum()):
        few = f"fewer than {MIN_PROCESSES} processes in one of the runs"
        yield f"{plural(exploratory, 'case')} with {few}: exploratory."
    changed = frame[frame["is_reference"] & frame["verdict"].isin([SLOWER, FASTER])]
    if len(changed) and (frame["quantity"] == "ratio").any():
        names = ", ".join(sorted(changed["implementation"].unique()))
        workloads = plural(len(changed), "workload")
        yield f"The reference {names} itself changed at {workloads}: so did all ratios to it."
