"""Ratios of several machines side by side.

Times are left out, since they do not carry over between machines.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.report import provenance
from lstmbench.report.labels import WORKLOAD, Row, cases_of, grouped
from lstmbench.report.tables.shown_records import read_shown, timed_runs
from lstmbench.report.tables.standard_tables import (
    EXTENT,
    base_words,
    bases_of,
    ratio_cell,
    with_base,
)
from lstmbench.report.tables.table import Table, make
from lstmbench.results import machine_identity


def machine_tables(runs: Sequence[Path]) -> list[Table]:
    """Return one table for each suite that was measured on two or more kinds of machines.

    Args:
        runs: folders of runs, the newest first; the newest finished run of a suite on a machine
            counts. Runs that cannot be read are left out, and training runs, which have no ratios.
    """
    tables = (_table(folders) for _, folders in sorted(_by_suite(runs).items()) if len(folders) > 1)
    return [table for table in tables if table is not None]


def _by_suite(runs: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Return, for each suite, the newest run on each machine, by the machine's name."""
    machines: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    folders: dict[str, dict[str, Path]] = defaultdict(dict)
    for folder, manifest in timed_runs(runs):
        suite = provenance.suite_of([], [manifest])
        # Another name is not enough: an older manifest may record less of the same machine
        machine = provenance.part(manifest, "machine")
        name = provenance.machine_name(manifest)
        if all(machine_identity.machines_differ(machine, newer) for newer in machines[suite]):
            machines[suite].append(machine)
            folders[suite].setdefault(name, folder)
    return folders


def _table(folders: Mapping[str, Path]) -> Table | None:
    """Return the table of these runs; None where no two of them share a workload."""
    rows: list[Row] = []
    manifests = []
    for machine, folder in folders.items():
        try:
            cases, manifest = cases_of(read_shown(folder)[0])
        except LstmbenchError:
            continue
        manifests.append(manifest)
        others = (row for row in with_base(cases) if row["implementation"] != row["ratio_to"])
        rows += [row | {"machine": machine} for row in others]
    shared = [
        row
        for workload in grouped(rows, WORKLOAD).values()
        # A case that was skipped was not measured on that machine
        if len({row["machine"] for row in workload if row["status"] != "skipped"}) > 1
        for row in workload
    ]
    if not shared:
        return None
    bases = bases_of(shared)
    return make(
        "machines-ratio",
        manifests,
        shared,
        f"Time of one call relative to {base_words(bases)}, machine by machine: "
        "median of the ratios within rounds [95 % interval]",
        {"ratio": ratio_cell},
        ["machine", "run_id", "ratio", "ratio_low", "ratio_high", "ratio_to", *EXTENT],
        [
            "Of each suite, the newest run on a machine counts, and workloads that two or more "
            "machines have measured."
        ],
        more="Columns: machines. Below 1 is faster.",
        extra_keys=["ratio_to"] if len(bases) > 1 else [],
        along="machine",
    )
