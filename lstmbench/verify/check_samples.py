"""Check that the numbers of the records follow from the raw samples, by computing them again.

Counts, medians, percentiles, ratios, fractions of the machine's limits and their intervals follow
from the samples, since the bootstrap has a seed. First calls, memory, errors and the load of the
cores do not, since the worker measures them besides the samples.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.metrics import Evidence, memory, roofline, speed
from lstmbench.measure.run_training import epoch_times
from lstmbench.measure.suites.case import Workload
from lstmbench.report.labels import Row, plain_rows
from lstmbench.report.provenance import part
from lstmbench.results.schema import CASE_COLUMNS, PEAK_COLUMNS, TRAINING_KEYS
from lstmbench.verify.finding import Finding, case_name

TOLERANCE = 1e-9
"""Relative: another machine may add numbers in another order."""

_TRAINING_CASE = ("implementation", *TRAINING_KEYS, "dtype", "device", "threads")
"""The columns that identify a training run."""

_QUIET: Mapping[str, Any] = {"loop_s": 1.0, "cpu_s": 1.0, "switches": 0, "sentinel_s": 1.0}
"""A measurement that nothing disturbed."""

Rounds = list[list[list[Row]]]
"""Samples by process and round."""


def check_samples(
    rows: list[Row], samples: pd.DataFrame, manifest: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield cases whose numbers are not those of their samples, and samples without a record."""
    is_training = "task" in samples
    keys = _TRAINING_CASE if is_training else tuple(CASE_COLUMNS)
    unused: dict[tuple[Any, ...], list[Row]] = {}
    for sample in plain_rows(samples):
        unused.setdefault(tuple(map(sample.get, keys)), []).append(sample)
    groups = [unused.get(tuple(map(row.get, keys)), []) for row in rows]
    expected = _training_numbers(rows, groups) if is_training else _numbers(rows, groups, manifest)
    for number, (row, right) in enumerate(zip(rows, expected, strict=True), 1):
        unused.pop(tuple(map(row.get, keys)), None)
        place = f"row {number} ({case_name(row)})"
        if right is None:
            problem = f"has no rounds of the records' {place}, or not those of the reference."
            yield Finding("samples.parquet", problem)
        elif wrong := [name for name in right if not _agree(row.get(name), right[name])]:
            first, *others = wrong
            also = f"; {', '.join(others)} not either" if others else ""
            problem = f"does not follow from samples.parquet, which gives {right[first]!r}{also}"
            what = f"{place}, column {first}: {row.get(first)!r} {problem}."
            yield Finding("records.parquet", what)
    for key, group in unused.items():
        case = case_name(dict(zip(keys, key, strict=True)))
        what = f"{len(group)} samples are of a case that has no record ({case})."
        yield Finding("samples.parquet", what)


def _numbers(
    rows: list[Row], groups: list[list[Row]], manifest: Mapping[str, Any]
) -> Iterator[dict[str, Any] | None]:
    """Yield what the samples of each record give; None if they lack rounds."""
    suite = part(manifest, "suite")
    reference = suite.get("reference", "")
    precision = part(suite, "budget").get("precision", math.nan)
    names = [field.name for field in fields(Workload)]
    workloads = [Workload(**{name: row[name] for name in names}) for row in rows]
    rounds = [_rounds(group) for group in groups]
    measurements = [[[*map(_measurement, process)] for process in run] for run in rounds]
    cases = list(zip(rows, workloads, rounds, measurements, strict=True))
    of_reference = {
        workload: own for row, workload, _, own in cases if row["implementation"] == reference
    }
    for row, workload, samples, own in cases:
        if row["status"] != "ok":
            yield {"workload": workload.id}
            continue
        base = of_reference.get(workload, [])
        if not own or (base and [*map(len, base)] != [*map(len, own)]):
            yield None
            continue
        calls = [{"first_call_s": row["first_call_s"]}]
        evidence = Evidence(workload, reference, precision, calls, own, base)
        evidence.machine_peaks = _machine_peaks(samples)
        right = speed.compute(evidence) | memory.compute(evidence)
        right |= {"workload": workload.id, "flops": workload.flops}
        if evidence.machine_peaks:
            right |= roofline.compute(evidence)
        elif row["roofline_low"] is not None:
            right["roofline_low"] = None
        elif row["products_s"] is not None:  # earlier versions measured the limits only once
            seconds = float(np.median(np.concatenate(evidence.rounds)))
            right["products_fraction"] = row["products_s"] / seconds
        if math.isnan(precision):
            right.pop("converged", None)
        yield right


def _training_numbers(rows: list[Row], groups: list[list[Row]]) -> Iterator[dict[str, Any] | None]:
    """Yield what the epochs of each training run give; None if there are none."""
    for row, epochs in zip(rows, groups, strict=True):
        if row["status"] != "ok" or row.get("epochs") is None:  # baselines have no epochs
            yield {}
        elif epochs:
            counts = {"epochs": len(epochs), "updates": epochs[-1]["updates"]}
            yield epoch_times(epochs) | counts
        else:
            yield None


def _rounds(samples: list[Row]) -> Rounds:
    """Return the samples of each round, process by process."""
    processes: dict[int, dict[int, list[Row]]] = {}
    for sample in samples:
        processes.setdefault(sample["process"], {}).setdefault(sample["round"], []).append(sample)
    return [[*rounds.values()] for rounds in processes.values()]


def _measurement(samples: list[Row]) -> Measurement:
    """Return the measurement of one round, with a mark if it was disturbed."""
    first, seconds = samples[0], [sample["seconds"] for sample in samples]
    disturbance = "yes" if first["disturbed"] else ""
    return Measurement(seconds, **_QUIET, calls=first["calls"], throttled=disturbance)


def _machine_peaks(rounds: Rounds) -> list[list[dict[str, float]]]:
    """Return the machine's limits in each round; empty if the samples do not agree on them."""
    for samples in chain.from_iterable(rounds):
        peaks = {tuple(map(sample.get, PEAK_COLUMNS)) for sample in samples}
        if len(peaks) > 1 or None in peaks.pop():
            return []
    return [
        [{name: samples[0][name] for name in PEAK_COLUMNS} for samples in process]
        for process in rounds
    ]


def _agree(recorded: Any, right: Any) -> bool:
    if isinstance(right, float) and isinstance(recorded, float | int):
        return math.isclose(recorded, right, rel_tol=TOLERANCE)
    return bool(recorded == right)
