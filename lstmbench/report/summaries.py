"""Summaries in sentences for the ends of the notebooks: every number comes from the records."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.core.tolerance import TOLERANCE
from lstmbench.report import provenance
from lstmbench.report.gpu_coverage import by_device
from lstmbench.report.labels import WORKLOAD, counted, counts, measured, ordered
from lstmbench.report.number_format import Sentence, bullets, markdown, number, plural
from lstmbench.report.tables.fastest import fastest_names
from lstmbench.report.tables.memory_growth import growth


def accuracy(records: pd.DataFrame) -> Sentence:
    """Return how many cases computed the LSTM, and the largest errors of each dtype."""
    checked = records[records["status"].isin(["ok", "wrong_result"])]
    right, wrong = (checked[checked["status"] == status] for status in ("ok", "wrong_result"))
    names = ", ".join(map(markdown, ordered("implementation", wrong["implementation"])))
    points = [
        f"{plural(len(checked), 'case')} checked against the float64 reference: {len(right)} "
        "computed the LSTM within the tolerance "
        f"({plural(right['implementation'].nunique(), 'implementation')}), and {len(wrong)} did "
        f"not{f' ({names})' if names else ''}."
    ]
    for where, dtype, rows in _split(right, "dtype"):
        largest = " and ".join(
            f"{row[column]:.1e} in the {what} "
            f"({markdown(row['implementation'])}, T = {row['seq_len']})"
            for column, what in (("output_rel_error", "outputs"), ("grad_rel_error", "gradients"))
            for row in rows.dropna(subset=column).nlargest(1, column).to_dict("records")
        )
        allowed = f", where {TOLERANCE[dtype]:.0e} is allowed" if dtype in TOLERANCE else ""
        points.append(f"In {dtype}{where} the largest relative error was {largest}{allowed}.")
    return bullets([*points, *_without_number(records, checked)])


def speed(records: pd.DataFrame) -> Sentence:
    """Return how often each implementation was the fastest, and its mean ratio.

    An implementation is the fastest of a workload if the interval of its time lies below that of
    every other. Means are geometric, over the workloads at which all implementations have a ratio.
    """
    timed = measured(records, "time_median_s")
    points = ["Nothing was timed."] if timed.empty else []
    for where, mode, rows in _split(timed, "mode"):
        points += [f"In {mode}{where}, {_fastest(rows)}.", *_mean_ratios(rows, f"{mode}{where}")]
    converged = _converged(timed)
    if not converged.all():
        late = f"{(~converged).sum()} of {plural(len(converged), 'ratio')}"
        points.append(f"{late} had not converged when their time budget ended.")
    return bullets([*points, *_without_number(records, timed)])


def memory(records: pd.DataFrame) -> Sentence:
    """Return how much memory each time step takes, in multiples of the formula."""
    grown = growth(records).dropna(subset="times_formula")
    unknown = "No workload was measured at two sequence lengths, so growth cannot be computed."
    points = [unknown] if grown.empty else []
    for where, mode, rows in _split(grown, "mode"):
        multiples = _numbers(rows.groupby("implementation")["times_formula"].median(), 2)
        step = "bytes that each further time step takes, as a multiple of the formula's"
        points.append(f"In {mode}{where}, {step}: {multiples}.")
    return bullets([*points, *_without_number(records, measured(records, "allocated_bytes"))])


def trust(records: pd.DataFrame, manifest: Mapping[str, Any]) -> Sentence:
    """Return what the controls showed, how many rounds were disturbed, and what is flagged."""
    timed = measured(records, "rounds")
    rounds, disturbed, noisy = timed[["rounds", "disturbed_rounds", "noisy"]].sum().astype(int)
    converged = _converged(timed)
    flags = timed["flags"].replace("", pd.NA).value_counts()
    flagged = ", ".join(f"{name} in {count}" for name, count in flags.items())
    unflagged = "No row is flagged: none waited, and the samples account for the time taken."
    return bullets(
        [
            f"Noise floor: {markdown(provenance.noise_floor(manifest))}.",
            f"{disturbed} of {plural(rounds, 'round')} were disturbed; because of them, {noisy} of "
            f"{plural(len(timed), 'row')} are noisy.",
            f"{converged.sum()} of {plural(len(converged), 'ratio')} are as precise as the suite "
            "requires.",
            f"Flagged: {flagged}." if flagged else unflagged,
        ]
    )


def _split(records: pd.DataFrame, column: str) -> Iterator[tuple[str, Any, pd.DataFrame]]:
    """Yield the words for the device, a value of the column, and the rows of both."""
    for where, rows in by_device(records):
        for value in ordered(column, rows[column]):
            yield where, value, rows[rows[column] == value]


def _without_number(records: pd.DataFrame, shown: pd.DataFrame) -> Sequence[str]:
    """Return a sentence on the statuses of the records that are not shown, if there are any."""
    others = counted(records.drop(shown.index)["status"].dropna())
    return [f"Without a number: {counts(others)}."] if others else []


def _numbers(values: "pd.Series[float]", digits: int = 3) -> str:
    """Return numbers with the implementations that they belong to, the smallest first."""
    pairs = values.sort_values().items()
    return ", ".join(f"{markdown(name)} {number(value, digits)}" for name, value in pairs)


def _converged(timed: pd.DataFrame) -> "pd.Series[bool]":
    """Return for each ratio to another implementation whether it converged."""
    compared = timed[timed["converged"].notna() & (timed["implementation"] != timed["ratio_to"])]
    return compared["converged"].astype(bool)


def _fastest(rows: pd.DataFrame) -> str:
    """Return how often each implementation was the fastest."""
    workloads = rows.groupby(["run_id", *WORKLOAD], sort=False, dropna=False)
    fastest = [fastest_names(group) for _, group in workloads if len(group) > 1]
    winners = [names[0] for names in fastest if len(names) == 1]
    names = ordered("implementation", winners)
    wins = ", ".join(f"{markdown(name)} in {winners.count(name)}" for name in names)
    tied = len(fastest) - len(winners)
    rest = f"; in {tied} the interval of the fastest overlaps another" if tied else ""
    workload_count = plural(len(fastest), "workload")
    return f"of {workload_count}, the fastest was {wins or 'none for certain'}{rest}"


def _mean_ratios(rows: pd.DataFrame, where: str) -> Iterator[str]:
    """Yield a sentence with the mean ratios to each reference."""
    others = rows[(rows["implementation"] != rows["ratio_to"]) & rows["ratio"].notna()]
    for base, ratios in others.groupby("ratio_to"):
        cases = ratios.groupby(["run_id", *WORKLOAD, "implementation"], dropna=False)
        logs = np.log(cases["ratio"].mean()).astype(float).unstack()
        shared = logs.dropna()  # means over different workloads cannot be compared
        over = plural(len(logs), "workload")
        if len(shared) < len(logs):
            over = f"the {len(shared)} of {over} that all of them have"
        means = np.exp(shared.mean()).dropna()
        if len(means):
            mean = f"geometric mean over {over}: {_numbers(means)}"
            yield f"In {where}, time relative to {markdown(base)}, {mean}."
