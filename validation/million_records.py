"""Measure how long ``table`` and ``compare`` take on folders of a million records.

    python validation/million_records.py [--rows 1000000] [--repeat 3]

The records are synthetic, in a temporary folder. Each verb runs in a process of its own. Its wall
time is the minimum of the repetitions (other programs only add to it), its memory the maximum.
Exit code 1 if a verb takes 3 s or more, or 1 GiB or more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from processes import run_measured

MAX_SECONDS = 3.0
MAX_BYTES = 2**30
IMPLEMENTATIONS = ("numpy.fused", "torch.loop", "torch.fused", "torch.nn", "jax.scan")
REFERENCE = "torch.nn"


def make_run(folder: Path, rows: int, seed: int) -> None:
    """Write a complete run of so many rows: times and ratios with noise of 1 %, and a few cases
    that failed.
    """
    from lstmbench.results.schema import COLUMNS

    noise = np.random.default_rng(seed)
    count = len(IMPLEMENTATIONS)
    case = np.arange(rows)
    name = pd.Series(pd.Categorical.from_codes(case % count, IMPLEMENTATIONS)).astype("string")
    workload = case // count
    truth = 1e-4 * (1 + case % count) * (1 + workload % 1000)
    time_s = truth * np.exp(noise.normal(0, 0.01, rows))
    ratio = np.where(
        name == REFERENCE, 1.0, (1 + case % count) / 4 * np.exp(noise.normal(0, 0.01, rows))
    )
    half = np.where(name == REFERENCE, 1.0, np.exp(0.02 * np.sqrt(noise.chisquare(4, rows) / 4)))
    wide = np.exp(0.03 * np.sqrt(noise.chisquare(4, rows) / 4))
    ok = case % 1000 != 7  # the same cases in both runs
    columns: dict[str, Any] = {
        "implementation": name,
        "backend": name.str.split(".").str[0],
        "variant": name.str.split(".").str[1],
        "peer": name == REFERENCE,
        "device": "cpu",
        "dtype": np.where(workload % 2, "float32", "float64"),
        "mode": np.where(workload // 2 % 2, "inference", "training"),
        "batch_size": 8,
        "seq_len": 1 + workload // 4 % 1000,
        "input_size": 64,
        "hidden_size": 1 + workload // 4000,
        "num_layers": 1,
        "threads": 1,
        "input": "random",
        "status": np.where(ok, "ok", "failed"),
        "error": np.where(ok, None, "RuntimeError: made up"),
        "time_median_s": time_s,
        "time_low_s": time_s / wide,
        "time_high_s": time_s * wide,
        "samples": 90,
        "processes": 5,
        "rounds": 30,
        "first_call_s": time_s * 2,
        "compile_s": time_s,
        "ratio": ratio,
        "ratio_low": ratio / half,
        "ratio_high": ratio * half,
        "ratio_to": REFERENCE,
        "converged": True,
        "peak_host_bytes": 200 * 2**20,
        "allocated_bytes": 4096,
        "formula_bytes": 2048,
        "output_rel_error": 1e-8,
        "grad_rel_error": 1e-8,
        "flops": 1e6,
        "roofline_fraction": 0.1,
        "suite": "million",
        "workload": workload.astype(str),
        "run_id": f"million-{seed}",
        "environment_id": "e0",
    }
    records = pd.DataFrame(columns).reindex(columns=list(COLUMNS)).astype(COLUMNS)
    measured = [column for column, kind in COLUMNS.items() if kind == "Float64"]
    records.loc[~ok, measured] = pd.NA
    folder.mkdir(parents=True)
    records.to_parquet(folder / "records.parquet", index=False)
    manifest = {
        "run_id": f"million-{seed}",
        "suite": {"name": "million", "budget": {"processes": 5}},
        "started": f"2026-11-2{seed}T10:00:00Z",
        "finished": f"2026-11-2{seed}T11:00:00Z",
        "complete": True,
        "command": "lstmbench run million.yaml --out results/million",
        "seed": seed,
        "git": {"commit": str(seed) * 40, "dirty": False},
        "machine": {"cpu": "made up", "cores": 2},
        "python": "3.11.9",
        "packages": {"numpy": "2.4.6"},
        "environments": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def main() -> int:
    """Make two runs, measure both verbs, and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_run(Path(options.make[0]), options.rows, int(options.make[1]))
        return 0

    beyond = False
    with tempfile.TemporaryDirectory(prefix="lstmbench-million-") as temporary:
        runs = [Path(temporary) / name for name in ("base", "new")]
        for seed, run in enumerate(runs, 1):
            # In a process of its own: the peak of a child begins with the memory of its parent
            make = ["--rows", str(options.rows), "--make", str(run), str(seed)]
            subprocess.run([sys.executable, __file__, *make], check=True)
        verbs = {"compare": ["compare", *map(str, runs)], "table": ["table", str(runs[0])]}
        for verb, arguments in verbs.items():
            usages = [run_measured("-m", "lstmbench", *arguments) for _ in range(options.repeat)]
            seconds = min(usage.seconds for usage in usages)
            peak = max(usage.peak_bytes for usage in usages)
            bad = seconds >= MAX_SECONDS or peak >= MAX_BYTES
            beyond |= bad
            print(
                f"{verb:8} {seconds:6.2f} s {peak / 2**20:7.0f} MiB, "
                f"exit code {usages[0].exit_code}{' BEYOND' * bad}"
            )
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
