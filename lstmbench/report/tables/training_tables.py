"""The table of training runs: the score of each cell in each framework, its cost, and baselines.

Implementations start from the same weights, so those of one seed are not independent trainings:
where scores are compared, a seed's score is the mean over its implementations.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lstmbench.report.labels import Row, ordered, rank, rows_of
from lstmbench.report.number_format import Sentence, interval, markdown, number, pick_unit, plural
from lstmbench.report.tables.cells import Notes, status
from lstmbench.report.tables.table import Table, grid, publish
from lstmbench.results.schema import SECONDS, TRAINING_COLUMNS

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


def mean(scores: Sequence[float]) -> Mean:
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
    rows = _rows(records)
    unit = pick_unit((row["epoch_s"] for row in rows if row["epoch_s"] is not None), SECONDS)
    notes = Notes()
    remarks, shown, labels, cells = [], [], [], []
    for training in _trainings(rows):
        contenders: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in training:
            key = tuple(str(row[column]) for column in ("implementation", "variant"))
            contenders[rank("cell", row["cell"]), *key].append(row)
        for _, own in sorted(contenders.items(), key=itemgetter(0)):
            shown += own
            labels.append((_heading(training), _name(own[0])))
            cells.append(_cells(own, unit, notes))
        remarks += verdicts(training)
    heads = ["score [95 % interval]", "solved", "updates", f"an epoch, {unit}"]
    return publish(
        "learning",
        records,
        _CAPTION,
        grid(labels, cells, ["task", "learnt by"], heads),
        shown,
        _NUMBERS,
        [*notes.lines(), *remarks],
        rows,
    )


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Say of one task whether the LSTM beats the best baseline, and the plain RNN if it was tried.

    It does if the whole interval over the seeds lies on the better side; for a single seed, which
    has no interval, the sentence says so.
    """
    scored = _scored(rows)
    scores = by_seed(scored, "lstm")
    if not scores:
        return []
    higher = bool(scored[0]["higher_is_better"])
    lstm = mean(scores)
    results = []
    if baselines := {row["variant"]: row["score"] for row in scored if row["cell"] == BASELINES}:
        best = (max if higher else min)(baselines, key=lambda name: baselines[name])
        results.append(f"{_against(lstm, baselines[best], higher)} the best baseline ({best})")
    if plain := by_seed(scored, "rnn"):
        results.append(f"{_against(lstm, mean(plain).value, higher)} the plain RNN's mean")
    return [f"{_title(rows)}: the LSTM {'; it '.join(results)}."] if results else []


def by_seed(rows: Iterable[Row], cell: str) -> list[float]:
    """Return the scores of a cell, one for each seed: the mean over the implementations."""
    scores = defaultdict(list)
    for row in rows:
        if row["cell"] == cell:
            scores[row["seed"]].append(row["score"])
    return [float(np.mean(scores[seed])) for seed in ordered("seed", scores)]


def summary(records: pd.DataFrame) -> Sentence:
    """Say of each task whether the LSTM beats its baselines, with the mean score and interval."""
    points = []
    for training in _trainings(_rows(records)):
        scored = _scored(training)
        text = "; ".join(verdicts(training)) or f"{_title(training)}: nothing was learnt."
        if scores := by_seed(scored, "lstm"):
            seeds = plural(len(scores), "seed")
            text += f" Its {scored[0]['metric']}: {interval(*mean(scores))}, {seeds}."
        points.append(f"- {markdown(text)}")
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
    """Return the records with every column of a training run; only baselines keep their variant."""
    blank = dict.fromkeys(TRAINING_COLUMNS)
    rows = [blank | row for row in rows_of(records)]
    return [row | {"variant": row["variant"] if row["cell"] == BASELINES else None} for row in rows]


def _trainings(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows of each task, size and dtype; baselines go with every dtype of their task."""
    tasks = defaultdict(list)
    for row in rows:
        tasks[row["task"], row["sizes"]].append(row)
    for own in tasks.values():
        trained = [row["dtype"] for row in own if row["cell"] != BASELINES]
        for dtype in dict.fromkeys(trained or [None]):
            yield [row for row in own if row["cell"] == BASELINES or row["dtype"] == dtype]


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

    solved, updates = known(rows, "solved"), known(scored, "updates")
    times = known(scored, "epoch_s")
    noisy = {"noisy": any(row["noisy"] is True for row in scored)}
    return [
        interval(*mean(known(scored, "score"))) + (f" ({len(failed)} failed)" if failed else ""),
        f"{sum(solved)} of {len(solved)}" if solved else "",
        f"{int(np.median(updates)):,}" if updates else "",
        number(float(np.median(times)) * SECONDS[unit]) + notes.mark(noisy, "‡") if times else "",
    ]
