"""The records of two runs, matched: an implementation at a workload becomes one row."""

from pathlib import Path
from typing import Any, Final

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.results.record import COLUMNS
from lstmbench.results.store import read_columns
from lstmbench.show.labels import WORKLOAD, Row, describe, ordered
from lstmbench.show.provenance import Manifest

KEYS: Final = ["implementation", *WORKLOAD]
"""The columns that identify a case within a run."""

TIME: Final = ["time_median_s", "time_low_s", "time_high_s"]
RATIO: Final = ["ratio", "ratio_low", "ratio_high"]
VALUES: Final = ["status", "error", "ratio_to", *TIME, *RATIO, "processes", "converged", "noisy"]
"""The columns that are read besides the keys."""

NAMES: Final = ("BASE", "NEW")
"""What texts call the two runs. In lower case, the prefixes of their columns."""

_KEY_TYPES: Final = {key: COLUMNS[key] for key in KEYS}
_VALUE_TYPES: Final = {
    value: "category" if COLUMNS[value] == "string" else "float64" for value in VALUES
}


def read_run(source: str | Path | pd.DataFrame, name: str) -> tuple[pd.DataFrame, Manifest]:
    """Return the keys and values of a run's records, and its manifest.

    Keys and texts become categories, other values floats, so that a million records need little
    memory. The columns of values get the run's name as their prefix, such as ``base_ratio``.

    Args:
        source: the folder of a run, or its records.
        name: one of ``NAMES``.

    Raises:
        LstmbenchError: if this is not exactly one run, it cannot be read, or a case is in it twice.
    """
    records: Any = read_columns(source, KEYS + VALUES) if isinstance(source, str | Path) else source
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
    records = records.reindex(columns=KEYS + VALUES)
    records.attrs = {}  # otherwise pandas copies the manifest in every step below
    try:
        records = records.astype(_KEY_TYPES | _VALUE_TYPES)
    except (ValueError, TypeError) as error:
        reason = f"The records of {name} have a column of another type: {error}."
        raise LstmbenchError(reason) from None
    repeated = records[records.duplicated(KEYS)]
    if len(repeated):
        case = describe(plain_rows(repeated[:1][KEYS])[0])
        raise LstmbenchError(f"Two records of {name} are of the same case: {case}.")
    prefixed = {value: f"{name.lower()}_{value}" for value in VALUES}
    return records.astype(dict.fromkeys(KEYS, "category")).rename(columns=prefixed), manifests[0]


def match_cases(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Merge two runs, as ``read_run`` returns them, into one row per case in the order of tables.

    Returns:
        The keys, the values of both runs, and ``run``: ``both``, or ``left_only`` or ``right_only``
        for cases of one run.
    """
    # A merge of small integers is fast, and sorts the cases as tables do, missing values last
    orders = {key: ordered(key, _values(base[key]) + _values(new[key])) for key in KEYS}
    base, new = (
        run.assign(**{key: _ranks(run[key], order) for key, order in orders.items()})
        for run in (base, new)
    )
    cases = base.merge(new, how="outer", on=KEYS, indicator="run")
    for key, order in orders.items():
        values = [*order, None]
        is_text = COLUMNS[key] == "string"
        column = pd.Categorical(values, order) if is_text else pd.array(values, COLUMNS[key])
        cases[key] = column.take(cases[key])
    return cases


def _values(column: pd.Series) -> list[Any]:
    return column.cat.categories.tolist()


def _ranks(column: pd.Series, order: list[Any]) -> pd.Series:
    """Return the position of each value; that of missing values is the last one."""
    positions = column.cat.set_categories(order).cat.codes
    return positions.where(positions >= 0, len(order))


def other_threads(cases: pd.DataFrame) -> pd.Series:
    """Say of cases that only one run has which number of threads the other run has them with.

    Returns:
        The sentence, or a missing value where the other run has no such case either.
    """
    single = cases[cases["run"] != "both"]
    threads = single["threads"].astype("string").fillna("not recorded")
    workload = single.groupby([key for key in KEYS if key != "threads"], dropna=False, observed=True)
    group = workload.ngroup()
    base, new = (
        own.fillna(own.groupby(group).transform("first"))
        for own in (threads.where(single["run"] == run) for run in ("left_only", "right_only"))
    )
    return ("other threads: " + base + " in BASE, " + new + " in NEW").reindex(cases.index)


def plain_rows(rows: pd.DataFrame) -> list[Row]:
    """Return the rows as Python values by column; None where one is missing."""
    return rows.astype(object).where(rows.notna(), None).to_dict("records")
