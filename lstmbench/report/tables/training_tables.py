"""The table of training runs: the score of each cell in each framework, its cost, and baselines.

Implementations start from the same weights, so those of one seed are not independent trainings:
where scores are compared, a seed's score is the mean over its implementations.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lstmbench.report.labels import cases_of, measured, ordered, plain_rows
from lstmbench.report.number_format import (
    Sentence,
    bullets,
    interval,
    markdown,
    number,
    pick_unit,
    plural,
)
from lstmbench.report.tables.cells import Notes, status
from lstmbench.report.tables.table import Table, grid, publish
from lstmbench.results.schema import COLUMNS, SECONDS, TRAINING_COLUMNS, typed

BASELINES = "baselines"
_NUMBERS = (
    "task", "sizes", "recipe", "cell", "implementation", "variant", "peer", "seed", "dtype",
    "device", "threads", "status", "error", "metric", "higher_is_better", "score", "solved",
    "best_epoch", "epochs", "updates", "epoch_s", "rounds", "disturbed_rounds", "noisy",
    "batch_size", "seq_len", "input_size", "hidden_size", "ended",
)  # fmt: skip
_CAPTION = (
    "Score on test data, of the weights that were best on validation data, means over seeds "
    "[Student's 95 % interval]; solved: seeds that reached the score at which the task counts as "
    "solved, and updates until then (else: until the end), medians; the time of an epoch's updates."
)


def is_training_run(records: pd.DataFrame) -> bool:
    """Return whether these are the records of training runs."""
    return (
        isinstance(records, pd.DataFrame)
        and "task" in records.columns
        and bool(records["task"].notna().any())
    )


class Mean(NamedTuple):
    """A mean over seeds with its 95 % interval; None where there is only one seed."""

    value: float
    low: float | None
    high: float | None


def mean(scores: "pd.Series[float]") -> Mean:
    """Return the mean of scores, one per seed, with Student's interval."""
    value = float(np.mean(scores))
    if len(scores) < 2:
        return Mean(value, None, None)
    half = float(stdtrit(len(scores) - 1, 0.975) * np.std(scores, ddof=1) / math.sqrt(len(scores)))
    return Mean(value, value - half, value + half)


def learning_table(records: pd.DataFrame) -> Table:
    """Return the score of each contender on the test data, with what it took to get there.

    Args:
        records: as ``read_results`` returns them.
    """
    rows, manifests = cases_of(records)
    cases = _cases(records)
    unit = pick_unit(cases["epoch_s"].dropna(), SECONDS)
    notes = Notes()
    remarks, shown, labels, cells = [], [], [], []
    for training in _trainings(cases):
        heading, keys = _heading(training), ["cell", "implementation", "variant"]
        for _, own in training.groupby(keys, observed=True, dropna=False):
            shown.append(own)
            labels.append((heading, _name(*own[keys].iloc[0])))
            cells.append(_cells(own, unit, notes))
        remarks += verdicts(training)
    heads = ["score [95 % interval]", "solved", "updates", f"an epoch, {unit}"]
    return publish(
        "learning",
        manifests,
        _CAPTION,
        grid(labels, cells, ["task", "learnt by"], heads),
        pd.concat(shown),
        _NUMBERS,
        [*notes.lines(), *remarks],
        rows,
    )


def verdicts(training: pd.DataFrame) -> list[str]:
    """Say of one task whether the LSTM beats the best baseline, and the plain RNN if it was tried.

    The LSTM beats another score if its whole interval over the seeds is better. A single seed has
    no interval, and the sentence says so.
    """
    scored = measured(training, "score")
    scores = by_seed(scored, "lstm")
    if scores.empty:
        return []
    higher = bool(scored["higher_is_better"].fillna(False).iloc[0])
    lstm = mean(scores)
    results = []
    rows = scored[scored["cell"] == BASELINES]
    if baselines := dict(zip(rows["variant"], rows["score"], strict=True)):
        best = (max if higher else min)(baselines, key=baselines.__getitem__)
        results.append(f"{_against(lstm, baselines[best], higher)} the best baseline ({best})")
    plain = by_seed(scored, "rnn")
    if len(plain):
        results.append(f"{_against(lstm, mean(plain).value, higher)} the plain RNN's mean")
    return [f"{_title(training)}: the LSTM {'; it '.join(results)}."] if results else []


def by_seed(records: pd.DataFrame, cell: str) -> "pd.Series[float]":
    """Return the scores of a cell, one for each seed: the mean over the implementations."""
    return records[records["cell"] == cell].groupby("seed")["score"].mean().astype(float)


def summary(records: pd.DataFrame) -> Sentence:
    """Say of each task whether the LSTM beats its baselines, with the mean score and interval."""
    points = []
    for training in _trainings(_cases(records)):
        scored = measured(training, "score")
        text = "; ".join(verdicts(training)) or f"{_title(training)}: nothing was learnt."
        scores = by_seed(scored, "lstm")
        if len(scores):
            seeds = plural(len(scores), "seed")
            text += f" Its {scored['metric'].iloc[0]}: {interval(*mean(scores))}, {seeds}."
        points.append(markdown(text))
    return bullets(points)


def _against(lstm: Mean, other: float, higher: bool) -> str:
    """Say how the mean of the LSTM stands to another score."""
    if lstm.low is None or lstm.high is None:
        better = lstm.value > other if higher else lstm.value < other
        return f"is {'better' if better else 'not better'} (one seed: no interval) than"
    above, below = lstm.low > other, lstm.high < other
    beats, loses = (above, below) if higher else (below, above)
    return "beats" if beats else "loses to" if loses else "cannot be told from"


def _cases(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with every column of a training run; only baselines keep their variant."""
    bare = records.reset_index(drop=True)
    bare.attrs = {}  # or pandas would copy the manifest in every step
    cases = typed(bare, COLUMNS | TRAINING_COLUMNS)[[*_NUMBERS]]
    cells = pd.Categorical(cases["cell"], ordered("cell", cases["cell"].dropna()), ordered=True)
    variants = cases["variant"].fillna(BASELINES).where(cases["cell"] == BASELINES)
    cases = cases.assign(cell=cells, variant=variants)
    return cases.sort_values("cell", key=lambda column: column == BASELINES, kind="stable")


def _trainings(cases: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the rows of each task, size and dtype; baselines go with every dtype of their task."""
    for _, own in cases.groupby(["task", "sizes"], sort=False, dropna=False):
        is_baseline, dtypes = own["cell"] == BASELINES, own["dtype"].fillna("")
        for dtype in [*dtypes[~is_baseline].unique()] or [""]:
            yield own[is_baseline | (dtypes == dtype)]


def _name(cell: str, implementation: str, variant: str) -> str:
    return f"{variant} (baseline)" if cell == BASELINES else contender_name(cell, implementation)


def contender_name(cell: str, implementation: str) -> str:
    """Return what a cell of an implementation is called in tables and figures."""
    return implementation if cell == "lstm" else f"plain RNN, {implementation.partition('.')[0]}"


def _heading(training: pd.DataFrame) -> str:
    metric, higher = (
        next(iter(training[column].dropna()), None) for column in ("metric", "higher_is_better")
    )
    better = "" if higher is None else f", {'higher' if higher else 'lower'} is better"
    return f"{_title(training)}: {metric or 'no metric'}{better}"


def _title(training: pd.DataFrame) -> str:
    task, sizes, dtype = training[["task", "sizes", "dtype"]].iloc[0].fillna("")
    shown_sizes = f" ({sizes})" if sizes else ""
    shown_dtype = f", {dtype}" if dtype not in ("", "float32") else ""
    return f"{task}{shown_sizes}{shown_dtype}"


def _cells(rows: pd.DataFrame, unit: str, notes: Notes) -> list[str]:
    """Return the cells of one contender: score, solved, updates, time of an epoch."""
    scored = measured(rows, "score")
    failed = len(rows) - len(scored)
    reason = status(plain_rows(rows.drop(scored.index)[:1])[0], notes) if failed else ""
    if scored.empty:
        return [reason, "", "", ""]
    solved, updates, times = (
        own.dropna() for own in (rows["solved"], scored["updates"], scored["epoch_s"])
    )
    noisy = {"noisy": bool(scored["noisy"].any())}
    return [
        interval(*mean(scored["score"])) + (f" ({failed} failed)" if failed else ""),
        f"{solved.sum()} of {len(solved)}" if len(solved) else "",
        f"{int(updates.median()):,}" if len(updates) else "",
        number(times.median() * SECONDS[unit]) + notes.mark(noisy, "‡") if len(times) else "",
    ]
