"""Ratios of several machines side by side.

Times are left out, since they do not carry over between machines.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from lstmbench.errors import LstmbenchError
from lstmbench.report.labels import WORKLOAD, Row, grouped, rows_of
from lstmbench.report.provenance import Manifest, machine_name, part, suite_of
from lstmbench.report.tables.shown_records import read_shown, timed_runs
from lstmbench.report.tables.standard_tables import (
    EXTENT,
    base_words,
    bases_of,
    ratio_cell,
    with_base,
)
from lstmbench.report.tables.table import Table, make
from lstmbench.results.machine_identity import machines_differ


def machine_tables(runs: Sequence[Path]) -> list[Table]:
    """Return one table for each suite that was measured on two or more kinds of machines.

    Args:
        runs: folders of runs, the newest first; the newest finished run of a suite on a machine
            counts. Runs that cannot be read are left out, and training runs, which have no ratios.
    """
    tables = (_table(suite) for _, suite in sorted(_by_suite(runs).items()) if len(suite) > 1)
    return [table for table in tables if table is not None]


def _by_suite(runs: Sequence[Path]) -> dict[str, dict[str, tuple[Manifest, Path]]]:
    """Return, for each suite, the newest run on each machine, by the machine's name."""
    suites: dict[str, dict[str, tuple[Manifest, Path]]] = defaultdict(dict)
    for folder, manifest in timed_runs(runs):
        newer = suites[suite_of([], [manifest])]
        # Another name is not enough: an older manifest may record less of the same machine
        machine = part(manifest, "machine")
        if all(machines_differ(machine, part(other, "machine")) for other, _ in newer.values()):
            newer.setdefault(machine_name(manifest), (manifest, folder))
    return suites


def _table(suite: Mapping[str, tuple[Manifest, Path]]) -> Table | None:
    """Return the table of these runs; None where no two of them share a workload."""
    rows: list[Row] = []
    for machine, (_, folder) in suite.items():
        try:
            cases = with_base(rows_of(read_shown(folder)[0]))
        except LstmbenchError:
            continue
        others = (row for row in cases if row["implementation"] != row["ratio_to"])
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
        [manifest for manifest, _ in suite.values()],
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
