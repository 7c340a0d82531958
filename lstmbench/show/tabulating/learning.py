"""What lessons showed: the score of each cell in each framework beside the task's baselines, and what it cost."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lstmbench.results.record import COLUMNS, LEARNING_COLUMNS, frame
from lstmbench.show import provenance
from lstmbench.show.formats import Sentence, csv_text, interval, markdown, number, pick_unit
from lstmbench.show.labels import SECONDS, Row, combinations, key_of, rows_of
from lstmbench.show.tabulating.render import Cells
from lstmbench.show.tabulating.table import Notes, Table, status, strings

_LESSON = ("task", "sizes", "dtype")
_CONTENDER = ("cell", "implementation", "variant")
_KEYS = (
    "task", "sizes", "recipe", "cell", "implementation", "variant", "peer", "seed", "dtype", "device", "threads",
    "status", "error",
)  # fmt: skip
_NUMBERS = (
    "metric", "higher_is_better", "score", "solved", "best_epoch", "epochs", "updates", "epoch_s", "rounds",
    "disturbed_rounds", "noisy", "batch_size", "seq_len", "input_size", "hidden_size", "ended",
)  # fmt: skip
_RANK = {"lstm": 0, "rnn": 1, "baselines": 2}


def is_learning(records: pd.DataFrame) -> bool:
    """Say whether these are the records of lessons."""
    return isinstance(records, pd.DataFrame) and "task" in records.columns and bool(records["task"].notna().any())


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


def learning_table(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> Table:
    """Return the score of each contender on the test data, with what it took to get there.

    Args:
        records: as ``read_results`` returns them.
        manifest: of the run; that of ``records.attrs`` if None.
    """
    rows = [row | {"variant": row["variant"] if row["cell"] == "baselines" else None} for row in _rows(records)]
    notes = Notes()
    times = [row["epoch_s"] for row in rows if row["epoch_s"] is not None]
    unit = pick_unit(times, SECONDS) if times else "s"
    panels, remarks, chosen = [], [], []
    for lesson in _lessons(rows):
        own = [row for row in rows if _belongs(row, lesson)]
        lines = []
        for contender in sorted(combinations(own, _CONTENDER), key=_place):
            several = [row for row in own if key_of(row, _CONTENDER) == contender]
            chosen += several
            lines.append((_name(several[0]), _cells(several, unit, notes)))
        panels.append((_heading(own), lines))
        remarks += verdicts(own)
    columns = [("", "score [95 % interval]"), ("", "solved"), ("", "updates"), ("", f"an epoch, {unit}")]
    text = Cells("learnt by", columns, panels)
    given = records.attrs.get("manifest") if manifest is None else manifest
    manifests = provenance.manifests_of(rows, given)
    header = [*_KEYS, *_NUMBERS]
    data = csv_text(header, ([row[name] for name in header] for row in chosen))
    identity = provenance.table_id(rows, manifests, "learning")
    types = COLUMNS | LEARNING_COLUMNS
    return Table(
        id=identity,
        caption=(
            "Score on test data, of the weights that were best on validation data, means over seeds [Student's 95 % "
            "interval]; solved: seeds "
            "that reached the score at which the task counts as solved, and updates until then (else: until the end), "
            "medians; the time of an epoch's updates."
        ),
        frame=strings(text),
        tidy=frame(({name: row[name] for name in header} for row in chosen), {name: types[name] for name in header}),
        notes=[*notes.lines(), *remarks],
        footer=provenance.footer(rows, manifests, identity, provenance.content_hash(data)),
        cells=text,
        data=data,
    )


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Say of one task's rows whether the LSTM beats the best of the baselines, and the plain RNN where it was tried.

    It does if the whole interval over the seeds lies on the better side; of a single seed that cannot be told, and it
    is said so. Implementations start from the same weights, so that those of one seed are no trainings of their own:
    a seed's score is their mean.
    """
    known = _scored(rows)
    ours = by_seed(known, "lstm")
    if not ours:
        return []
    higher = bool(known[0]["higher_is_better"])
    others = {row["variant"]: row["score"] for row in known if row["cell"] == "baselines"}
    found = mean(ours)
    said = []
    if others:
        best = (max if higher else min)(others, key=lambda name: others[name])
        said.append(f"{_against(found, others[best], higher)} the best baseline ({best})")
    if plain := by_seed(known, "rnn"):
        said.append(f"{_against(found, mean(plain).value, higher)} the plain RNN's mean")
    return [f"{_title(rows)}: the LSTM {'; it '.join(said)}."] if said else []


def by_seed(rows: Sequence[Row], cell: str) -> list[float]:
    """Return the scores of a cell, one for each seed: the mean over the implementations."""
    seeds = sorted({row["seed"] for row in rows if row["cell"] == cell}, key=lambda seed: (seed is None, seed))
    own = [[row["score"] for row in rows if row["cell"] == cell and row["seed"] == seed] for seed in seeds]
    return [float(np.mean(scores)) for scores in own]


def answer(records: pd.DataFrame) -> Sentence:
    """Say of each task whether the LSTM beats its baselines, with the mean score and its interval."""
    rows = _rows(records)
    parts = []
    for lesson in _lessons(rows):
        own = [row for row in rows if _belongs(row, lesson)]
        known = _scored(own)
        scores = by_seed(known, "lstm")
        seeds = f"{len(scores)} seed{'' if len(scores) == 1 else 's'}"
        told = f" Its {known[0]['metric']}: {interval(*mean(scores))}, {seeds}." if scores else ""
        said = verdicts(own) or [f"{_title(own)}: nothing was learnt."]
        parts += [markdown(f"{each}{told}") for each in said]
    return Sentence("\n".join(f"- {part}" for part in parts))


def _against(found: Mean, other: float, higher: bool) -> str:
    if found.low is None or found.high is None:
        better = found.value > other if higher else found.value < other
        return f"is {'better' if better else 'not better'} (one seed: no interval) than"
    worst, best = (found.low, found.high) if higher else (found.high, found.low)
    beats, loses = (worst > other, best < other) if higher else (worst < other, best > other)
    return "beats" if beats else "loses to" if loses else "cannot be told from"


def _lessons(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Return the lessons in the order in which they were learnt; baselines go with every dtype of their task."""
    found = [key_of(row, _LESSON) for row in rows if row["cell"] != "baselines"]
    alone = [key_of(row, _LESSON) for row in rows if row["cell"] == "baselines"]
    taught = {lesson[:2] for lesson in found}
    return list(dict.fromkeys([*found, *(lesson for lesson in alone if lesson[:2] not in taught)]))


def _belongs(row: Row, lesson: tuple[Any, ...]) -> bool:
    return key_of(row, _LESSON[:2]) == lesson[:2] and (row["cell"] == "baselines" or row["dtype"] == lesson[2])


def _place(contender: tuple[Any, ...]) -> tuple[Any, ...]:
    cell, implementation, variant = contender
    return _RANK.get(cell, 3), str(implementation), str(variant)


def _name(row: Row) -> str:
    if row["cell"] == "baselines":
        return f"{row['variant'] or 'baselines'} (baseline)"
    return (
        str(row["implementation"])
        if row["cell"] == "lstm"
        else f"plain RNN, {str(row['implementation']).partition('.')[0]}"
    )


def _heading(rows: Sequence[Row]) -> str:
    known = next((row for row in rows if row["metric"]), rows[0])
    better = {True: ", higher is better", False: ", lower is better"}.get(known["higher_is_better"], "")
    return f"{_title(rows)}: {known['metric'] or 'no metric'}{better}"


def _title(rows: Sequence[Row]) -> str:
    learnt = next((row for row in rows if row["cell"] != "baselines"), rows[0])
    sizes = f" ({learnt['sizes']})" if learnt["sizes"] else ""
    dtype = "" if learnt["dtype"] in (None, "float32") else f", {learnt['dtype']}"
    return f"{learnt['task']}{sizes}{dtype}"


def _rows(records: pd.DataFrame) -> list[Row]:
    """Return the records as rows in which every column of a lesson is there."""
    blank = dict.fromkeys(LEARNING_COLUMNS)
    return [blank | row for row in rows_of(records)]


def _scored(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["status"] == "ok" and row["score"] is not None]


def _cells(rows: Sequence[Row], unit: str, notes: Notes) -> list[str]:
    good = _scored(rows)
    bad = [row for row in rows if row not in good]
    if not good:
        return [status(bad[0], notes), "", "", ""]
    if bad:
        status(bad[0], notes)
    score = interval(*mean([row["score"] for row in good])) + (f" ({len(bad)} failed)" if bad else "")
    told = [row["solved"] for row in rows if row["solved"] is not None]
    updates = [row["updates"] for row in good if row["updates"] is not None]
    times = [row["epoch_s"] for row in good if row["epoch_s"] is not None]
    noisy = "‡" if any(row.get("noisy") is True for row in good) else ""
    return [
        score,
        f"{sum(told)} of {len(told)}" if told else "",
        f"{int(np.median(updates)):,}" if updates else "",
        number(float(np.median(times)) * SECONDS[unit]) + notes.mark(noisy) if times else "",
    ]
