"""Measure how often a comparison on this machine is wrong, with the harness's own controls.

    python validation/trust.py controls     60 comparisons of an implementation with itself, and
                                            with itself made 5 % slower; about 15 minutes
    python validation/trust.py neighbour    20 of them, while another process uses a core in bursts
    python validation/trust.py overhead     what the harness costs: a run, a sample, a worker

Three workloads are measured in turn, each with the implementation of another framework. Every run
is one comparison with the default budget, 3 s a case. A comparison is flagged as by ``lstmbench run
--ab``: the estimate beyond 2 %, and the interval without 1. Keep the machine idle. Exit code 0 if
every goal is reached.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from processes import BUSY_IN_BURSTS, busy_neighbours

import lstmbench as lb
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.case import Workload
from lstmbench.report.comparison.ab import THRESHOLD

GRIDS: dict[str, dict[str, Any]] = {
    "numpy.fused": {"mode": "inference", "seq_len": 32, "batch_size": 4, "hidden_size": 64},
    "torch.nn": {"mode": "training", "seq_len": 32, "batch_size": 1, "hidden_size": 32},
    "jax.scan": {"mode": "training", "seq_len": 32, "batch_size": 4, "hidden_size": 32},
}
"""Calls of well under a millisecond: twenty fit into a turn, and repeating one of them is 5 % by
count.
"""
BUDGET = {"processes": 8, "min_rounds": 5, "seconds_per_case": 3.0, "turn_s": 0.02}


def run(names: list[str], folder: Path, **budget: Any) -> lb.Run:
    """Measure implementations at the workload of the first one, as a run like any other."""
    suite = {
        "implementations": names,
        "reference": names[0],
        "grids": [GRIDS[names[0]]],
        "budget": BUDGET | budget,
    }
    path = folder / "trust.yaml"
    path.write_text(yaml.safe_dump(suite), encoding="utf-8")
    return lb.run(path, Path(tempfile.mkdtemp(dir=folder)), progress=False)


def compare(comparisons: int, folder: Path) -> tuple[dict[str, list[dict[str, Any]]], int, int]:
    """Return what the controls of so many runs showed, and how many rounds were disturbed, of how
    many.
    """
    shown: dict[str, list[dict[str, Any]]] = {"same": [], "slower": []}
    disturbed = rounds = 0
    for k in range(comparisons):
        name = list(GRIDS)[k % len(GRIDS)]
        start = time.perf_counter()
        done = run([name], folder)
        both = {row["control"]: row for row in done.manifest["controls"]["rows"]}
        if set(both) != set(shown):
            sys.exit(f"{name} could not be measured: {done.records['error'].dropna().tolist()}")
        for control, row in both.items():
            shown[control].append(row)
        disturbed += int(done.records["disturbed_rounds"].sum())
        rounds += int(done.records["rounds"].sum())
        same, slower = shown["same"][-1], shown["slower"][-1]
        print(
            f"{k + 1:3} {name:12} same {_text(same)}   "
            f"slower {_text(slower)} of {slower['truth']:.3f}   "
            f"{int(done.records['rounds'].sum())} rounds in {slower['processes']} processes, "
            f"{int(done.records['disturbed_rounds'].sum())} disturbed, "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )
    return shown, disturbed, rounds


def controls(comparisons: int, folder: Path) -> bool:
    """Measure the negative and the positive control."""
    shown, disturbed, rounds = compare(comparisons, folder)
    same, slower = shown["same"], shown["slower"]
    near = _share(abs(row["ratio"] - 1) <= 0.015 for row in same)
    print(
        f"{disturbed} of {rounds} rounds disturbed; "
        f"95 % of the ratios deviate by at most {_deviation(same):.2%}"
    )
    return all(
        [
            _reached("itself, within 1 +- 0.015", near, at_least=0.95),
            _reached("itself, flagged as different", _share(map(_different, same)), at_most=0.02),
            _reached("5 % slower, flagged as slower", _share(map(_slower, slower)), at_least=0.95),
            _reached(
                "5 % slower, interval holds the truth",
                _share(map(_contains_truth, slower)),
                at_least=0.90,
            ),
        ]
    )


def neighbour(comparisons: int, folder: Path) -> bool:
    """Measure the negative control beside a process that is busy in bursts of 0.2 to 0.6 s."""
    with busy_neighbours(1, BUSY_IN_BURSTS):
        shown, disturbed, rounds = compare(comparisons, folder)
    return all(
        [
            _reached(
                "itself, beside a busy process, flagged as slower",
                _share(map(_slower, shown["same"])),
                at_most=0.0,
            ),
            _reached("rounds reported as disturbed", disturbed / rounds, at_least=1 / rounds),
        ]
    )


def overhead(comparisons: int, folder: Path) -> bool:
    """Measure what the harness costs: in a run, in a sample, for a worker."""
    names, walls = list(GRIDS), {}
    for budget, options in {
        "full": {},
        "least": {"seconds_per_case": 1e-3, "min_rounds": 1},
    }.items():
        start = time.perf_counter()
        run(
            names, folder, precision=1e-6, **options
        )  # never precise enough: the budget is spent to its end
        walls[budget] = time.perf_counter() - start
    cases = len(names) + 2  # and two controls
    budgets = BUDGET["seconds_per_case"] * cases
    print(
        f"{budgets:.0f} s for {cases} cases took {walls['full']:.1f} s; "
        f"with no budget it takes {walls['least']:.1f}"
    )
    workload = Workload("inference", batch_size=1, seq_len=1, input_size=1, hidden_size=1)
    with tempfile.TemporaryDirectory(dir=folder) as scratch, WorkerPool(Path(scratch)) as pool:
        starts = []
        for name in [name for name in names for _ in range(10)]:
            pool.worker(name, workload).kill()  # what it is forked from is there
            start = time.perf_counter()
            worker = pool.worker(name, workload)
            worker.request("describe", 60, names=[])
            starts.append(time.perf_counter() - start)
            worker.kill()
    return all(
        [
            _reached(
                "a run, over its budgets and start-up",
                walls["full"] / (budgets + walls["least"]),
                at_most=1.3,
            ),
            _reached(
                "what the harness adds to a sample, in microseconds",
                _empty_sample_us(),
                at_most=1.0,
            ),
            _reached("starting a worker, the slowest of 30, in seconds", max(starts), at_most=0.5),
        ]
    )


def _empty_sample_us() -> float:
    """Return the median microseconds of a sample of a call that does nothing."""
    prepared = PreparedCase.__new__(PreparedCase)
    framework = type("ArrayBackend", (), {"synchronize": staticmethod(lambda outputs: None)})
    prepared.lstm = type("LSTM", (), {"framework": framework})()
    prepared.method, prepared.inputs = (lambda *inputs: None), [(1, 2, 3), (4, 5, 6)]
    prepared.next_set, prepared.repeat, prepared.calls = 0, 0.0, 1
    return float(np.median(prepared.samples(0.2))) * 1e6


def _text(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.4f} [{row['ratio_low']:.4f}, {row['ratio_high']:.4f}]"


def _slower(row: dict[str, Any]) -> bool:
    return row["ratio"] > 1 + THRESHOLD and row["ratio_low"] > 1


def _different(row: dict[str, Any]) -> bool:
    return _slower(row) or (row["ratio"] < 1 / (1 + THRESHOLD) and row["ratio_high"] < 1)


def _contains_truth(row: dict[str, Any]) -> bool:
    return row["ratio_low"] <= row["truth"] <= row["ratio_high"]


def _deviation(rows: list[dict[str, Any]]) -> float:
    return float(np.percentile([abs(row["ratio"] - 1) for row in rows], 95))


def _share(flags: Any) -> float:
    return float(np.mean(list(flags)))


def _reached(what: str, found: float, at_least: float = -np.inf, at_most: float = np.inf) -> bool:
    reached = at_least <= found <= at_most
    wanted = f"at least {at_least:.4g}" if np.isfinite(at_least) else f"at most {at_most:.4g}"
    print(f"{'reached' if reached else 'MISSED '}  {what}: {found:.4g} ({wanted})", flush=True)
    return reached


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["controls", "neighbour", "overhead"])
    parser.add_argument(
        "--comparisons", type=int, help="60 for controls, 20 for neighbour if not given"
    )
    options = parser.parse_args()
    measure = {"controls": controls, "neighbour": neighbour, "overhead": overhead}[options.what]
    comparisons = (
        options.comparisons or {"controls": 60, "neighbour": 20, "overhead": 1}[options.what]
    )
    with tempfile.TemporaryDirectory(prefix="lstmbench-trust-") as folder:
        return 0 if measure(comparisons, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
