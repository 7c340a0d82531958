"""Compare two runs case by case: slower, faster, the same, ambiguous or not comparable, and why.

``comparability.py`` decides which cases are compared by which quantity, ``verdicts.py`` what the
numbers say.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError
from lstmbench.report.comparison.comparability import (
    QUANTITIES,
    add_quantity,
    estimates_of,
    incomparability_reasons,
)
from lstmbench.report.comparison.comparison import Comparison, is_lost, is_wrong
from lstmbench.report.comparison.differences import differences, incomparability_reason
from lstmbench.report.comparison.matched_cases import KEYS, NAMES, match_cases, read_run
from lstmbench.report.comparison.report_parts import percent
from lstmbench.report.comparison.verdicts import (
    AMBIGUOUS,
    FASTER,
    INTERVAL,
    NOT_COMPARABLE,
    SAME,
    SLOWER,
    check_threshold,
    classify_change,
    estimate_change,
    is_replicated,
)
from lstmbench.report.number_format import plural
from lstmbench.report.provenance import MIN_PROCESSES, Manifest, part

_COLUMNS: Final = [
    *KEYS, "verdict", "quantity", "change_percent", "low_percent", "high_percent", "base_ratio",
    "new_ratio", "base_time_s", "new_time_s", "base_ratio_to", "new_ratio_to", "base_status",
    "new_status", "is_reference", "flags", "reason",
]  # fmt: skip
_SINGLE_PROCESS: Final = "one process alone: what another would give is not known"
_SHORT_NAMES: Final = {"base_time_median_s": "base_time_s", "new_time_median_s": "new_time_s"}


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
    runs = {
        name: {key: str(manifest.get(key) or "not recorded") for key in ("run_id", "started")}
        for name, manifest in zip(NAMES, manifests, strict=True)
    }
    barrier = incomparability_reason(*manifests)
    cases = add_quantity(cases, by)
    cases["reason"] = incomparability_reasons(cases, by, across_machines, barrier)

    is_same_run = manifests[0].get("run_id") == manifests[1].get("run_id") is not None
    comparable = cases["reason"] == ""
    before, after = (estimates_of(cases, name).where(comparable, axis=0) for name in NAMES)
    cases = cases.rename(columns=_SHORT_NAMES).filter(_COLUMNS)
    unchanged = is_same_run & (before[INTERVAL] == after[INTERVAL]).all(axis=1)
    comparisons = int((is_replicated(before, after) & ~unchanged).sum())
    change = estimate_change(before, after, comparisons)
    del before, after
    change.loc[unchanged, ["low", "high"]] = 0.0

    verdict = classify_change(change, threshold).where(comparable, NOT_COMPARABLE)
    cases["verdict"] = verdict
    cases["quantity"] = cases["quantity"].where(comparable)
    ambiguous, beyond = verdict == AMBIGUOUS, change["change"].abs() > np.log1p(threshold)
    reasons: list[tuple[Any, Any]] = [  # the first that applies counts
        (ambiguous & np.isinf(change["low"]), _SINGLE_PROCESS),
        (ambiguous & beyond, "the interval holds no change too"),
        (ambiguous, "the interval reaches beyond the threshold"),
    ]
    cases["reason"] = cases["reason"].case_when(reasons)
    for name in change:
        with np.errstate(over="ignore"):  # the end of a wide interval may be infinite
            cases[f"{name}_percent"] = 100 * np.expm1(change[name])
    order = _report_order(cases)
    # Column by column, because a million cases need hundreds of megabytes
    columns = {column: cases.pop(column).array.take(order) for column in _COLUMNS}
    cases = pd.DataFrame(columns, copy=False)

    notes = [*_notes_on_runs(manifests, threshold, barrier), *_notes_on_cases(cases)]
    if unchanged.any():
        number = plural(int(unchanged.sum()), "case")
        notes.insert(0, f"{number} of one and the same measurement: the same for certain.")
    return Comparison(cases, threshold, comparisons, runs, differences(*manifests), notes)


def _report_order(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return the order of rows: by verdict, then the largest change, wrong result or loss first."""
    verdict, percents = frame["verdict"], frame["change_percent"]
    place = percents.where(verdict == FASTER, -percents).where(verdict != SAME, 0.0)
    place = place.fillna(-2.0 * is_wrong(frame) - is_lost(frame))
    return np.lexsort((place, verdict.cat.codes))


def _notes_on_runs(manifests: Sequence[Manifest], threshold: float, barrier: str) -> Iterator[str]:
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
    if barrier:
        yield f"Times are not compared: {barrier}. Ratios are only with --across-machines."


def _notes_on_cases(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what readers should know about the compared cases."""
    exploratory = frame["flags"].str.contains("exploratory") & frame["quantity"].notna()
    if exploratory.any():
        cases = plural(int(exploratory.sum()), "case")
        few = f"fewer than {MIN_PROCESSES} processes in one of the runs"
        yield f"{cases} with {few}: exploratory."
    changed = frame[frame["is_reference"] & frame["verdict"].isin([SLOWER, FASTER])]
    if len(changed) and (frame["quantity"] == "ratio").any():
        names = ", ".join(sorted(changed["implementation"].unique()))
        workloads = plural(len(changed), "workload")
        yield f"The reference {names} itself changed at {workloads}: so did all ratios to it."
