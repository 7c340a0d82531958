"""Measure a published table again: with the suite that its run recorded, and a new seed."""

import re
from pathlib import Path

import yaml

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.measure.run_manifest import now, timestamp
from lstmbench.measure.runner import Run, run
from lstmbench.report.comparison.reproduction import RATIO_TABLES, Reproduction, find_table
from lstmbench.report.provenance import table_id
from lstmbench.report.tables.shown_records import timed_runs
from lstmbench.results.runs import newest_first
from lstmbench.results.store import is_run, read_manifest


def find_run(table: str, results: str | Path) -> Path:
    """Return the newest finished run that has this table, or ``results`` itself if it is a run.

    Raises:
        LstmbenchError: if no run has the table, or its rows have no ratios.
    """
    root = Path(results)
    if is_run(root):
        find_table(table, root)
        return root
    runs = {
        table_id([], [manifest], kind): folder
        for folder, manifest in timed_runs(reversed(newest_first(root)))  # the newest wins
        for kind in RATIO_TABLES
    }
    if table not in runs:
        known = f"the tables are {', '.join(sorted(runs))}"
        reason = known if runs else "no folder in it holds a finished run"
        problem = f"There is no table {table!r} to be measured again in {root}"
        raise LstmbenchError(f"{problem}: {reason}.")
    find_table(table, runs[table])
    return runs[table]


def measure_again(base: Path, out: Path | None = None, progress: bool = True) -> Run:
    """Measure the suite of a run into another folder, which also gets the suite as a file.

    Args:
        base: the folder of the run.
        out: the other folder; None for one beside the run, named by time and suite.
        progress: whether to show a progress bar.

    Raises:
        LstmbenchError: if the run did not record its suite, it is a training run, the suite cannot
            be measured here, or the folder holds another run.
    """
    suite = read_manifest(base).get("suite")
    if not isinstance(suite, dict) or not re.fullmatch(r"\w[\w.+-]*", str(suite.get("name"))):
        raise LstmbenchError(f"The manifest in {base} records no suite to measure again.")
    name = suite.pop("name")
    if "tasks" in suite:
        problem = f"The suite {name!r} is a training suite"
        raise LstmbenchError(f"{problem}; its runs have no ratios to compare.")
    if out is None:
        out = base.resolve().parent / f"{timestamp(now())}-{name}-reproduction"
    path = out / f"{name}.yaml"
    if is_run(out) and not path.is_file():
        raise LstmbenchError(f"{out} holds another run; choose another folder.")
    write_atomically(path, yaml.safe_dump(suite, sort_keys=False, allow_unicode=True))
    return run(path, out, progress=progress)


def write_report(reproduction: Reproduction, folder: Path) -> Path:
    """Write ``reproduction.md`` and ``reproduction.csv`` into a run's folder; return the first."""
    report = folder / "reproduction.md"
    write_atomically(report.with_suffix(".csv"), reproduction.csv())
    write_atomically(report, reproduction.markdown())
    return report
