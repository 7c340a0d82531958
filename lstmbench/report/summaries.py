"""Summaries in sentences, with which the notebooks end: their numbers come from the records, device
by device."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.core.tolerance import TOLERANCE
from lstmbench.report.figures.memory_growth import growth
from lstmbench.report.gpu_coverage import by_device
from lstmbench.report.labels import WORKLOAD, ordered, status_words
from lstmbench.report.number_format import Sentence, markdown, number, plural
from lstmbench.report.tables.fastest import fastest_names


def accuracy(records: pd.DataFrame) -> Sentence:
    """Say how many cases computed the LSTM, and how much they rounded, dtype by dtype."""
    checked = records[records["status"].isin(["ok", "wrong_result"])]
    right, wrong = (checked[checked["status"] == status] for status in ("ok", "wrong_result"))
    names = ", ".join(map(markdown, ordered("implementation", wrong["implementation"])))
    points = [
        f"Of {plural(len(checked), 'case')} held against the float64 reference, {len(right)} computed the LSTM within "
        f"the tolerance ({plural(right['implementation'].nunique(), 'implementation')}), and {len(wrong)} did "
        f"not{f' ({names})' if names else ''}."
    ]
    for where, dtype, rows in _split(right, "dtype"):
        columns = {"output_rel_error": "outputs", "grad_rel_error": "gradients"}
        largest = [
            _largest(rows, column, what)
            for column, what in columns.items()
            if rows[column].notna().any()
        ]
        allowed = f", where {TOLERANCE[dtype]:.0e} is allowed" if dtype in TOLERANCE else ""
        points.append(
            f"In {dtype}{where} the largest relative error was {' and '.join(largest)}{allowed}."
        )
    return _points([*points, *_without_number(records, checked)])


def speed(records: pd.DataFrame) -> Sentence:
    """Say which implementation was the fastest in how many workloads, and the geometric mean of
    each one's ratios.

    An implementation is the fastest of a workload if the interval of its time lies below that of
    every other. Means are over the workloads at which all that are compared have a ratio.
    """
    timed = records[(records["status"] == "ok") & records["time_median_s"].notna()]
    points = ["Nothing was timed."] if timed.empty else []
    for where, mode, rows in _split(timed, "mode"):
        points.append(f"In {mode}{where}, {_fastest(rows)}.")
        points += _mean_ratios(rows, f"{mode}{where}")
    converged = _converged(timed)
    if not converged.all():
        ratios = plural(len(converged), "ratio")
        points.append(
            f"{(~converged).sum()} of {ratios} had not converged when the time for them was up."
        )
    return _points([*points, *_without_number(records, timed)])


def memory(records: pd.DataFrame) -> Sentence:
    """Say how much the memory of each implementation grows with every time step, in multiples of
    the formula."""
    grown = growth(records).dropna(subset=["times_formula"])
    points = (
        []
        if len(grown)
        else ["No workload was measured at two sequence lengths, so growth cannot be told."]
    )
    for where, mode, rows in _split(grown, "mode"):
        multiples = _numbers(rows.groupby("implementation")["times_formula"].median(), 2)
        points.append(
            f"In {mode}{where}, each further time step takes so many times the formula's bytes: {multiples}."
        )
    measured = records[(records["status"] == "ok") & records["allocated_bytes"].notna()]
    return _points([*points, *_without_number(records, measured)])


def trust(records: pd.DataFrame, manifest: Mapping[str, Any]) -> Sentence:
    """Say what the controls showed, how many rounds were disturbed, and which rows a reader should
    take with care."""
    timed = records[(records["status"] == "ok") & records["rounds"].notna()]
    noise_floor = (manifest.get("controls") or {}).get("noise_floor", "not measured")
    rounds, disturbed = int(timed["rounds"].sum()), int(timed["disturbed_rounds"].sum())
    noisy = int(timed["noisy"].fillna(False).sum())
    converged = _converged(timed)
    flags = timed["flags"].fillna("").loc[lambda flags: flags != ""].value_counts()
    flagged = ", ".join(f"{name} in {count}" for name, count in flags.items())
    return _points(
        [
            f"Noise floor: {markdown(str(noise_floor))}.",
            f"{disturbed} of {plural(rounds, 'round')} were disturbed; {noisy} of {plural(len(timed), 'row')} had so "
            "many of them that all of its rounds count.",
            f"{converged.sum()} of {plural(len(converged), 'ratio')} are as precise as the suite asks.",
            f"Flagged: {flagged}."
            if flagged
            else "No row is flagged for waiting, or for time not accounted for.",
        ]
    )


def _split(records: pd.DataFrame, column: str) -> Iterator[tuple[str, Any, pd.DataFrame]]:
    """Yield the words for the device, a value of the column, and the rows of both."""
    for where, rows in by_device(records):
        for value in ordered(column, rows[column]):
            yield where, value, rows[rows[column] == value]


def _points(points: Iterable[str]) -> Sentence:
    return Sentence("\n".join(f"- {point}" for point in points))


def _numbers(values: "pd.Series[float]", digits: int = 3) -> str:
    """Return numbers with the implementations that they belong to, the smallest first."""
    return ", ".join(
        f"{markdown(name)} {number(value, digits)}" for name, value in values.sort_values().items()
    )


def _largest(rows: pd.DataFrame, column: str, what: str) -> str:
    row = rows.sort_values(column, ascending=False).iloc[0]
    return (
        f"{row[column]:.1e} in the {what} ({markdown(row['implementation'])}, T = {row['seq_len']})"
    )


def _converged(timed: pd.DataFrame) -> "pd.Series[bool]":
    """Return of each ratio to another implementation whether it converged."""
    compared = timed[timed["converged"].notna() & (timed["implementation"] != timed["ratio_to"])]
    return compared["converged"].astype(bool)


def _fastest(rows: pd.DataFrame) -> str:
    """Say which implementation was the fastest how often."""
    workloads = rows.groupby(["run_id", *WORKLOAD], sort=False, dropna=False)
    fastest = [fastest_names(group) for _, group in workloads if len(group) > 1]
    winners = [names[0] for names in fastest if len(names) == 1]
    wins = ", ".join(
        f"{markdown(name)} in {winners.count(name)}" for name in ordered("implementation", winners)
    )
    tied = len(fastest) - len(winners)
    rest = f"; in {tied} the interval of the fastest overlaps another" if tied else ""
    return (
        f"of {plural(len(fastest), 'workload')}, the fastest was {wins or 'none for certain'}{rest}"
    )


def _mean_ratios(rows: pd.DataFrame, where: str) -> Iterator[str]:
    for base in ordered("ratio_to", rows["ratio_to"].dropna()):
        compared = rows[
            (rows["ratio_to"] == base) & (rows["implementation"] != base) & rows["ratio"].notna()
        ]
        logs = compared.assign(log=np.log(compared["ratio"].astype(float)))
        logs = (
            logs.groupby(["run_id", *WORKLOAD, "implementation"], dropna=False)["log"]
            .mean()
            .unstack()
        )
        shared = logs.dropna()  # means over different workloads cannot be compared
        over = plural(len(logs), "workload")
        if len(shared) < len(logs):
            over = f"the {len(shared)} of {over} that all of them have"
        means = np.exp(shared.mean()).dropna()
        if len(means):
            yield f"In {where}, time relative to {markdown(base)}, geometric mean over {over}: {_numbers(means)}."


def _without_number(records: pd.DataFrame, shown: pd.DataFrame) -> Iterator[str]:
    statuses = records.drop(shown.index)["status"].value_counts()
    if len(statuses):
        counts = ", ".join(
            f"{count} {status_words(str(status))}" for status, count in statuses.items()
        )
        yield f"Without a number: {counts}."
