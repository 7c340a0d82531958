"""The answers with which the notebooks end: every number in them is computed from the records, device by device."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.cell.tolerance import TOLERANCE
from lstmbench.show.devices import by_device
from lstmbench.show.drawing.memory_growth import growth
from lstmbench.show.formats import Sentence, markdown, number
from lstmbench.show.labels import WORKLOAD, ordered
from lstmbench.show.tabulating.picks import fastest


def accuracy(records: pd.DataFrame) -> Sentence:
    """Say how many cases computed the LSTM, and how much they rounded, dtype by dtype."""
    held = records[records["status"].isin(["ok", "wrong_result"])]
    good = held[held["status"] == "ok"]
    wrong = held[held["status"] == "wrong_result"]
    kinds = _count(good["implementation"].nunique(), "implementation")
    parts = [
        f"Of {_count(len(held), 'case')} held against the float64 reference, {len(good)} computed the LSTM within the "
        f"tolerance ({kinds}), and {len(wrong)} did not{_named(wrong)}."
    ]
    for where, dtype, rows in _split(good, "dtype"):
        columns = {"output_rel_error": "outputs", "grad_rel_error": "gradients"}
        worst = [_worst(rows, column, what) for column, what in columns.items() if rows[column].notna().any()]
        allowed = f", where {TOLERANCE[dtype]:.0e} is allowed" if dtype in TOLERANCE else ""
        parts.append(f"In {dtype}{where} the largest relative error was {' and '.join(worst)}{allowed}.")
    return _points([*parts, *_left_out(records, held)])


def speed(records: pd.DataFrame) -> Sentence:
    """Say which implementation was the fastest in how many workloads, and the geometric mean of each one's ratios.

    An implementation is the fastest of a workload if the interval of its time lies below that of every other. Means
    are over the workloads at which all that are compared have a ratio.
    """
    timed = records[(records["status"] == "ok") & records["time_median_s"].notna()]
    parts = ["Nothing was timed."] if timed.empty else []
    for where, mode, rows in _split(timed, "mode"):
        parts.append(f"In {mode}{where}, {_fastest(rows)}.")
        parts += _mean_ratios(rows, f"{mode}{where}")
    compared = timed[timed["converged"].notna() & (timed["implementation"] != timed["ratio_to"])]
    wide = int((~compared["converged"].astype(bool)).sum())
    if wide:
        parts.append(f"{wide} of {_count(len(compared), 'ratio')} had not converged when the time for them was up.")
    return _points([*parts, *_left_out(records, timed)])


def memory(records: pd.DataFrame) -> Sentence:
    """Say how much the memory of each implementation grows with every time step, in multiples of the formula."""
    found = growth(records).dropna(subset=["times_formula"])
    parts = [] if len(found) else ["No workload was measured at two sequence lengths, so growth cannot be told."]
    for where, mode, rows in _split(found, "mode"):
        times = rows.groupby("implementation")["times_formula"].median().sort_values()
        several = ", ".join(f"{markdown(name)} {number(value, 2)}" for name, value in times.items())
        parts.append(f"In {mode}{where}, each further time step takes so many times the formula's bytes: {several}.")
    measured = records[(records["status"] == "ok") & records["allocated_bytes"].notna()]
    return _points([*parts, *_left_out(records, measured)])


def trust(records: pd.DataFrame, manifest: Mapping[str, Any]) -> Sentence:
    """Say what the controls showed, how many rounds were disturbed, and which rows a reader should take with care."""
    timed = records[(records["status"] == "ok") & records["rounds"].notna()]
    controls = manifest.get("controls") or {}
    parts = [f"Noise floor: {markdown(str(controls.get('noise_floor', 'not measured')))}."]
    rounds, out = int(timed["rounds"].sum()), int(timed["disturbed_rounds"].sum())
    noisy = int(timed["noisy"].fillna(False).sum())
    parts.append(
        f"{out} of {_count(rounds, 'round')} were disturbed; {noisy} of {_count(len(timed), 'row')} had so many of "
        "them that all of its rounds count."
    )
    compared = timed[timed["converged"].notna() & (timed["implementation"] != timed["ratio_to"])]
    sure = int(compared["converged"].astype(bool).sum())
    parts.append(f"{sure} of {_count(len(compared), 'ratio')} are as precise as the suite asks.")
    flagged = timed[timed["flags"].fillna("") != ""]
    kinds = ", ".join(f"{name} in {count}" for name, count in flagged["flags"].value_counts().items())
    parts.append(f"Flagged: {kinds}." if kinds else "No row is flagged for waiting, or for time not accounted for.")
    return _points(parts)


def _split(records: pd.DataFrame, column: str) -> Iterator[tuple[str, Any, pd.DataFrame]]:
    """Yield the words for the device, a value of the column, and the rows of both."""
    for where, rows in by_device(records):
        for value in ordered(column, rows[column]):
            yield where, value, rows[rows[column] == value]


def _points(parts: Iterable[str]) -> Sentence:
    return Sentence("\n".join(f"- {part}" for part in parts))


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _named(rows: pd.DataFrame) -> str:
    names = ", ".join(markdown(name) for name in ordered("implementation", rows["implementation"]))
    return f" ({names})" if names else ""


def _worst(rows: pd.DataFrame, column: str, what: str) -> str:
    row = rows.sort_values(column, ascending=False).iloc[0]
    return f"{row[column]:.1e} in the {what} ({markdown(row['implementation'])}, T = {row['seq_len']})"


def _fastest(rows: pd.DataFrame) -> str:
    """Say which implementation was the fastest how often."""
    compared = [group for _, group in rows.groupby(["run_id", *WORKLOAD], sort=False, dropna=False) if len(group) > 1]
    winners = [first for first, *others in map(fastest, compared) if not others]
    names = ordered("implementation", winners)
    won = ", ".join(f"{markdown(name)} in {winners.count(name)}" for name in names) or "none for certain"
    tied = len(compared) - len(winners)
    rest = f"; in {tied} the interval of the fastest overlaps another" if tied else ""
    return f"of {_count(len(compared), 'workload')}, the fastest was {won}{rest}"


def _mean_ratios(rows: pd.DataFrame, where: str) -> Iterator[str]:
    for base in ordered("ratio_to", rows["ratio_to"].dropna()):
        compared = rows[(rows["ratio_to"] == base) & (rows["implementation"] != base) & rows["ratio"].notna()]
        logs = np.log(compared["ratio"].astype(float))
        workloads = [compared[key] for key in ("run_id", *WORKLOAD)]
        table = logs.groupby([*workloads, compared["implementation"]], dropna=False).mean().unstack()
        shared = table.dropna()  # means over different workloads cannot be compared
        means = np.exp(shared.mean()).dropna().sort_values()
        over = f"the {len(shared)} of {_count(len(table), 'workload')} that all of them have"
        if len(shared) == len(table):
            over = _count(len(table), "workload")
        if len(means):
            several = ", ".join(f"{markdown(name)} {number(value)}" for name, value in means.items())
            yield f"In {where}, time relative to {markdown(base)}, geometric mean over {over}: {several}."


def _left_out(records: pd.DataFrame, kept: pd.DataFrame) -> Iterator[str]:
    rest = records.drop(kept.index)["status"].value_counts()
    if len(rest):
        several = ", ".join(f"{count} {str(status).replace('_', ' ')}" for status, count in rest.items())
        yield f"Without a number: {several}."
