"""Whether the ratios of a table agree with another run, and which implementation changed.

A ratio agrees if the interval of its change contains no change, or lies within the tolerance. The
intervals are those of ``verdicts.py``, for all rows together. Times belong to their machine, so
they are shown but not judged.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.comparison.compare import compare
from lstmbench.report.comparison.reproduction_report import (
    AGREES,
    DIFFERS,
    JUDGEMENTS,
    NOT_COMPARED,
    THE_REFERENCE,
    TOLERANCE,
    Reproduction,
)
from lstmbench.report.comparison.verdicts import SAME
from lstmbench.report.labels import WORKLOAD, ordered
from lstmbench.report.tables.extract import run_tables
from lstmbench.report.tables.table import Table

RATIO_TABLES: Final = ("ratio", "speed")
"""The kinds of tables whose rows have a ratio."""

_MIN_RATIOS: Final = 3
"""Per workload: of fewer, the median does not tell which implementation changed."""


def reproduction(table: str, base: str | Path, new: str | Path) -> Reproduction:
    """Compare the rows of a table with another run.

    Args:
        table: its id, such as ``quick-ratio``.
        base: the folder of the table's run.
        new: the folder of the other run.

    Raises:
        LstmbenchError: if one of the runs has no such table, its rows have no ratios, both are the
            same run, or they cannot be read.
    """
    base_table, new_table = (find_table(table, folder) for folder in (base, new))
    comparison = compare(base, new, threshold=TOLERANCE, by="ratio", across_machines=True)
    run_ids = {run["run_id"] for run in comparison.runs.values()}
    if len(run_ids) == 1:
        (run_id,) = run_ids
        raise LstmbenchError(f"Both folders hold the run {run_id}: a run cannot confirm itself.")
    in_table = comparison.frame["base_status"].notna()
    rows = _judged(comparison.frame[in_table])
    references = rows["base_ratio_to"].dropna().unique()
    reference = str(references[0]) if len(references) == 1 else ""
    outliers = outlier_implementations(rows, reference) if reference else {}
    return Reproduction(base_table, new_table, rows, comparison, outliers, reference)


def find_table(name: str, folder: str | Path) -> Table:
    """Return a table of a run whose rows have ratios.

    Raises:
        LstmbenchError: if it is of another kind, or the run has no table of this name.
    """
    if name.rpartition("-")[2] not in RATIO_TABLES:
        endings = " or -".join(RATIO_TABLES)
        raise LstmbenchError(
            f"What carries over from run to run are ratios: {name!r} is no table of them; its name "
            f"would end with -{endings}."
        )
    tables = {table.id: table for table in run_tables(folder)}
    if name not in tables:
        names = ", ".join(tables)
        raise LstmbenchError(f"There is no table {name!r} in {folder}; the tables are {names}.")
    return tables[name]


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Return compared cases with a ``judgement``, the most different first."""
    low, high = frame["low_percent"], frame["high_percent"]
    # The interval of a case with a single process is unbounded: it says nothing
    judged = (frame["quantity"] == "ratio") & (low > -100)
    agrees = (low <= 0) & (high >= 0) | (frame["verdict"] == SAME)
    judgement = np.select([judged & agrees, judged], [AGREES, DIFFERS], NOT_COMPARED)
    both_ok = (frame["base_status"] == "ok") & (frame["new_status"] == "ok")
    is_reference = frame["is_reference"] & both_ok
    reason = frame["reason"].astype(object).mask(is_reference, THE_REFERENCE).mask(judged, "")
    frame = frame.assign(judgement=pd.Categorical(judgement, JUDGEMENTS), reason=reason)
    order = np.lexsort((-frame["change_percent"].abs().fillna(0), frame["judgement"].cat.codes))
    return frame.iloc[order].reset_index(drop=True)


def outlier_implementations(
    rows: pd.DataFrame,
    reference: str,
    tolerance: float = TOLERANCE,
) -> dict[str, float]:
    """Return the implementations that became slower or faster than the others.

    The reference is in every ratio: if it alone becomes slower, all others seem faster. Therefore
    its own change, which is 0, is added to those of the others at each workload, and the median of
    all counts as no change. An implementation is an outlier if the median of its changes beyond
    that exceeds the tolerance and the noise: half an interval over the root of its number of
    workloads.

    Args:
        rows: judged rows.
        reference: the implementation that all ratios are relative to.
        tolerance: the largest change that does not matter, as a fraction.

    Returns:
        The logarithm of each outlier's change.
    """
    compared = rows[rows["judgement"] != NOT_COMPARED]
    workload = compared.groupby(list(WORKLOAD), dropna=False, observed=True).ngroup()
    logarithms: Any = np.log1p(compared[["change_percent", "low_percent", "high_percent"]] / 100)
    half_width = (logarithms["high_percent"] - logarithms["low_percent"]) / 2
    name = compared["implementation"].astype(str)
    changes = logarithms["change_percent"].groupby([workload, name]).first().unstack()
    changes[reference] = 0.0
    enough = changes.count(axis=1) >= _MIN_RATIOS
    excess = changes.sub(changes.median(axis=1), axis=0)[enough]
    noise = half_width.groupby(name).median().reindex(excess.columns).fillna(half_width.median())
    limit = np.maximum(np.log1p(tolerance), noise / np.sqrt(excess.count()))
    median = excess.median()
    outliers = median[median.abs() > limit]
    return {name: float(outliers[name]) for name in ordered("implementation", outliers.index)}
