"""Made-up records of a run of the suite quick: the numbers are plausible, the troubles are all
there.
"""

import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.measure.run_manifest import STATISTICS
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.report.tables.table import Table
from lstmbench.results.schema import CASE_COLUMNS, SAMPLE_COLUMNS, frame
from lstmbench.results.store import Store

IMPLEMENTATIONS = (
    "numpy.reference", "numpy.fused", "torch.loop", "torch.fused", "torch.nn",
    "jax.scan", "jax.fused",
)  # fmt: skip
OVERHEAD_US = dict(zip(IMPLEMENTATIONS, (45, 14, 60, 21, 4, 3, 2.5), strict=True))  # per step
RATE = dict(
    zip(IMPLEMENTATIONS, (25e9, 120e9, 105e9, 140e9, 150e9, 85e9, 110e9), strict=True)
)  # FLOP/s
LIBRARY_MIB = {"numpy": 48, "torch": 215, "jax": 160}

MANIFEST: dict[str, Any] = {
    "run_id": "quick-20261120T101500Z-a1b2c3",
    "suite": {
        "name": "quick",
        "description": "All implementations over sequence lengths 16 to 1024.",
        "budget": {"processes": 3},
    },
    "seed": 7,
    "started": "2026-11-20T10:15:00Z",
    "finished": "2026-11-20T10:19:42Z",
    "complete": True,
    "command": "lstmbench run quick --out results/here",
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
    "machine": {
        "cpu": "Some(R) CPU @ 2.80GHz",
        "cores": 2,
        "memory_bytes": 8 * 2**30,
        "os": "Debian GNU/Linux 13",
        "kernel": "6.1",
        "arch": "x86_64",
        "cpu_flags": ["avx2", "avx512f"],
    },
    "python": "3.11.9",
    "packages": {"numpy": "2.4.6", "torch": "2.13.0", "jax": "0.10.2", "jaxlib": "0.10.2"},
    "statistics": STATISTICS,
    "environments": {},
}


def workloads() -> list[Workload]:
    grids = [("random", 64, 64), ("random", 256, 256), ("temperatures", 1, 64)]
    return [
        Workload(mode, 8, T, features, H, input=kind)
        for mode, (kind, features, H), T in itertools.product(
            ("inference", "training"), grids, (16, 64, 256, 1024)
        )
    ]


def row(
    name: str, workload: Workload, noise: np.random.Generator, base_s: float | None = None
) -> dict[str, Any]:
    """One case that went well."""
    T, H = workload.seq_len, workload.hidden_size
    steps = T * OVERHEAD_US.get(name, 10) * 1e-6 * (2.5 if workload.mode == "training" else 1)
    time = (steps + workload.flops / RATE.get(name, 100e9)) * math.exp(noise.normal(0, 0.02))
    spread = abs(noise.normal(0.02, 0.01)) + 0.003
    case = Case(name, workload).columns()
    allocated = int(
        workload.formula_bytes * {"numpy": 1.3, "torch": 1.9, "jax": 1.5}.get(case["backend"], 2.0)
    )
    training = workload.mode == "training"
    return case | {
        "peer": name == "torch.nn",
        "status": "ok",
        "time_median_s": time,
        "time_low_s": time * (1 - spread),
        "time_high_s": time * (1 + spread),
        "samples": 90,
        "processes": 3,
        "rounds": 30,
        "disturbed_rounds": 2,
        "noisy": False,
        "flags": "",
        "accounted_share": 0.998,
        "cores_busy": 1.0,
        "first_call_s": time * 2 + (0.2 if case["backend"] == "jax" else 0.001),
        "compile_s": time + (0.2 if case["backend"] == "jax" else 0.001),
        "ratio": time / base_s if base_s else None,
        "ratio_low": time / base_s * (1 - spread) if base_s else None,
        "ratio_high": time / base_s * (1 + spread) if base_s else None,
        "ratio_to": "torch.nn" if base_s else None,
        "converged": bool(spread < 0.035),
        "peak_host_bytes": LIBRARY_MIB.get(case["backend"], 80) * 2**20 + allocated,
        "allocated_bytes": allocated,
        "allocated_bytes_per_step": allocated / T,
        "formula_bytes": workload.formula_bytes,
        "formula_bytes_per_step": workload.formula_bytes_per_step,
        "output_rel_error": 2.1e-8
        * noise.lognormal(0, 0.15)
        * (1 if name == "numpy.reference" else 2 + (T * H) ** 0.15),
        "grad_rel_error": 4e-8
        * noise.lognormal(0, 0.15)
        * (1 if name == "numpy.reference" else 2 + (T * H) ** 0.2)
        if training
        else None,
        "flops": workload.flops,
        "roofline_fraction": workload.flops / 185e9 / time,
        "products_s": workload.flops / 150e9,
        "products_fraction": workload.flops / 150e9 / time,
        "workload": workload.id,
        "run_id": MANIFEST["run_id"],
        "environment_id": "e0",
        "suite": "quick",
    }


def on_gpu(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same cases on a GPU, forty times as fast, with the threads that such a run has; NumPy has
    none there.
    """
    changed = {
        "device": "cuda",
        "threads": 4,
        "roofline_fraction": None,
        "products_s": None,
        "products_fraction": None,
    }
    found = []
    for case in (case | changed for case in rows if case["backend"] != "numpy"):
        for name in ("time_median_s", "time_low_s", "time_high_s", "first_call_s", "compile_s"):
            case[name] /= 40
        found.append(case | {"peak_device_bytes": case["allocated_bytes"] + 2**29})
    return found


def samples_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two processes of three samples each, behind every case's time."""
    workload = {name for name in SAMPLE_COLUMNS if name in quick_rows()[0]}
    return [
        {name: case[name] for name in workload}
        | {
            "process": process,
            "round": k,
            "sample": 0,
            "calls": 1,
            "seconds": case["time_median_s"] * (0.98 + k / 50),
        }
        for case in rows
        for process in (0, 1)
        for k in range(3)
    ]


def unwell(case: dict[str, Any], status: str, error: str, **kept: float) -> dict[str, Any]:
    """The same case, gone wrong."""
    keep = {*CASE_COLUMNS, "backend", "variant", "peer", "workload", "run_id", "suite"}
    keep.add("environment_id")
    case = {name: value for name, value in case.items() if name in keep}
    return case | {"status": status, "error": error} | kept


def quick_rows() -> list[dict[str, Any]]:
    noise = np.random.default_rng(3)
    rows = []
    for workload in workloads():
        base_s = row("torch.nn", workload, noise)["time_median_s"]
        for name in IMPLEMENTATIONS:
            case = row(name, workload, noise, base_s)
            if name == "torch.nn":
                case |= {
                    "time_median_s": base_s,
                    "time_low_s": base_s * 0.98,
                    "time_high_s": base_s * 1.03,
                }
                case |= {"ratio": 1.0, "ratio_low": 1.0, "ratio_high": 1.0}
            rows.append(case)
    return rows


def trouble(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with every kind of trouble in some of them."""
    changed = []
    for case in rows:
        name, T, mode, wide = (
            case["implementation"],
            case["seq_len"],
            case["mode"],
            case["hidden_size"] == 256,
        )
        if name == "numpy.reference" and T == 1024 and mode == "training":
            case = unwell(case, "timeout", "The worker gave no answer within 60 s.")
        elif name == "jax.scan" and T == 1024 and wide:
            case = unwell(
                case, "out_of_memory", "RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes."
            )
        elif name == "jax.fused" and mode == "training" and case["input"] == "temperatures":
            case = unwell(
                case,
                "wrong_result",
                "grad_rel_error 0.31 is beyond 1e-05.",
                output_rel_error=4e-7,
                grad_rel_error=0.31,
            )
        elif name == "torch.loop" and T == 64 and mode == "inference" and wide:
            case = unwell(
                case, "failed", "RuntimeError: 100% of <cells> | lost & found\nTraceback ..."
            )
        changed.append(case)
    gpu = Workload("training", 8, 256, 64, 64, device="cuda")
    for name in IMPLEMENTATIONS:
        skipped = row(name, gpu, np.random.default_rng(1))
        changed.append(unwell(skipped, "skipped", "There is no device cuda here: torch sees none."))
    return changed


def fill(
    folder: Path,
    rows: list[dict[str, Any]],
    samples: list[dict[str, Any]] | None = None,
    **manifest: Any,
) -> Path:
    """Make a run's folder of these rows."""
    store = Store(folder)
    store.write_manifest(MANIFEST | manifest)
    store.append("all", rows, samples or [])
    store.finish()
    return folder


def fill_lessons(folder: Path, *tasks: str) -> Path:
    """Make the folder of a run in which two implementations learnt these tasks, each with two seeds
    of three epochs.
    """
    same = {
        key: quick_rows()[0][key] for key in ("backend", "variant", "device", "dtype", "threads")
    }
    same |= {"sizes": "", "metric": "error", "higher_is_better": False, "status": "ok"}
    lessons = [
        same
        | {
            "task": task,
            "cell": "lstm",
            "implementation": name,
            "seed": seed,
            "score": 0.2 + seed / 10,
        }
        for task in tasks
        for name in ("torch.fused", "jax.fused")
        for seed in range(2)
    ]
    baselines = [
        same | {"task": task, "cell": "baselines", "variant": "naive", "score": 0.5}
        for task in tasks
    ]
    epochs = [
        lesson | {"round": k, "updates": 10 * k, "score": 1 / k + lesson["seed"]}
        for lesson in lessons
        for k in (1, 2, 3)
    ]
    store = Store(folder)
    store.write_manifest(MANIFEST | {"suite": {"name": "learning"}})
    store.append("all", lessons + baselines, epochs)
    store.finish()
    return folder


def make(rows: list[dict[str, Any]], **manifest: Any) -> pd.DataFrame:
    records = frame(rows)
    records.attrs["manifest"] = MANIFEST | manifest
    return records


def flat(table: Table) -> pd.DataFrame:
    """Return what a table shows with the panels' headings, where there are several, and the labels
    as columns.

    Columns are named by quantity and head; by the head alone where there is one quantity.
    """
    frame = table.frame.copy()
    quantities, heads = frame.columns.get_level_values(0), frame.columns.get_level_values(1)
    if quantities.nunique() == 1 and all(heads):
        frame.columns = list(heads)
    else:
        frame.columns = [", ".join(filter(None, column)) for column in frame.columns]
    panels, labels = (
        [str(text) for text in frame.index.get_level_values(level)] for level in (0, 1)
    )
    frame.insert(0, frame.index.names[1], labels)
    if len(set(panels)) > 1:
        frame.insert(0, "workload", panels)
    return frame.reset_index(drop=True)


def longtable_columns(text: str) -> int:
    """Fail unless this is LaTeX of one longtable with whole rows, as far as its text tells; return
    its columns.
    """
    for environment in re.findall(r"\\begin\{(\w+)\}", text):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 1
    assert text.count(r"\begingroup") == text.count(r"\endgroup") == 1
    bare = re.sub(r"\\[{}%&#_$]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    _, begin, rest = text.partition(r"\begin{longtable}")
    inside, end, _ = rest.partition(r"\end{longtable}")
    assert begin and end
    assert "\n\n" not in inside  # a paragraph would begin in a cell
    parts = [
        r"\caption{",
        r"\label{tab:",
        r"\endfirsthead",
        r"\caption[]{",
        r"\endhead",
        r"\endfoot",
        r"\endlastfoot",
    ]
    places = [inside.index(part) for part in parts]
    assert places == sorted(places)
    spec = re.match(r"\{@\{\}(l)(r+)@\{\}\}\n", inside)
    assert spec is not None
    columns = len(spec[1] + spec[2])
    rows = [
        line
        for line in inside.splitlines()
        if re.search(r"\\\\\*?(\[-2pt\])?$", line) and r"\caption" not in line
    ]
    for row in rows:
        spanned = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", row))
        assert len(re.findall(r"(?<!\\)&", row)) + 1 + spanned == columns, row
        assert not re.match(r"\s*[\[*]", row), (
            row
        )  # would be an argument of the line break before it
    return columns
