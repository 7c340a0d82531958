"""Measure what a sweep of ten thousand small cases costs besides the measuring itself.

    python validation/sweep.py [--measured 300] [--cases 10000] [--samples 30]

First, some small cases are really measured: the time for each, and how the memory of the run's own
process grows. Then a run of ten thousand cases is written from their rows. One whose last workload
is missing is completed, and a finished one is continued, each in a process of its own. Exit code 1
if memory grows by more than a tenth after the first fifth of the cases, or if continuing a finished
run takes 2 s or more.
"""

import argparse
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml
from processes import run_measured

from lstmbench.measure.suites.case import Case
from lstmbench.measure.suites.suite_file import read_suite
from lstmbench.measure.suites.timing_suite import TimingSuite
from lstmbench.results.store import Store, read_manifest, read_results, read_samples

NAMES = ["numpy.fused", "numpy.reference"]
MAX_GROWTH = 1.1
MAX_SECONDS = 2.0
MEASURE = """
import sys, lstmbench as lb
from unittest.mock import patch
from lstmbench.measure.process.worker_pool import WorkerPool
# The machine's peaks take a second to measure, and nothing here needs them
with patch.object(WorkerPool, "machine_worker", return_value=None):
    lb.run(sys.argv[1], sys.argv[2], progress=False, seed=1)
"""


def write_suite(path: Path, cases: int) -> TimingSuite:
    """Write a suite of so many cases, all of them tiny."""
    grid = {
        "seq_len": list(range(1, cases // len(NAMES) + 1)),
        "batch_size": 1,
        "hidden_size": 2,
        "mode": "inference",
    }
    budget = {"processes": 1, "min_rounds": 3, "seconds_per_case": 0.001, "turn_s": 0.001}
    suite = {"implementations": NAMES, "reference": NAMES[0], "grids": [grid], "budget": budget}
    path.write_text(yaml.safe_dump(suite), encoding="utf-8")
    found = read_suite(path)
    assert isinstance(found, TimingSuite)
    return found


def measure(suite: Path, out: Path, cases: int) -> bool:
    """Measure so many cases; print what each took and how memory grew, and return whether it grew
    too much.
    """
    write_suite(suite, cases)
    start = time.perf_counter()
    run = psutil.Popen([sys.executable, "-c", MEASURE, str(suite), str(out)])
    resident: dict[int, int] = {}  # by the workloads that are done
    while run.poll() is None:
        with suppress(psutil.Error):
            resident[sum(1 for _ in out.glob("parts/*.records.parquet"))] = run.memory_info().rss
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    at = sorted(done for done in resident if done)
    at = [done for done in at if done < cases // len(NAMES)]  # then the run puts all together
    early, late = resident[at[len(at) // 5]], resident[at[-1]]
    print(
        f"{cases} cases measured: {seconds / cases * 1e3:.0f} ms each, start and end included, "
        f"exit {run.returncode}"
    )
    print(
        f"memory after {at[len(at) // 5]} workloads {early / 2**20:.1f} MiB, "
        f"after {at[-1]} {late / 2**20:.1f} MiB"
    )
    return late > MAX_GROWTH * early or run.returncode != 0


def make_up(suite: TimingSuite, like: Path, out: Path, samples: int) -> None:
    """Write a run that has measured all of a suite, in parts and not yet put together."""
    store, manifest = Store(out), read_manifest(like)
    store.write_manifest(
        manifest | {"suite": suite.model_dump(mode="json"), "complete": False, "finished": None}
    )
    record, sample = read_results(like).iloc[0].to_dict(), read_samples(like).iloc[0].to_dict()
    for number, workload in enumerate(suite.workloads()):
        cases = [Case(name, workload).columns() for name in suite.names()]
        rows: list[dict[str, Any]] = [record | case | {"workload": workload.id} for case in cases]
        taken = [sample | case | {"sample": k} for case in cases for k in range(samples)]
        shown = [row | {"workload": workload.id} for row in manifest["controls"]["rows"][:2]]
        store.append(f"{number:05d}", rows, taken, {"controls": shown, "environments": {}})


def timed(what: str, *arguments: str) -> float:
    """Run a command to its end; print and return the seconds that it took."""
    usage = run_measured(*arguments)
    print(
        f"{what}: {usage.seconds:.2f} s, {usage.peak_bytes / 2**20:.0f} MiB, "
        f"exit {usage.exit_code}",
        flush=True,
    )
    return usage.seconds


def main() -> int:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=int, default=300)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=30, help="of each case that is made up")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lstmbench-sweep-") as temporary:
        folder = Path(temporary)
        grows = measure(folder / "small.yaml", folder / "small", options.measured)
        suite = write_suite(folder / "sweep.yaml", options.cases)
        start = time.perf_counter()
        make_up(suite, folder / "small", folder / "run", options.samples)
        print(
            "kept workload by workload: "
            f"{(time.perf_counter() - start) / options.cases * 1e3:.2f} ms a case"
        )
        run = [
            "-m",
            "lstmbench",
            "run",
            str(folder / "sweep.yaml"),
            "--no-progress",
            "--out",
            str(folder / "run"),
        ]
        timed("measured, not put together: its end, with tables, figures and page", *run)
        timed("finished: the same command again, which renders again", *run)
        resumed = timed(
            "finished: --resume", "-m", "lstmbench", "run", "--resume", str(folder / "run")
        )
    return int(grows or resumed >= MAX_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
