"""Compare the rows of a run with a plain loop: a clock and a new interpreter, no harness.

    python validation/hand_timed.py [results/RUN] [--rows N] [--processes 5] [--only NAME ...]

Without a folder, every implementation (or those named) is measured first: T = 100, B = 16, I = H =
256, with one thread and with all cores. The interpreter has the user's own environment; for fewer
threads than cores it is bound to that many cores. Implementation and reference alternate (A B, B A,
...). The ratio by hand is the median of the ratios of these pairs, with its own interval. For each
row: is the ratio by hand within the printed interval, do the two intervals overlap, and is the peak
of the process within 5 %? Exit code 0 if nine in ten intervals overlap and nine in ten peaks agree.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CALL_FOR_S = 0.5
AGREE = 0.9
ORACLE = "numpy.reference"  # which never gets fast
PEAK_WITHIN = 0.05


def by_hand(implementation: str, mode: str, sizes: list[int], dtype: str) -> dict[str, float]:
    """Return the median seconds of a call in this process, and the most bytes that it held during
    one more.
    """
    import numpy as np

    import lstmbench as lb

    T, B, I, H = sizes  # noqa: E741 - the letters of the equations
    lstm = lb.load(implementation, lb.LSTMParams.init(I, H), dtype=dtype)
    generator = np.random.default_rng()
    shapes = [(T, B, I), (B, H), (B, H), (T, B, H), (B, H), (B, H)][
        : 6 if mode == "training" else 3
    ]
    call = (
        lstm.implementation.forward_backward if mode == "training" else lstm.implementation.forward
    )
    seconds: list[float] = []
    with lstm.framework.scope():
        arguments = [
            lstm.framework.from_numpy(generator.standard_normal(shape)) for shape in shapes
        ]
        for _ in range(3):
            lstm.framework.synchronize(call(*arguments))
        Path("/proc/self/clear_refs").write_text("5")
        lstm.framework.synchronize(call(*arguments))
        (peak,) = (
            line
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
        while sum(seconds) < CALL_FOR_S or len(seconds) < 3:
            start = time.perf_counter()
            lstm.framework.synchronize(call(*arguments))
            seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds), "peak_bytes": 1024 * float(peak.split()[1])}


def in_new_process(implementation: str, row: Any) -> dict[str, float]:
    """Run ``by_hand`` in a new interpreter, on as many cores as the row has threads."""
    sizes = [int(row[name]) for name in ("seq_len", "batch_size", "input_size", "hidden_size")]
    case = json.dumps([implementation, row["mode"], sizes, row["dtype"]])
    cores = sorted(os.sched_getaffinity(0))[: int(row["threads"])]
    done = subprocess.run(
        [sys.executable, __file__, "--child", case],
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def measure_all(folder: Path, only: list[str]) -> Any:
    """Measure every implementation, or only some beside the reference, with one thread and with all
    cores.
    """
    import yaml

    import lstmbench as lb
    from lstmbench.measure.process.available_resources import available_cores

    grid = {"mode": ["inference", "training"], "seq_len": 100, "batch_size": 16, "hidden_size": 256}
    names = [
        row["name"]
        for _, row in lb.implementations().iterrows()
        if row["available"] and "cpu" in row["devices"]
    ]
    suite = {
        "implementations": [
            name for name in names if name in (*only, "torch.nn") or (not only and name != ORACLE)
        ],
        "reference": "torch.nn",
        "grids": [grid | {"threads": sorted({1, available_cores()})}],
        "budget": {"processes": 3, "seconds_per_case": 2.0},
    }
    path = folder / "every.yaml"
    path.write_text(yaml.safe_dump(suite), encoding="utf-8")
    return lb.run(path, folder / "run").records


def main() -> int:
    """Check some rows of a run, and print each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rows", type=int, default=10**6)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(by_hand(*json.loads(options.child))))
        return 0

    import numpy as np

    import lstmbench as lb
    from lstmbench.measure.statistics import process_interval

    with tempfile.TemporaryDirectory() as scratch:
        records = (
            lb.read_results(options.folder)
            if options.folder
            else measure_all(Path(scratch), options.only)
        )
    rows = records[(records["status"] == "ok") & (records["implementation"] != records["ratio_to"])]
    for _, row in records[records["status"] != "ok"].iterrows():
        print(
            f"{row['status']:8} {row['implementation']:16} {row['mode']:9} "
            f"{row['threads']} threads: {row['error']}"
        )
    chosen = rows.sample(min(options.rows, len(rows)), random_state=options.seed).sort_index()
    within = agreed = peaks = 0
    for _, row in chosen.iterrows():
        pair, ratios, peak_bytes = [row["implementation"], row["ratio_to"]], [], []
        for k in range(options.processes):
            found = {
                name: in_new_process(name, row) for name in (pair if k % 2 == 0 else pair[::-1])
            }
            ratios.append(found[pair[0]]["seconds"] / found[pair[1]]["seconds"])
            peak_bytes.append(found[pair[0]]["peak_bytes"])
        hand = process_interval([np.array([ratio]) for ratio in ratios])
        agrees = hand.low <= row["ratio_high"] and row["ratio_low"] <= hand.high
        inside = row["ratio_low"] <= hand.estimate <= row["ratio_high"]
        peak = row["peak_host_bytes"] / statistics.median(peak_bytes)
        agreed, within, peaks = (
            agreed + agrees,
            within + inside,
            peaks + (abs(peak - 1) <= PEAK_WITHIN),
        )
        verdict = "within  " if inside else "overlaps" if agrees else "DIFFERS "
        print(
            f"{verdict} {pair[0]:16} {row['mode']:9} T={row['seq_len']:<5} "
            f"H={row['hidden_size']:<4} {row['threads']} threads, "
            f"by hand {hand.estimate:6.3f} [{hand.low:.3f}, {hand.high:.3f}], "
            f"table {row['ratio']:6.3f} [{row['ratio_low']:.3f}, {row['ratio_high']:.3f}]; "
            f"peak {row['peak_host_bytes'] / 2**20:.0f} MiB, "
            f"{peak:.2f} of that by hand",
            flush=True,
        )
    print(
        f"of {len(chosen)} rows, {within} are within the table's interval; "
        f"for {agreed} the two intervals overlap"
    )
    print(f"{peaks} peaks are within {PEAK_WITHIN:.0%} of those by hand")
    return 0 if min(agreed, peaks) >= AGREE * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
