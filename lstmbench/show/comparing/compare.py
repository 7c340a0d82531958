"""Compare two runs case by case: slower, faster, the same, ambiguous or not comparable, and why.

``comparability.py`` decides which cases are compared by which quantity, ``verdicts.py`` what the
numbers say.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError
from lstmbench.show.comparing.comparability import (
    QUANTITIES,
    choose_quantity,
    estimates_of,
    flags,
    incomparability_reasons,
)
from lstmbench.show.comparing.comparison import Comparison, is_lost, is_wrong
from lstmbench.show.comparing.differences import differences, incomparability_reason
from lstmbench.show.comparing.matched_cases import KEYS, NAMES, match_cases, read_run
from lstmbench.show.comparing.page_parts import count, percent
from lstmbench.show.comparing.verdicts import (
    AMBIGUOUS,
    FASTER,
    NOT_COMPARABLE,
    SLOWER,
    Change,
    Estimates,
    check_threshold,
    classify_change,
    estimate_change,
    is_replicated,
)
from lstmbench.show.provenance import ENOUGH_PROCESSES, Manifest, part

_COLUMNS: Final = [
    *KEYS, "verdict", "quantity", "change_percent", "low_percent", "high_percent", "base_ratio",
    "new_ratio", "base_time_s", "new_time_s", "base_ratio_to", "new_ratio_to", "base_status",
    "new_status", "is_reference", "flags", "reason",
]  # fmt: skip
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
    barrier = incomparability_reason(*manifests)
    implementation, reference = cases["implementation"], cases["base_ratio_to"]
    cases["is_reference"] = implementation.astype(object) == reference.astype(object)
    cases["quantity"] = choose_quantity(cases, by)
    cases["flags"] = flags(cases)
    reasons = incomparability_reasons(cases, by, across_machines, barrier)

    rows = np.flatnonzero(reasons == "")
    before, after = (estimates_of(cases, name).take(rows) for name in NAMES)
    identical = _is_same_measurement(before, after, manifests)
    comparisons = int((is_replicated(before, after) & ~identical).sum())
    change = estimate_change(before, after, comparisons)
    ends = (np.where(identical, 0.0, end) for end in (change.low, change.high))
    change = Change(change.estimate, *ends)
    verdicts = classify_change(change, threshold)
    reasons[rows] = _ambiguity_reasons(change, verdicts, threshold)

    cases["reason"] = reasons
    cases["verdict"] = pd.Series(verdicts, rows).reindex(cases.index, fill_value=NOT_COMPARABLE)
    cases["quantity"] = cases["quantity"].where(cases["verdict"] != NOT_COMPARABLE)
    for name, logarithms in zip(("change", "low", "high"), change, strict=True):
        with np.errstate(over="ignore"):  # the end of a wide interval may be infinite
            percents = 100 * np.expm1(logarithms)
        cases[f"{name}_percent"] = pd.Series(percents, rows).reindex(cases.index)
    cases = cases.rename(columns=_SHORT_NAMES)[_COLUMNS]
    cases = cases.take(_report_order(cases)).reset_index(drop=True)

    notes = [*_notes_on_runs(manifests, threshold, barrier), *_notes_on_cases(cases)]
    if identical.any():
        number = count(int(identical.sum()), "case")
        notes.insert(0, f"{number} of one and the same measurement: the same for certain.")
    runs = {
        name: {key: str(manifest.get(key) or "not recorded") for key in ("run_id", "started")}
        for name, manifest in zip(NAMES, manifests, strict=True)
    }
    return Comparison(cases, threshold, comparisons, runs, differences(*manifests), notes)


def _is_same_measurement(
    before: Estimates, after: Estimates, manifests: Sequence[Manifest]
) -> NDArray[np.bool_]:
    """Return which numbers are identical in two copies of one run, so that nothing has changed."""
    base_id, new_id = (manifest.get("run_id") for manifest in manifests)
    same_run = base_id is not None and base_id == new_id
    return same_run & np.all(np.equal(before[:3], after[:3]), axis=0)


def _ambiguity_reasons(
    change: Change, verdicts: pd.Categorical, threshold: float
) -> NDArray[np.object_]:
    """Return why each ambiguous change is ambiguous; empty for the others."""
    reasons = {
        "": verdicts != AMBIGUOUS,
        "one process alone: what another would give is not known": np.isinf(change.low),
        "the interval holds no change too": abs(change.estimate) > np.log1p(threshold),
        "the interval reaches beyond the threshold": True,
    }
    first = np.argmax(np.broadcast_arrays(*reasons.values()), axis=0)
    return np.array(list(reasons), dtype=object)[first]


def _report_order(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return the order of rows: by verdict, then the largest change, wrong result or loss first."""
    verdict, percents = frame["verdict"], frame["change_percent"]
    conditions = [verdict.isin([SLOWER, AMBIGUOUS]), verdict == FASTER, verdict == NOT_COMPARABLE]
    places = [-percents, percents, -2.0 * is_wrong(frame) - is_lost(frame)]
    return np.lexsort((np.select(conditions, places, 0.0), verdict.cat.codes))


def _notes_on_runs(
    manifests: Sequence[Manifest], threshold: float, barrier: str
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
    if barrier:
        yield f"Times are not compared: {barrier}. Ratios are only with --across-machines."


def _notes_on_cases(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what readers should know about the compared cases."""
    exploratory = frame["flags"].str.contains("exploratory") & frame["quantity"].notna()
    if exploratory.any():
        cases = count(int(exploratory.sum()), "case")
        few = f"fewer than {ENOUGH_PROCESSES} processes in one of the runs"
        yield f"{cases} with {few}: exploratory."
    changed = frame[frame["is_reference"] & frame["verdict"].isin([SLOWER, FASTER])]
    if len(changed) and (frame["quantity"] == "ratio").any():
        names = ", ".join(sorted(changed["implementation"].unique()))
        workloads = count(len(changed), "workload")
        yield f"The reference {names} itself changed at {workloads}: so did all ratios to it."
