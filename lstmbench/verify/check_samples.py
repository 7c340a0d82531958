"""Check that the numbers of the records follow from the raw samples, by computing them again.

Counts, times, percentiles, ratios, fractions of the machine's limits and their intervals follow
from the samples. First calls, memory, errors and the load of the cores do not, since the worker
measures them besides the samples. Runs of earlier versions had other estimates and intervals, which
are not computed again: checksums, and the tables, must do for them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import chain
from typing import Any

import pandas as pd

from lstmbench.measure import metrics
from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.metrics import Evidence, memory, roofline, speed
from lstmbench.measure.run_manifest import STATISTICS
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

UNCHANGED = {
    "time_p05_s", "time_p95_s", "samples", "processes", "rounds", "disturbed_rounds",
    *PEAK_COLUMNS,
}  # fmt: skip
"""The numbers that follow from the samples in the same way in runs of earlier versions."""

_QUIET: Mapping[str, Any] = {"loop_s": 1.0, "cpu_s": 1.0, "switches": 0}
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
) -> Iterator[Row | None]:
    """Yield what the samples of each record give; None if they lack rounds.

    Intervals depend on all cases of a workload: if one lacks rounds, the others are not checked.
    """
    suite = part(manifest, "suite")
    cases = [_evidence(row, group, suite) for row, group in zip(rows, groups, strict=True)]
    workloads: dict[Workload, dict[str, Evidence]] = {}
    for row, case in zip(rows, cases, strict=True):
        if row["status"] == "ok":
            workloads.setdefault(case.workload, {})[row["implementation"]] = case
    complete: set[Workload] = set()
    for workload, measured in workloads.items():
        counts = [_round_counts(case) for case in measured.values()]
        if [] not in counts and counts.count(counts[0]) == len(counts):
            complete.add(workload)
            metrics.share_evidence([*measured.values()], measured.get(suite.get("reference", "")))
    for row, case in zip(rows, cases, strict=True):
        right: Any = {"workload": case.workload.id}
        if row["status"] == "ok":
            reference = workloads[case.workload].get(case.reference, case)
            if not case.measurements or _round_counts(case) != _round_counts(reference):
                right = None
            elif case.workload in complete:
                right |= _right_numbers(row, case, manifest)
        yield right


def _evidence(row: Row, samples: list[Row], suite: Mapping[str, Any]) -> Evidence:
    """Return what is known of a case by its samples."""
    workload = Workload(**{size.name: row[size.name] for size in fields(Workload)})
    precision = part(suite, "budget").get("precision", math.nan)
    rounds = _rounds(samples)
    return Evidence(
        workload,
        suite.get("reference", ""),
        precision,
        first_calls=[{"first_call_s": row["first_call_s"]}],
        measurements=[[*map(_measurement, process)] for process in rounds],
        machine_peaks=_machine_peaks(rounds),
    )


def _right_numbers(row: Row, case: Evidence, manifest: Mapping[str, Any]) -> Row:
    """Return what the samples of a case and of all others of its workload give."""
    right = speed.compute(case)
    if case.machine_peaks:
        right |= roofline.compute(case)
    elif row["roofline_low"] is not None:
        right["roofline_low"] = None
    if manifest.get("statistics") != STATISTICS:  # earlier versions had other estimates
        right = {name: right[name] for name in UNCHANGED & right.keys()}
    return right | memory.compute(case) | {"flops": case.workload.flops}


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


def _round_counts(case: Evidence) -> list[int]:
    """Return how many rounds each process of a case has."""
    return [*map(len, case.measurements)]


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
    if isinstance(right, float) and math.isnan(right):
        return recorded is None
    if isinstance(right, float) and isinstance(recorded, float | int):
        return math.isclose(recorded, right, rel_tol=TOLERANCE)
    return bool(recorded == right)
