"""Do the numbers of the records follow from the raw samples? They are computed again, by what
computed them.

Counts, medians, percentiles, ratios, shares of the limit and their intervals follow from the
samples, for the bootstrap has a seed. What a worker saw beside them does not: first calls, memory,
errors, how busy the cores were.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.metrics import Evidence, memory, roofline, speed
from lstmbench.measure.roofline import PEAK_COLUMNS
from lstmbench.measure.run_training import epoch_times
from lstmbench.measure.suites.case import Workload
from lstmbench.report.labels import Row
from lstmbench.results.schema import CASE_COLUMNS
from lstmbench.verify.finding import Finding, case_name

Key = tuple[Any, ...]
Groups = Mapping[Key, list[Row]]
Computed = Iterator[tuple[Row, Key, dict[str, Any] | None]]
"""A record, the key of its samples, and what they give; None if they give nothing though the record
has numbers.
"""

AGREE = 1e-9
"""Relative: another machine may add numbers in another order."""
LESSON_CASE = (
    "implementation",
    "task",
    "cell",
    "seed",
    "sizes",
    "recipe",
    "dtype",
    "device",
    "threads",
)
"""What tells the cases of lessons apart."""
_SIZES = tuple(each.name for each in fields(Workload))


def check_samples(
    rows: list[Row], samples: pd.DataFrame, manifest: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield each case whose numbers are not those of its samples, and samples that belong to no
    case.
    """
    lessons = "task" in samples.columns
    keys = LESSON_CASE if lessons else tuple(CASE_COLUMNS)
    plain: list[Any] = samples.astype(object).where(samples.notna(), None).to_dict("records")
    groups: dict[Key, list[Row]] = {}
    for sample in plain:
        groups.setdefault(_key(sample, keys), []).append(sample)
    used = set()
    for number, (row, key, right) in enumerate(
        (_lessons if lessons else _cases)(rows, groups, keys, manifest), 1
    ):
        used.add(key)
        where = f"row {number} ({case_name(row)})"
        if right is None:
            yield Finding(
                "samples.parquet",
                f"has no rounds of the records' {where}, or not those of the reference.",
            )
            continue
        wrong = [name for name, value in right.items() if not _same(row.get(name), value)]
        if wrong:
            first, rest = wrong[0], f"; {', '.join(wrong[1:])} not either" if wrong[1:] else ""
            what = f"{row.get(first)!r} does not follow from samples.parquet, which gives {right[first]!r}{rest}."
            yield Finding("records.parquet", f"{where}, column {first}: {what}")
    for key in set(groups) - used:
        case = case_name(dict(zip(keys, key, strict=True)))
        yield Finding(
            "samples.parquet",
            f"{len(groups[key])} samples are of a case that has no record ({case}).",
        )


def _cases(
    rows: list[Row], groups: Groups, keys: tuple[str, ...], manifest: Mapping[str, Any]
) -> Computed:
    suite = manifest.get("suite") or {}
    reference, precision = (
        suite.get("reference", ""),
        (suite.get("budget") or {}).get("precision", math.nan),
    )
    rounds = {key: _rounds(group) for key, group in groups.items()}
    turns = {key: [list(map(_turn, process)) for process in each] for key, each in rounds.items()}
    bases = {
        _workload(row): turns.get(_key(row, keys), [])
        for row in rows
        if row["implementation"] == reference
    }
    for row in rows:
        key, workload = _key(row, keys), _workload(row)
        right: dict[str, Any] | None = {"workload": workload.id}
        if row["status"] == "ok":
            evidence = Evidence(workload, reference, precision, measurements=turns.get(key, []))
            evidence.reference_measurements = bases.get(workload, [])
            evidence.machine_peaks = _limits(rounds.get(key, []))
            right = _numbers(row, evidence)
        yield row, key, right


def _numbers(row: Row, evidence: Evidence) -> dict[str, Any] | None:
    base = evidence.reference_measurements
    if not evidence.measurements or (
        base and list(map(len, base)) != list(map(len, evidence.measurements))
    ):
        return None
    workload = evidence.workload
    evidence.first_calls = [{"first_call_s": row["first_call_s"]}]
    right = (
        speed.compute(evidence)
        | memory.compute(evidence)
        | {"workload": workload.id, "flops": workload.flops}
    )
    if evidence.machine_peaks:
        right |= roofline.compute(evidence)
    elif row["roofline_low"] is not None:
        right["roofline_low"] = None
    elif row["products_s"] is not None:  # an older run, whose limits are from one moment
        right["products_fraction"] = row["products_s"] / float(
            np.median(np.concatenate(evidence.rounds))
        )
    if math.isnan(evidence.precision):
        right.pop("converged", None)
    return right


def _lessons(
    rows: list[Row], groups: Groups, keys: tuple[str, ...], _: Mapping[str, Any]
) -> Computed:
    for row in rows:
        key = _key(row, keys)
        right: dict[str, Any] | None = {}
        if row["status"] == "ok" and row.get("epochs") is not None:  # baselines have none
            epochs = groups.get(key, [])
            counted = {"epochs": len(epochs), "updates": epochs[-1]["updates"]} if epochs else {}
            right = epoch_times(epochs) | counted if epochs else None
        yield row, key, right


def _limits(rounds: list[list[list[Row]]]) -> list[list[dict[str, float]]]:
    """Return what the machine could do in each round, process by process; nothing if the samples do
    not all say it.
    """
    for turn in (turn for process in rounds for turn in process):
        said = {tuple(sample.get(name) for name in PEAK_COLUMNS) for sample in turn}
        if len(said) > 1 or None in said.pop():
            return []
    return [
        [{name: turn[0][name] for name in PEAK_COLUMNS} for turn in process] for process in rounds
    ]


def _rounds(samples: list[Row]) -> list[list[list[Row]]]:
    """Return the samples of each round, process by process."""
    processes: dict[int, dict[int, list[Row]]] = {}
    for sample in samples:
        processes.setdefault(sample["process"], {}).setdefault(sample["round"], []).append(sample)
    return [list(rounds.values()) for rounds in processes.values()]


def _turn(samples: list[Row]) -> Measurement:
    """Return a turn of these samples; one that was disturbed gets a witness that says so."""
    seconds, disturbance = (
        [sample["seconds"] for sample in samples],
        "yes" if samples[0]["disturbed"] else "",
    )
    quiet = {"loop_s": 1.0, "cpu_s": 1.0, "switches": 0, "sentinel_s": 1.0}
    return Measurement(seconds, **quiet, calls=samples[0]["calls"], throttled=disturbance)  # type: ignore[arg-type]


def _workload(row: Row) -> Workload:
    return Workload(**{name: row[name] for name in _SIZES})


def _key(row: Row, keys: tuple[str, ...]) -> Key:
    return tuple(row.get(key) for key in keys)


def _same(kept: Any, right: Any) -> bool:
    if isinstance(right, float) and isinstance(kept, float | int):
        return math.isclose(kept, right, rel_tol=AGREE)
    return bool(kept == right)
