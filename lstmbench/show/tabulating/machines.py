"""Ratios of several machines side by side. Times do not carry over from one to another: they have no place here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.results import machine_kind
from lstmbench.show import provenance
from lstmbench.show.labels import WORKLOAD, Row, key_of, ordered, rows_of
from lstmbench.show.tabulating.extract import read_shown, timed_runs
from lstmbench.show.tabulating.layout import Layout
from lstmbench.show.tabulating.table import Table, make
from lstmbench.show.tabulating.tables import caption_of, ratio_cell, with_base

_COLUMNS = (
    "machine", "run_id", "ratio", "ratio_low", "ratio_high", "ratio_to", "samples", "processes", "rounds",
    "disturbed_rounds", "converged", "noisy", "flags",
)  # fmt: skip


def machine_tables(runs: Sequence[Path]) -> list[Table]:
    """Return one table for each suite that was measured on two or more kinds of machines.

    Args:
        runs: folders of runs, the newest first; the newest finished run of a suite on a machine counts. Runs that
            cannot be read are left out, and those of lessons, which have no ratios.
    """
    return [table for suite in _by_suite(runs).values() if (table := _table(suite)) is not None]


def _by_suite(runs: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Return, for each suite in the order of the alphabet, the newest run on each machine, by the machine's name."""
    found: dict[str, dict[str, tuple[Path, provenance.Manifest]]] = {}
    for folder, manifest in timed_runs(runs):
        suite = found.setdefault(provenance.suite_of([], [manifest]), {})
        # Another name is not enough: an older manifest may record less of the same machine
        here = provenance.part(manifest, "machine")
        if all(machine_kind.differ(here, provenance.part(newer, "machine")) for _, newer in suite.values()):
            suite.setdefault(provenance.machine_name(manifest), (folder, manifest))
    several = {name: found[name] for name in sorted(found) if len(found[name]) > 1}
    return {name: {machine: run[0] for machine, run in several[name].items()} for name in several}


def _table(machines: Mapping[str, Path]) -> Table | None:
    """Return the table of these runs; None where no two of them share a workload."""
    rows: list[Row] = []
    manifests = []
    for machine, folder in machines.items():
        try:
            records, _ = read_shown(folder)
            here = with_base(rows_of(records))
        except LstmbenchError:
            continue
        manifests.append(records.attrs["manifest"])
        rows += [row | {"machine": machine} for row in here if row["implementation"] != row["ratio_to"]]
    there: dict[tuple[Any, ...], set[str]] = {}
    for row in rows:
        if row["status"] != "skipped":  # else it was not measured there
            there.setdefault(key_of(row, WORKLOAD), set()).add(row["machine"])
    shared = [row for row in rows if len(there.get(key_of(row, WORKLOAD), ())) > 1]
    if not shared:
        return None
    bases = ordered("implementation", (row["ratio_to"] for row in shared if row["ratio_to"] is not None))
    against = f"that of {bases[0]}" if len(bases) == 1 else "that of the base"

    def caption(layout: Layout) -> str:
        what = f"Time of one call relative to {against}, machine by machine: median of the ratios within rounds"
        return f"{caption_of(f'{what} [95 % interval]', layout)} Columns: machines. Below 1 is faster."

    return make(
        shared,
        manifests,
        "machines-ratio",
        caption,
        {"ratio": ratio_cell},
        _COLUMNS,
        ["Of each suite, the newest run on a machine counts, and workloads that two or more machines have measured."],
        extra_keys=["ratio_to"] if len(bases) > 1 else [],
        along="machine",
    )
