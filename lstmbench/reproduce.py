"""Measuring a published table again, here: with the suite that its run has kept, and a seed of its own."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.measure.runner import Run, run
from lstmbench.results.store import read_manifest
from lstmbench.show.comparing.reproduction import KINDS, Reproduction, find_table
from lstmbench.show.paging.index import newest_first
from lstmbench.show.provenance import table_id
from lstmbench.show.tabulating.extract import timed_runs


def find_run(table: str, results: str | Path) -> Path:
    """Return the folder of the newest finished run that has this table; ``results`` itself if it is a run.

    Raises:
        LstmbenchError: if there is none, or it is not a table whose rows have ratios.
    """
    root = Path(results)
    if (root / "manifest.json").is_file():
        find_table(table, root)
        return root
    known = dict(_tables(root))  # the newest run stands last, so that it is the one that is kept
    if table not in known:
        there = f"the tables are {', '.join(sorted(known))}" if known else "no folder in it holds a finished run"
        raise LstmbenchError(f"There is no table {table!r} to be measured again in {root}: {there}.")
    find_table(table, known[table])
    return known[table]


def _tables(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the tables that can be measured again, with their runs, the oldest first."""
    for folder, manifest in timed_runs(reversed(newest_first(root))):
        yield from ((table_id([], [manifest], kind), folder) for kind in KINDS)


def new_folder(base: Path) -> Path:
    """Return where a table's run is measured again if nothing else is said: beside it, under the time and its suite."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return base.resolve().parent / f"{now}-{_suite(base)['name']}-reproduction"


def measure_again(base: Path, out: Path, progress: bool = True) -> Run:
    """Measure the suite of a run into another folder, which keeps the suite as a file.

    Raises:
        LstmbenchError: if the run has not kept its suite, it is of lessons, it cannot be measured here, or the folder
            holds another run.
    """
    suite = _suite(base)
    path = out / f"{suite['name']}.yaml"
    text = yaml.safe_dump({key: suite[key] for key in suite if key != "name"}, sort_keys=False, allow_unicode=True)
    if (out / "manifest.json").is_file() and not path.is_file():
        raise LstmbenchError(f"{out} holds another run; choose another folder.")
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return run(path, out, progress=progress)


def write_report(found: Reproduction, folder: Path) -> Path:
    """Write ``reproduction.md`` and ``reproduction.csv`` into the run's folder; return the former's path."""
    path = folder / "reproduction.md"
    for each, text in ((path.with_suffix(".csv"), found.csv()), (path, found.markdown())):
        write_atomically(each, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))  # type: ignore[misc]
    return path


def _suite(folder: Path) -> dict[str, Any]:
    """Return the suite that a run has kept.

    Raises:
        LstmbenchError: if there is none, or it is one of lessons.
    """
    suite = read_manifest(folder).get("suite")
    if not isinstance(suite, dict) or not re.fullmatch(r"\w[\w.+-]*", str(suite.get("name"))):
        raise LstmbenchError(f"The manifest in {folder} holds no suite that could be measured again.")
    if "tasks" in suite:
        raise LstmbenchError(f"The suite {suite['name']!r} is of lessons: they have no ratios that could be compared.")
    return suite
