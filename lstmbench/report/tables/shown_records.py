"""The part of a run that is shown: of a very long run the first cases, and a note on the rest."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.labels import WORKLOAD, counted
from lstmbench.report.provenance import part
from lstmbench.report.tables.standard_tables import standard_tables
from lstmbench.report.tables.table import Table
from lstmbench.results.runs import manifest_or_empty
from lstmbench.results.store import count_records, read_columns, read_results

MAX_SHOWN_WHOLE = 10_000
"""Maximum number of cases of a run that is shown whole."""

SHOWN_CASES = 1_000
"""Number of cases that are shown of a longer run, or a few less: no workload is shown in part."""


def read_shown(folder: str | Path) -> tuple[pd.DataFrame, str]:
    """Return the records that a run's tables show, and a sentence on those left out, or "".

    Raises:
        LstmbenchError: if there are no results, or they cannot be read.
    """
    root = Path(folder)
    total = count_records(root)
    if total <= MAX_SHOWN_WHOLE:
        return read_results(root), ""
    records = read_results(root, first=SHOWN_CASES + 1)
    workloads = records.groupby(list(WORKLOAD), dropna=False).ngroup()
    whole = records[workloads != workloads.iloc[-1]]
    shown = whole if len(whole) else records.iloc[:SHOWN_CASES]
    extent = f"the first {len(shown):,} of {total:,} cases"
    return shown, f"Shown: {extent}; records.parquet and records.csv hold them all."


def timed_runs(folders: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the finished runs among these with their manifests.

    Training runs, which have no ratios, and runs that cannot be read are left out.
    """
    for folder in folders:
        manifest = manifest_or_empty(folder)
        if manifest.get("complete") and "tasks" not in part(manifest, "suite"):
            yield folder, manifest


def run_tables(folder: str | Path) -> list[Table]:
    """Return the tables of one run; a note says so if they do not show all of it."""
    return shown_tables(*read_shown(folder))


def shown_tables(records: pd.DataFrame, left_out: str) -> list[Table]:
    """Return the tables of what ``read_shown`` returns."""
    extra = [left_out] if left_out else []
    return [replace(table, notes=[*extra, *table.notes]) for table in standard_tables(records)]


def table_named(name: str, tables: Iterable[Table], where: object) -> Table:
    """Return the table with this id.

    Raises:
        LstmbenchError: if none of these tables, which are those in ``where``, has it.
    """
    by_id = {table.id: table for table in tables}
    if name not in by_id:
        names = ", ".join(by_id) or "none"
        raise LstmbenchError(f"There is no table {name!r} in {where}; the tables are {names}.")
    return by_id[name]


def statuses(folder: str | Path) -> dict[str, int]:
    """Return how many cases of a run have each status, ``ok`` first."""
    records = read_columns(folder, ["status"])
    if "status" not in records.columns:
        raise LstmbenchError("The records have no column status.")
    return counted(None if pd.isna(status) else str(status) for status in records["status"])
