"""Ratios of several machines side by side. Times do not carry over between machines and are left
out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.report import provenance
from lstmbench.report.labels import WORKLOAD, Row, key_of, ordered, rows_of
from lstmbench.report.tables.extract import read_shown, timed_runs
from lstmbench.report.tables.standard_tables import EXTENT, base_words, ratio_cell, with_base
from lstmbench.report.tables.table import Table, make
from lstmbench.results import machine_identity


def machine_tables(runs: Sequence[Path]) -> list[Table]:
    """Return one table for each suite that was measured on two or more kinds of machines.

    Args:
        runs: folders of runs, the newest first; the newest finished run of a suite on a machine
            counts. Runs that cannot be read are left out, and training runs, which have no ratios.
    """
    return [table for suite in _by_suite(runs).values() if (table := _table(suite)) is not None]


def _by_suite(runs: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Return, for each suite in alphabetical order, the newest run on each machine, by the
    machine's name."""
    machines: dict[str, dict[str, Mapping[str, Any]]] = {}
    folders: dict[str, dict[str, Path]] = {}
    for folder, manifest in timed_runs(runs):
        suite = provenance.suite_of([], [manifest])
        newer = machines.setdefault(suite, {})
        # Another name is not enough: an older manifest may record less of the same machine
        machine = provenance.part(manifest, "machine")
        if all(machine_identity.machines_differ(machine, other) for other in newer.values()):
            name = provenance.machine_name(manifest)
            newer.setdefault(name, machine)
            folders.setdefault(suite, {}).setdefault(name, folder)
    return {suite: folders[suite] for suite in sorted(folders) if len(folders[suite]) > 1}


def _table(folders: Mapping[str, Path]) -> Table | None:
    """Return the table of these runs; None where no two of them share a workload."""
    rows: list[Row] = []
    manifests = []
    for machine, folder in folders.items():
        try:
            records, _ = read_shown(folder)
            cases = with_base(rows_of(records))
        except LstmbenchError:
            continue
        manifests.append(records.attrs["manifest"])
        rows += [
            row | {"machine": machine} for row in cases if row["implementation"] != row["ratio_to"]
        ]
    # A case that was skipped was not measured on that machine
    measured = {
        (key_of(row, WORKLOAD), row["machine"]) for row in rows if row["status"] != "skipped"
    }
    machines = Counter(workload for workload, _ in measured)
    shared = [row for row in rows if machines[key_of(row, WORKLOAD)] > 1]
    if not shared:
        return None
    bases = ordered(
        "implementation", (row["ratio_to"] for row in shared if row["ratio_to"] is not None)
    )
    what = f"Time of one call relative to {base_words(bases)}, machine by machine: median of the ratios within rounds"
    return make(
        "machines-ratio",
        shared,
        manifests,
        f"{what} [95 % interval]",
        {"ratio": ratio_cell},
        ["machine", "run_id", "ratio", "ratio_low", "ratio_high", "ratio_to", *EXTENT],
        [
            "Of each suite, the newest run on a machine counts, and workloads that two or more machines have measured."
        ],
        more=" Columns: machines. Below 1 is faster.",
        extra_keys=["ratio_to"] if len(bases) > 1 else [],
        along="machine",
    )
