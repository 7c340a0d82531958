"""The table of training runs: the score of each cell in each framework beside the task's baselines,
and its cost.

Implementations start from the same weights, so those of one seed are no independent trainings:
where scores are compared, a seed's score is the mean over its implementations.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lstmbench.report.labels import Row, key_of, rank, rows_of
from lstmbench.report.number_format import Sentence, interval, markdown, number, pick_unit, plural
from lstmbench.report.tables.footnotes import Notes, status
from lstmbench.report.tables.table import Manifest, Table, manifest_of, publish
from lstmbench.results.schema import LEARNING_COLUMNS, SECONDS

BASELINES = "baselines"
_CONTENDER = ("cell", "implementation", "variant")
_NUMBERS = (
    "task", "sizes", "recipe", "cell", "implementation", "variant", "peer", "seed", "dtype", "device", "threads",
    "status", "error", "metric", "higher_is_better", "score", "solved", "best_epoch", "epochs", "updates", "epoch_s",
    "rounds", "disturbed_rounds", "noisy", "batch_size", "seq_len", "input_size", "hidden_size", "ended",
)  # fmt: skip
_CAPTION = (
    "Score on test data, of the weights that were best on validation data, means over seeds [Student's 95 % interval]; "
    "solved: seeds that reached the score at which the task counts as solved, and updates until then (else: until the "
    "end), medians; the time of an epoch's updates."
)


def is_learning(records: pd.DataFrame) -> bool:
    """Say whether these are the records of training runs."""
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


def mean(scores: Sequence[float]) -> Mean:
    """Return the mean of scores, one per seed, with Student's interval."""
    value = float(np.mean(scores))
    if len(scores) < 2:
        return Mean(value, None, None)
    half = float(stdtrit(len(scores) - 1, 0.975) * np.std(scores, ddof=1) / math.sqrt(len(scores)))
    return Mean(value, value - half, value + half)


def learning_table(records: pd.DataFrame, manifest: Manifest = None) -> Table:
    """Return the score of each contender on the test data, with what it took to get there.

    Args:
        records: as ``read_results`` returns them.
        manifest: of the run; that of ``records.attrs`` if None.
    """
    rows = _rows(records)
    unit = pick_unit((row["epoch_s"] for row in rows if row["epoch_s"] is not None), SECONDS)
    columns = ["score [95 % interval]", "solved", "updates", f"an epoch, {unit}"]
    notes = Notes()
    remarks, shown, places, lines = [], [], [], []
    for training in _trainings(rows):
        contenders = {key_of(row, _CONTENDER) for row in training}
        for contender in sorted(contenders, key=_contender_rank):
            own = [row for row in training if key_of(row, _CONTENDER) == contender]
            shown += own
            places.append((_heading(training), _name(own[0])))
            lines.append(_cells(own, unit, notes))
        remarks += verdicts(training)
    frame = pd.DataFrame(
        lines,
        pd.MultiIndex.from_tuples(places, names=["task", "learnt by"]),
        pd.MultiIndex.from_product([columns, [""]]),
    )
    below = [*notes.lines(), *remarks]
    return publish(
        "learning", _CAPTION, frame, shown, _NUMBERS, below, manifest_of(records, manifest), rows
    )


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Say of one task's rows whether the LSTM beats the best of the baselines, and the plain RNN
    where it was tried.

    It does if the whole interval over the seeds lies on the better side; for a single seed, which
    has no interval, the sentence says so.
    """
    scored = _scored(rows)
    scores = by_seed(scored, "lstm")
    if not scores:
        return []
    higher = bool(scored[0]["higher_is_better"])
    baselines = {row["variant"]: row["score"] for row in scored if row["cell"] == BASELINES}
    lstm = mean(scores)
    results = []
    if baselines:
        best = (max if higher else min)(baselines, key=lambda name: baselines[name])
        results.append(f"{_against(lstm, baselines[best], higher)} the best baseline ({best})")
    if plain := by_seed(scored, "rnn"):
        results.append(f"{_against(lstm, mean(plain).value, higher)} the plain RNN's mean")
    return [f"{_title(rows)}: the LSTM {'; it '.join(results)}."] if results else []


def by_seed(rows: Sequence[Row], cell: str) -> list[float]:
    """Return the scores of a cell, one for each seed: the mean over the implementations."""
    scores: dict[int | None, list[float]] = {}
    for row in rows:
        if row["cell"] == cell:
            scores.setdefault(row["seed"], []).append(row["score"])
    return [
        float(np.mean(scores[seed]))
        for seed in sorted(scores, key=lambda seed: (seed is None, seed))
    ]


def summary(records: pd.DataFrame) -> Sentence:
    """Say of each task whether the LSTM beats its baselines, with the mean score and its
    interval."""
    points = []
    for training in _trainings(_rows(records)):
        scored = _scored(training)
        scores = by_seed(scored, "lstm")
        seeds = plural(len(scores), "seed")
        numbers = (
            f" Its {scored[0]['metric']}: {interval(*mean(scores))}, {seeds}." if scores else ""
        )
        sentences = verdicts(training) or [f"{_title(training)}: nothing was learnt."]
        points += [f"- {markdown(sentence + numbers)}" for sentence in sentences]
    return Sentence("\n".join(points))


def _against(lstm: Mean, other: float, higher: bool) -> str:
    """Say how the mean of the LSTM stands to another score."""
    if lstm.low is None or lstm.high is None:
        better = lstm.value > other if higher else lstm.value < other
        return f"is {'better' if better else 'not better'} (one seed: no interval) than"
    above, below = lstm.low > other, lstm.high < other
    beats, loses = (above, below) if higher else (below, above)
    return "beats" if beats else "loses to" if loses else "cannot be told from"


def _rows(records: pd.DataFrame) -> list[Row]:
    """Return the records as rows with every column of a training run; only baselines have a
    variant."""
    blank = dict.fromkeys(LEARNING_COLUMNS)
    rows = [blank | row for row in rows_of(records)]
    return [row | {"variant": row["variant"] if row["cell"] == BASELINES else None} for row in rows]


def _trainings(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows of each task, size and dtype; baselines go with every dtype of their task."""
    lesson = ("task", "sizes", "dtype")
    trained = dict.fromkeys(key_of(row, lesson) for row in rows if row["cell"] != BASELINES)
    tasks = {key[:2] for key in trained}
    untrained = dict.fromkeys(
        key_of(row, lesson) for row in rows if key_of(row, lesson[:2]) not in tasks
    )
    for key in trained | untrained:
        yield [
            row
            for row in rows
            if key_of(row, lesson[:2]) == key[:2]
            and (row["cell"] == BASELINES or row["dtype"] == key[2])
        ]


def _contender_rank(contender: tuple[str, str, str | None]) -> tuple[Any, ...]:
    cell, implementation, variant = contender
    return rank("cell", cell), str(implementation), str(variant)


def _name(row: Row) -> str:
    if row["cell"] == BASELINES:
        return f"{row['variant'] or BASELINES} (baseline)"
    return contender_name(row["cell"], row["implementation"])


def contender_name(cell: str, implementation: str) -> str:
    """Return what a cell of an implementation is called in tables and figures."""
    return implementation if cell == "lstm" else f"plain RNN, {implementation.partition('.')[0]}"


def _heading(rows: Sequence[Row]) -> str:
    scored = next((row for row in rows if row["metric"]), rows[0])
    better = {True: ", higher is better", False: ", lower is better"}.get(
        scored["higher_is_better"], ""
    )
    return f"{_title(rows)}: {scored['metric'] or 'no metric'}{better}"


def _title(rows: Sequence[Row]) -> str:
    trained = next((row for row in rows if row["cell"] != BASELINES), rows[0])
    sizes = f" ({trained['sizes']})" if trained["sizes"] else ""
    dtype = "" if trained["dtype"] in (None, "float32") else f", {trained['dtype']}"
    return f"{trained['task']}{sizes}{dtype}"


def _scored(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["status"] == "ok" and row["score"] is not None]


def _cells(rows: Sequence[Row], unit: str, notes: Notes) -> list[str]:
    """Return the cells of one contender: score, solved, updates, time of an epoch."""
    scored = _scored(rows)
    failed = [row for row in rows if row not in scored]
    reason = status(failed[0], notes) if failed else ""
    if not scored:
        return [reason, "", "", ""]

    def known(rows: Sequence[Row], column: str) -> list[float]:
        return [row[column] for row in rows if row[column] is not None]

    solved, updates, times = (
        known(rows, "solved"),
        known(scored, "updates"),
        known(scored, "epoch_s"),
    )
    score = interval(*mean(known(scored, "score"))) + (f" ({len(failed)} failed)" if failed else "")
    noisy = "‡" if times and any(row["noisy"] is True for row in scored) else ""
    return [
        score,
        f"{sum(solved)} of {len(solved)}" if solved else "",
        f"{int(np.median(updates)):,}" if updates else "",
        number(float(np.median(times)) * SECONDS[unit]) + notes.mark(noisy) if times else "",
    ]
