"""The records of two runs, matched: an implementation at a workload becomes one row."""

from pathlib import Path
from typing import Any, Final

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.comparison.verdicts import category
from lstmbench.report.labels import WORKLOAD, Row, describe, ordered, status_words
from lstmbench.report.number_format import shorten
from lstmbench.report.provenance import MIN_PROCESSES, Manifest
from lstmbench.results.schema import COLUMNS
from lstmbench.results.store import read_columns

KEYS: Final = ["implementation", *WORKLOAD]
"""The columns that identify a case within a run."""

TIME: Final = ["time_median_s", "time_low_s", "time_high_s"]
RATIO: Final = ["ratio", "ratio_low", "ratio_high"]

NAMES: Final = ("BASE", "NEW")
"""What texts call the two runs. In lower case, the prefixes of their columns."""

FLAGS: Final = (
    "", "not converged", "noisy", "noisy, not converged", "exploratory",
    "exploratory, not converged", "exploratory, noisy", "exploratory, noisy, not converged",
)  # fmt: skip
"""What makes a number less reliable, by the sum of 1, 2 and 4 for each."""

_TEXTS: Final = ["status", "error", "ratio_to"]
_NUMBERS: Final = [*TIME, *RATIO, "processes", "converged", "noisy"]
_TYPES: Final = {
    **{key: "category" if COLUMNS[key] == "string" else COLUMNS[key] for key in KEYS},
    **dict.fromkeys(_TEXTS, "category"),
    **dict.fromkeys(_NUMBERS, "float64"),
}
"""A million records need little memory as categories and floats."""


def read_run(source: str | Path | pd.DataFrame, name: str) -> tuple[pd.DataFrame, Manifest]:
    """Return the records of a run for ``match_cases``, and its manifest.

    Args:
        source: the folder of a run, or its records.
        name: one of ``NAMES``.

    Returns:
        The columns ``KEYS``, and with the run's name as their prefix, such as ``base_ratio``:
        status, times, ratios, processes, ``flags``, and ``failure``, why there is no result.

    Raises:
        LstmbenchError: if this is not exactly one run, it cannot be read, or a case is in it twice.
    """
    records: Any = read_columns(source, [*_TYPES]) if isinstance(source, str | Path) else source
    if not isinstance(records, pd.DataFrame):
        kind = type(records).__name__
        raise LstmbenchError(f"{name} must be a DataFrame of records, but it is a {kind}.")
    manifest = records.attrs.get("manifest") or {}
    manifests = manifest if isinstance(manifest, list) else [manifest]
    if len(manifests) != 1:
        raise LstmbenchError(f"{name} holds {len(manifests)} runs, and one is wanted.")
    if missing := [column for column in [*KEYS, "status"] if column not in records]:
        columns = " and no column ".join(missing)
        raise LstmbenchError(f"The records of {name} have no column {columns}.")
    records = records.reindex(columns=[*_TYPES])
    records.attrs = {}  # otherwise pandas copies the manifest in every step below
    try:
        records = records.astype(_TYPES)
    except (ValueError, TypeError) as error:
        reason = f"The records of {name} have a column of another type: {error}."
        raise LstmbenchError(reason) from None
    repeated = records[records.duplicated(KEYS)]
    if len(repeated):
        case = describe(plain_rows(repeated[:1][KEYS])[0])
        raise LstmbenchError(f"Two records of {name} are of the same case: {case}.")

    ok = records["status"] == "ok"
    failed = records.loc[~ok, ["status", "error"]].astype(object).fillna("")
    errors = failed["error"].map(lambda error: error and f": {shorten(error)}")
    failure = failed["status"].map(status_words) + f" in {name}" + errors
    records["failure"] = failure.astype(str)  # also if no case failed
    few = ok & ~(records["processes"] >= MIN_PROCESSES)
    records["flags"] = (records["converged"] == 0) + 2 * (records["noisy"] == 1) + 4 * few
    values = ["status", "ratio_to", *TIME, *RATIO, "processes", "flags", "failure"]
    return records[KEYS].join(records[values].add_prefix(f"{name.lower()}_")), manifests[0]


def match_cases(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Merge two runs, as ``read_run`` returns them, into one row per case in the order of tables.

    Returns:
        The columns of both, and ``run``: ``both``, ``left_only`` (BASE) or ``right_only`` (NEW).
    """
    orders = {}
    for key in KEYS:
        columns = [run[key].astype("category").cat for run in (base, new)]
        values = [value for column in columns for value in column.categories.tolist()]
        orders[key] = ordered(key, values)
        # A merge of small integers is fast, and sorts the cases as tables do
        base[key], new[key] = (column.set_categories(orders[key]).cat.codes for column in columns)
    cases = base.merge(new, how="outer", on=KEYS, indicator="run")
    for key, order in orders.items():
        column: Any = category(cases[key], order)
        cases[key] = column if COLUMNS[key] == "string" else column.astype(COLUMNS[key])
    return cases


def other_threads(cases: pd.DataFrame) -> pd.Series:
    """Return for cases of one run only that the other run has them with other threads.

    Returns:
        The sentence, or a missing value if the other run does not have the case at all.
    """
    single = cases[cases["run"] != "both"]
    threads = single["threads"].astype(object).fillna("not recorded").astype(str)
    keys = [key for key in KEYS if key != "threads"]
    workload = single.groupby(keys, dropna=False, observed=True).ngroup()
    base, new = (threads.where(single["run"] == run) for run in ("left_only", "right_only"))
    base = base.fillna(base.groupby(workload).transform("first"))
    new = new.fillna(new.groupby(workload).transform("first"))
    return ("other threads: " + base + " in BASE, " + new + " in NEW").reindex(cases.index)


def plain_rows(rows: pd.DataFrame) -> list[Row]:
    """Return the rows as Python values by column; None where one is missing."""
    plain: Any = rows.astype(object).where(rows.notna(), None)
    return plain.to_dict("records")
