"""The records of two runs, matched: an implementation at a workload becomes one row."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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

_VALUES: Final = ["status", "ratio_to", *TIME, *RATIO, "processes"]
_TYPES: Final = {
    **{key: "category" if COLUMNS[key] == "string" else COLUMNS[key] for key in KEYS},
    **dict.fromkeys(["status", "error", "ratio_to"], "category"),
    **dict.fromkeys([*TIME, *RATIO, "processes", "converged", "noisy"], "float64"),
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
    records = records[[*KEYS, *_VALUES]].assign(flags=flags, failure=failure.astype(object))
    return records, manifests[0]


def match_cases(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return one row per case of two runs, as ``read_run`` returns them, in the order of tables.

    Returns:
        ``KEYS``, and the other columns with the run's name as their prefix, such as
        ``base_ratio``; ``base_flags`` or ``new_flags`` is missing for a case of one run only.

    Raises:
        LstmbenchError: if a run has a case twice.
    """
    codes, orders = pd.DataFrame(), {}
    for key in KEYS:
        columns: list[Any] = [run[key].astype("category").cat for run in (base, new)]
        orders[key] = ordered(key, (value for column in columns for value in column.categories))
        ordered_columns = (column.set_categories(orders[key]) for column in columns)
        codes[key] = np.concatenate([column.cat.codes for column in ordered_columns])
    # Most keys are the same in all cases, and need not be grouped by
    varying = [key for key in KEYS if codes[key].min() < codes[key].max()] or KEYS[:1]
    case = codes.groupby(varying).ngroup().to_numpy()  # numbered in the order of tables
    some_row = _positions(case, case.max(initial=-1) + 1)
    cases = pd.DataFrame(index=range(len(some_row)))
    for key, order in orders.items():
        column: Any = pd.Series(category(codes[key].to_numpy()[some_row], order))
        cases[key] = column if COLUMNS[key] == "string" else column.astype(COLUMNS[key])
    parts = [cases]
    for name, run, own in zip(NAMES, (base, new), np.split(case, [len(base)]), strict=True):
        rows = _positions(own, len(cases))
        if (repeated := rows[own] != np.arange(len(own))).any():
            text = describe(plain_rows(run.loc[repeated, KEYS][:1])[0])
            raise LstmbenchError(f"Two records of {name} are of the same case: {text}.")
        values = run.drop(columns=KEYS).add_prefix(f"{name.lower()}_")
        parts.append(values.reindex(rows).set_axis(cases.index))
    return pd.concat(parts, axis=1)


def _positions(values: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    """Return where each of the numbers below ``count`` is among the values, -1 if nowhere."""
    positions = np.full(count, -1)
    positions[values] = np.arange(len(values))
    return positions


def other_threads(cases: pd.DataFrame) -> pd.Series:
    """Return a sentence for each case that only one run has, but the other with other threads."""
    sides = {name: cases[f"{name.lower()}_flags"].notna() for name in NAMES}
    single = cases[sides["BASE"] != sides["NEW"]]
    threads = single["threads"].astype(object).fillna("not recorded").astype(str)
    texts = pd.DataFrame({name: threads.where(is_own) for name, is_own in sides.items()})
    workload = [single[key] for key in KEYS if key != "threads"]
    texts = texts.fillna(texts.groupby(workload, dropna=False, observed=True).transform("first"))
    return ("other threads: " + texts["BASE"] + " in BASE, " + texts["NEW"] + " in NEW").dropna()


def plain_rows(rows: pd.DataFrame) -> list[Row]:
    """Return the rows as Python values by column; None where one is missing."""
    plain: Any = rows.astype(object).where(rows.notna(), None)
    return plain.to_dict("records")
