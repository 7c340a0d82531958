"""The records of two runs, matched: an implementation at a workload becomes one row."""

from pathlib import Path
from typing import Any

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.labels import WORKLOAD, describe, ordered, plain_rows, status_words
from lstmbench.report.number_format import shorten
from lstmbench.report.provenance import MIN_PROCESSES, Manifest
from lstmbench.results.schema import COLUMNS
from lstmbench.results.store import read_columns

KEYS = ["implementation", *WORKLOAD]
"""The columns that identify a case within a run."""

TIME = ["time_median_s", "time_low_s", "time_high_s"]
RATIO = ["ratio", "ratio_low", "ratio_high"]

NAMES = ("BASE", "NEW")
"""What texts call the two runs. In lower case, the prefixes of their columns."""

FLAGS = (
    "", "not converged", "noisy", "noisy, not converged", "exploratory",
    "exploratory, not converged", "exploratory, noisy", "exploratory, noisy, not converged",
)  # fmt: skip
"""What makes a number less reliable, by the sum of 1, 2 and 4 for each."""

_NUMBERS = [*TIME, *RATIO, "time_freedom", "ratio_freedom", "processes"]
_TYPES = {
    **{key: "category" if COLUMNS[key] == "string" else COLUMNS[key] for key in KEYS},
    **dict.fromkeys(["status", "error", "ratio_to"], "category"),
    **dict.fromkeys([*_NUMBERS, "converged", "noisy"], "float64"),
}
"""A million records need little memory as categories and floats."""


def read_run(source: str | Path | pd.DataFrame, name: str) -> tuple[pd.DataFrame, Manifest]:
    """Return the records of a run for ``match_cases``, and its manifest.

    Args:
        source: the folder of a run, or its records.
        name: one of ``NAMES``.

    Returns:
        ``KEYS``, status, times, ratios, processes, ``flags``, a position in ``FLAGS``, and
        ``failure``, why there is no result.

    Raises:
        LstmbenchError: if this is not exactly one run, or it cannot be read.
    """
    records: Any = read_columns(source, [*_TYPES]) if isinstance(source, str | Path) else source
    if not isinstance(records, pd.DataFrame):
        kind = type(records).__name__
        raise LstmbenchError(f"{name} must be a DataFrame of records, but it is a {kind}.")
    manifest = records.attrs.get("manifest") or {}
    manifests = manifest if isinstance(manifest, list) else [manifest]
    if len(manifests) != 1:
        raise LstmbenchError(f"{name} must hold one run, but it holds {len(manifests)} runs.")
    if missing := [column for column in [*KEYS, "status"] if column not in records]:
        columns = " and no column ".join(missing)
        raise LstmbenchError(f"The records of {name} have no column {columns}.")
    records = records.reindex(columns=[*_TYPES]).reset_index(drop=True)
    records.attrs = {}  # otherwise pandas copies the manifest in every step below
    try:
        records = records.astype(_TYPES)
    except (ValueError, TypeError) as error:
        reason = f"The records of {name} have a column of another type: {error}."
        raise LstmbenchError(reason) from None

    ok = records["status"] == "ok"
    failed = records.loc[~ok, ["status", "error"]].astype(object).fillna("")
    errors = failed["error"].map(lambda error: error and f": {shorten(error)}")
    failure = failed["status"].map(status_words) + f" in {name}" + errors
    few = ok & ~(records["processes"] >= MIN_PROCESSES)
    flags = (records["converged"] == 0) + 2 * (records["noisy"] == 1) + 4 * few
    records = records.drop(columns=["error", "converged", "noisy"])
    return records.assign(flags=flags, failure=failure.astype(object)), manifests[0]


def match_cases(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return one row per case of two runs, as ``read_run`` returns them, in the order of tables.

    Returns:
        ``KEYS``, and the other columns with the run's name as their prefix, such as
        ``base_ratio``; ``base_flags`` or ``new_flags`` is missing for a case of one run only.

    Raises:
        LstmbenchError: if a run has a case twice.
    """
    runs = []
    for name, run, other in (("BASE", base, new), ("NEW", new, base)):
        if (repeated := run.duplicated(KEYS)).any():
            text = describe(plain_rows(run.loc[repeated, KEYS][:1])[0])
            raise LstmbenchError(f"Two records of {name} are of the same case: {text}.")
        orders = {
            key: ordered(key, [*run[key].cat.categories, *other[key].cat.categories])
            for key in KEYS
            if COLUMNS[key] == "string"
        }
        categories = {key: run[key].cat.set_categories(orders[key], ordered=True) for key in orders}
        prefixed = {column: f"{name.lower()}_{column}" for column in run.columns.difference(KEYS)}
        runs.append(run.assign(**categories).rename(columns=prefixed))
    return runs[0].merge(runs[1], "outer", KEYS)


def other_threads(cases: pd.DataFrame) -> pd.Series:
    """Return a sentence for each case that only one run has, but the other with other threads."""
    sides = {name: cases[f"{name.lower()}_flags"].notna() for name in NAMES}
    single = cases[sides["BASE"] != sides["NEW"]]
    threads = single["threads"].astype(object).fillna("not recorded").astype(str)
    texts = pd.DataFrame({name: threads.where(is_own) for name, is_own in sides.items()})
    workload = [single[key] for key in KEYS if key != "threads"]
    texts = texts.fillna(texts.groupby(workload, dropna=False, observed=True).transform("first"))
    return ("other threads: " + texts["BASE"] + " in BASE, " + texts["NEW"] + " in NEW").dropna()
