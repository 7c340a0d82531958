"""A small run with samples: its times are drawn, its records made of them by what makes those of
any run.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from made_up import MANIFEST

from lstmbench import report
from lstmbench.measure import controls, metrics
from lstmbench.measure.case_run import CaseRun
from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.statistics import Interval
from lstmbench.measure.suites.case import Workload
from lstmbench.results.checksums import add_checksum
from lstmbench.results.store import Store

NAMES = ("numpy.fused", "torch.nn", "jax.scan")
WORKLOADS = tuple(Workload("training", 2, T, 8, 8) for T in (16, 32))
PEAKS = {"machine_flops_per_s": 1e11, "machine_bytes_per_s": 1e10, "products_s": 1e-5}


def case_run(name: str, workload: Workload, noise: np.random.Generator) -> CaseRun:
    """One case that went well."""
    made = CaseRun(workload, "torch.nn", 0.02, implementation=name, environment_id="e0")
    made.machine_peaks = [[PEAKS] * 7] * 3
    made.memory = {
        "allocated_bytes": 4096,
        "allocated_bytes_per_step": 64.0,
        "peak_host_bytes": 2**27,
    }
    made.first_calls = [
        {"first_call_s": 0.01, "output_rel_error": 2e-7, "grad_rel_error": 3e-7}
    ] * 3
    made.cores_busy = [1.0] * 3
    made.measurements = [[_turn(workload.seq_len, noise) for _ in range(7)] for _ in range(3)]
    return made


def _turn(steps: int, noise: np.random.Generator) -> Measurement:
    seconds = [float(steps * 1e-5 * np.exp(noise.normal(0, 0.05))) for _ in range(3)]
    return Measurement(seconds, sum(seconds), sum(seconds), int(noise.integers(0, 2) * 9))


def make_run(folder: Path, **manifest: Any) -> Path:
    """Make a complete run's folder, with all that is rendered, a notebook, and the sums."""
    noise = np.random.default_rng(0)
    store = Store(folder)
    for number, workload in enumerate(WORKLOADS):
        case_runs = [case_run(name, workload, noise) for name in NAMES]
        measured = case_runs[number:]
        metrics.share_evidence(measured, case_runs[1])
        records = [
            one.record() | {"suite": "quick", "run_id": MANIFEST["run_id"]} for one in case_runs
        ]
        if number:
            records[0] |= dict.fromkeys(
                [name for name in records[0] if name.startswith(("time", "ratio"))]
            )
            records[0] |= {"status": "failed", "error": "gone", "samples": None}
        store.append(f"{number}", records, [sample for one in measured for sample in one.samples()])
    store.finish()
    rows = [
        controls.row(kind, WORKLOADS[0].id, 1.0, Interval(1.01, 0.99, 1.03, 2.0), 3)
        for kind in controls.CONTROLS
    ]
    suite = MANIFEST["suite"] | {
        "reference": "torch.nn",
        "budget": {"processes": 3, "precision": 0.02},
    }
    store.seal(
        MANIFEST
        | {"suite": suite, "environments": {"e0": {}}, "controls": controls.summary(rows)}
        | manifest
    )
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "03_speed.ipynb").write_text(
        '{"cells": [], "metadata": {"answer": 42}}\n'
    )
    add_checksum(folder / "notebooks" / "03_speed.ipynb")
    report.write(folder)
    return folder


def copy(run: Path, into: Path) -> Path:
    """Return a copy that may be changed."""
    return Path(shutil.copytree(run, into))
