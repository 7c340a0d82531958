"""Comparing two runs, case by case: what is slower, faster, the same, ambiguous, or cannot be compared, and why.

How verdicts are reached stands in ``verdicts.py``; which cases are compared, and by what, in ``comparable.py``.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError
from lstmbench.results.store import read_columns
from lstmbench.show.comparing.comparable import Comparable, comparable, flags, numbers, texts
from lstmbench.show.comparing.comparison import BROKEN, Comparison, count, percent
from lstmbench.show.comparing.differences import barrier, differences
from lstmbench.show.comparing.pairs import KEYS, NAMES, VALUES, Pairs, pair, words_of
from lstmbench.show.comparing.verdicts import (
    AMBIGUOUS,
    FASTER,
    NOT_COMPARABLE,
    SLOWER,
    VERDICTS,
    Change,
    Side,
    change,
    check_threshold,
    judge,
    replicated,
)
from lstmbench.show.provenance import ENOUGH_PROCESSES, Manifest

_QUANTITIES: Final = ("ratio", "time")


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
        threshold: the smallest change that matters: 0.05 calls nothing within a factor of 1.05 slower or faster.
        by: ``ratio`` (the time relative to the reference in the same rounds), ``time``, or None: by the ratio where
            both runs have one to the same reference, else by time. The reference itself is always compared by time.
        across_machines: compare ratios though the machines differ; times never are.

    Raises:
        LstmbenchError: if one of them is not one run, it cannot be read, or an argument is out of its range.
    """
    check_threshold(threshold)
    if by not in (None, *_QUANTITIES):
        raise LstmbenchError(f"Runs are compared by 'ratio' or by 'time', not by {by!r}.")
    records = [_records(side) for side in (base, new)]
    manifests = [_manifest(each, name) for each, name in zip(records, NAMES, strict=True)]
    pairs = pair(records.pop(0), records.pop(0))  # a million rows are not kept beside their pairs
    if not len(pairs):
        raise LstmbenchError("There is nothing to compare: neither run has records.")
    between = barrier(*manifests)
    found = comparable(pairs, by, between, across_machines)
    chosen = np.flatnonzero(found.reasons.none)
    before, after = found.base.take(chosen), found.new.take(chosen)
    itself = _one_measurement(before, after, manifests)
    comparisons = int((replicated(before, after) & ~itself).sum())
    changes = change(before, after, comparisons)
    changes = Change(changes.estimate, np.where(itself, 0.0, changes.low), np.where(itself, 0.0, changes.high))
    frame = _frame(pairs, found, chosen, changes, threshold)
    notes = [*_about_runs(manifests, threshold, between), *_about_cases(frame)]
    if itself.any():
        notes.insert(0, f"{count(int(itself.sum()), 'case')} of one and the same measurement: the same for certain.")
    runs = {name: _identity(manifest) for name, manifest in zip(NAMES, manifests, strict=True)}
    return Comparison(frame, threshold, comparisons, runs, differences(*manifests), notes)


def _one_measurement(before: Side, after: Side, manifests: list[Manifest]) -> NDArray[np.bool_]:
    """Say which numbers are the same to the last digit, where both folders hold the same run: nothing has changed."""
    runs = [manifest.get("run_id") for manifest in manifests]
    same = np.logical_and.reduce([mine == theirs for mine, theirs in zip(before[:3], after[:3], strict=True)])
    return same & (runs[0] == runs[1] is not None)


def _records(side: str | Path | pd.DataFrame) -> pd.DataFrame:
    return read_columns(side, (*KEYS, *VALUES)) if isinstance(side, str | Path) else side


def _manifest(records: Any, name: str) -> Manifest:
    manifest = getattr(records, "attrs", {}).get("manifest") or {}
    several = [manifest] if isinstance(manifest, Mapping) else list(manifest)
    if len(several) != 1:
        raise LstmbenchError(f"{name} holds {len(several)} runs, and one is wanted.")
    return several[0]


def _identity(manifest: Manifest) -> dict[str, str]:
    return {key: str(manifest.get(key) or "not recorded") for key in ("run_id", "started")}


def _frame(
    pairs: Pairs, found: Comparable, chosen: NDArray[np.int64], changes: Change, threshold: float
) -> pd.DataFrame:
    """Return one row per case, in the order in which they are told.

    Args:
        pairs: the cases.
        found: what can be compared.
        chosen: at which places.
        changes: at these places.
        threshold: the smallest change that matters.
    """
    size = len(pairs)
    verdicts = judge(changes, threshold)
    rank = np.full(size, VERDICTS.index(NOT_COMPARABLE), dtype=np.int8)
    rank[chosen] = verdicts
    quantity = np.full(size, -1, dtype=np.int8)
    quantity[chosen] = np.where(found.by_ratio[chosen], 0, 1)
    columns: dict[str, Any] = {key: pairs.cases[key] for key in KEYS}
    columns["verdict"] = words_of(rank, VERDICTS)
    columns["quantity"] = words_of(quantity, _QUANTITIES)
    for name, logarithms in zip(("change", "low", "high"), changes, strict=True):
        columns[f"{name}_percent"] = values = np.full(size, np.nan)
        with np.errstate(over="ignore"):  # a wide interval may well end at infinity
            values[chosen] = 100 * np.expm1(logarithms)
    for name, column in (("ratio", "ratio"), ("time_s", "time_median_s")):
        columns |= {f"base_{name}": numbers(pairs.base, column), f"new_{name}": numbers(pairs.new, column)}
    for name in ("ratio_to", "status"):
        columns |= {f"base_{name}": pairs.base[name], f"new_{name}": pairs.new[name]}
    columns["is_reference"] = texts(pairs.cases, "implementation") == texts(pairs.base, "ratio_to")
    doubtful = rank == VERDICTS.index(AMBIGUOUS)
    alone, beyond = np.zeros((2, size), dtype=bool)
    alone[chosen] = np.isinf(changes.low)
    beyond[chosen] = abs(changes.estimate) > np.log1p(threshold)
    found.reasons.give(doubtful & alone, "one process alone: what another would give is not known")
    found.reasons.give(doubtful & beyond, "the interval holds no change too")
    found.reasons.give(doubtful, "the interval reaches beyond the threshold")
    columns |= {"flags": flags(pairs), "reason": found.reasons.texts()}
    order = np.lexsort((np.arange(size), _place(columns, rank), rank))
    return pd.DataFrame({name: column.take(order) for name, column in columns.items()}, copy=False)


def _place(columns: Mapping[str, Any], rank: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return where a case stands among those of its verdict: the largest change first, wrong and lost before others."""
    percent_ = columns["change_percent"]
    lost = (columns["base_status"] == "ok") & columns["new_status"].isin(BROKEN)
    worst = np.where(columns["new_status"] == "wrong_result", -2.0, np.where(lost, -1.0, 0.0))
    told = [rank == VERDICTS.index(verdict) for verdict in (SLOWER, AMBIGUOUS, FASTER, NOT_COMPARABLE)]
    return np.select(told, [-percent_, -percent_, percent_, worst], 0.0)


def _about_runs(manifests: list[Manifest], threshold: float, between: str) -> Iterator[str]:
    """Say what of the two runs a reader should know."""
    for name, manifest in zip(NAMES, manifests, strict=True):
        if not manifest.get("complete", True):
            yield f"{name} is not finished: more of its cases may come."
        controls = manifest.get("controls")
        if not isinstance(controls, Mapping):
            continue
        if controls.get("failed"):
            yield f"The controls of {name} failed: its intervals cannot be relied on."
        floor = controls.get("floor")
        if isinstance(floor, int | float) and floor > threshold:
            yield f"The noise floor of {name} is {percent(floor)}, beyond the threshold of {percent(threshold)}."
    if between:
        yield f"Times are not compared: {between}. Ratios are only with --across-machines."


def _about_cases(frame: pd.DataFrame) -> Iterator[str]:
    """Say what of the compared cases a reader should know."""
    few = int((frame["flags"].str.contains("exploratory") & frame["quantity"].notna()).sum())
    if few:
        yield f"{count(few, 'case')} with fewer than {ENOUGH_PROCESSES} processes in one of the runs: exploratory."
    changed = frame["is_reference"] & frame["verdict"].isin([SLOWER, FASTER])
    if changed.any() and (frame["quantity"] == "ratio").any():
        names = ", ".join(sorted(set(frame.loc[changed, "implementation"])))
        where = count(int(changed.sum()), "workload")
        yield f"The reference {names} itself changed at {where}: so did all ratios to it."
