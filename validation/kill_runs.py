"""Kill a run at random moments, and check that it always continues correctly.

    python validation/kill_runs.py [KILLS, default 200] [--seed 0] [--workers]

A run of tiny cases is started, killed with SIGKILL after a random time, and started again until it
is complete; then in a new folder, until all kills are spent. After each kill: the results can be
read, no row is lost, changed or doubled, and two seconds later none of its processes lives. A
complete run has the rows of an undisturbed one. With --workers, one of the run's processes is
killed instead, and the run itself must finish: only the case of that process is marked. Exit code 1
if anything else was seen.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import yaml

from lstmbench.errors import LstmbenchError
from lstmbench.results.store import is_run, read_results, read_samples

GRID = {
    "seq_len": [2, 3, 4, 5],
    "batch_size": 2,
    "hidden_size": 3,
    "mode": ["inference", "training"],
}
SUITE = {
    "implementations": ["numpy.fused", "numpy.reference"],
    "reference": "numpy.fused",
    "grids": [GRID],
    "budget": {"processes": 2, "min_rounds": 2, "seconds_per_case": 0.01, "turn_s": 0.001},
}
SAME = ["workload", "implementation", "status", "error", "output_rel_error", "grad_rel_error"]
"""What is the same in every run with the same seed."""
GONE_WITHIN_S = 2.0
CHILD = """
import sys, lstmbench as lb
from unittest.mock import patch
from lstmbench.measure.process.worker_pool import WorkerPool
# The machine's peaks take a second to measure, and nothing here needs them
with patch.object(WorkerPool, "machine_worker", return_value=None):
    lb.run(sys.argv[1], sys.argv[2], progress=False, seed=1)
"""


class Runs:
    """Runs of one suite, all of whose processes are known by a mark in their environment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.suite, self.mark = (
            folder,
            folder / "tiny.yaml",
            f"{folder.name}-{os.getpid()}",
        )
        self.suite.write_text(yaml.safe_dump(SUITE), encoding="utf-8")

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        """Start a run, or go on with it."""
        environment = os.environ | {
            "LSTMBENCH_KILLED": self.mark,
            "LSTMBENCH_LOCK": str(self.folder / "lock"),
        }
        command = [sys.executable, "-c", CHILD, str(self.suite), str(out)]
        return subprocess.Popen(command, env=environment)

    def processes(self) -> Iterator[psutil.Process]:
        """Yield the processes of these runs that live."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and process.environ().get("LSTMBENCH_KILLED") == self.mark:
                    yield process

    def left(self) -> list[psutil.Process]:
        """Return the processes that live on, after the time in which they may end."""
        end = time.monotonic() + GONE_WITHIN_S
        while (found := list(self.processes())) and time.monotonic() < end:
            time.sleep(0.01)
        return found


def rows(out: Path) -> pd.DataFrame:
    """Return the records of a folder, none where nothing is there yet.

    Raises:
        LstmbenchError: if they cannot be read.
    """
    return read_results(out) if is_run(out) else pd.DataFrame(columns=SAME)


def faults(
    before: pd.DataFrame, after: pd.DataFrame, whole: pd.DataFrame | None = None
) -> list[str]:
    """Return what is wrong with the records after a kill, given those before it.

    Args:
        before, after: the records.
        whole: those of an undisturbed run, where this one is complete.
    """
    found = []
    keys = ["workload", "implementation"]
    if after.duplicated(keys).any():
        found.append("rows are there twice")
    kept = after.merge(before[keys], on=keys)[list(before.columns)]
    ordered = before.sort_values(keys).reset_index(drop=True)
    if len(before) and not kept.sort_values(keys).reset_index(drop=True).equals(ordered):
        found.append("rows have gone or changed")
    if whole is not None and not after[SAME].equals(whole[SAME]):
        found.append("the rows are not those of an undisturbed run")
    return found


def kill_runs(runs: Runs, kills: int, generator: random.Random) -> Iterator[str]:
    """Kill runs so many times; yield what was wrong."""
    start = time.monotonic()
    runs.start(runs.folder / "undisturbed").wait()
    lasts = time.monotonic() - start
    whole = rows(runs.folder / "undisturbed")
    number, killed, before = 0, 0, rows(runs.folder / "0")
    while killed < kills or len(before):
        out = runs.folder / str(number)
        process = runs.start(out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(generator.uniform(0, lasts) if killed < kills else None)
        complete = process.poll() is not None
        process.kill()
        process.wait()
        killed += not complete
        try:
            after = rows(out)
            wrong = faults(before, after, whole if complete else None)
            if is_run(out) and set(read_samples(out)["seq_len"]) != set(after.get("seq_len", ())):
                wrong.append("samples and records are of different workloads")
        except LstmbenchError as error:
            after, wrong = before, [str(error)]
        if complete and process.returncode != 0:
            wrong.append(f"the run ended with code {process.returncode}")
        wrong += [f"a process lives on: {each.cmdline()}" for each in runs.left()]
        yield from (f"run {number}, kill {killed}: {each}" for each in wrong)
        number, before = (number + 1, rows(runs.folder / "none")) if complete else (number, after)
        if complete and sorted(path.name for path in out.iterdir()) != sorted(
            os.listdir(runs.folder / "undisturbed")
        ):
            yield f"run {number - 1}: {sorted(os.listdir(out))} are left"


def kill_workers(runs: Runs, kills: int, generator: random.Random) -> Iterator[str]:
    """Kill so many processes of runs; yield what was wrong."""
    number = 0
    while kills > 0:
        out, number = runs.folder / f"workers-{number}", number + 1
        process = runs.start(out)
        while process.poll() is None:
            time.sleep(generator.uniform(0, 0.5))
            if own := [each for each in runs.processes() if each.pid != process.pid]:
                with contextlib.suppress(psutil.Error):
                    generator.choice(own).kill()
                    kills -= 1
        found = rows(out)
        if process.returncode != 0 or len(found) != 16:
            ending = f"code {process.returncode} and {len(found)} of 16 rows"
            yield f"run {number}: it ended with {ending}"
        elif not found.loc[found["status"] != "ok", "error"].str.len().gt(0).all():
            yield f"run {number}: a row that is not ok says nothing of why"
        yield from (f"run {number}: a process lives on: {each.cmdline()}" for each in runs.left())


def main() -> int:
    """Kill, look, and print what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kills", type=int, nargs="?", default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lstmbench-kill-") as temporary:
        kill = kill_workers if options.workers else kill_runs
        found = 0
        for fault in kill(Runs(Path(temporary)), options.kills, random.Random(options.seed)):
            print(fault, flush=True)
            found += 1
    what = "processes of runs" if options.workers else "runs"
    print(f"{options.kills} {what} killed: {found or 'no'} faults")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
