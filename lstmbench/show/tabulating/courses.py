"""How learning went, as numbers: the score on the validation data after each epoch, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lstmbench.show.tabulating.learning import Mean, by_seed, mean

WIDE = 30
"""Errors that differ by more than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Line:
    """The score of one cell in one implementation after so many updates: the mean over seeds, the least and the most.

    There is no point where no seed has a score.
    """

    label: str
    cell: str
    implementation: str
    seeds: int
    updates: list[float]
    mean: list[float]
    least: list[float]
    most: list[float]


@dataclass(frozen=True)
class Course:
    """How one task was learnt.

    Attributes:
        task: its name.
        title: the task, with what tells its sizes from those of the others.
        metric: what a score is.
        log: whether scores are told apart on a logarithmic axis only.
        lines: one for each cell and implementation.
        score: of the LSTM on the test data, with its interval over seeds; None where nothing was scored.
        baselines: their scores on the same data, by name.
    """

    task: str
    title: str
    metric: str
    log: bool
    lines: list[Line]
    score: Mean | None
    baselines: dict[str, float]


def courses(samples: pd.DataFrame, records: pd.DataFrame, tasks: Sequence[str] | None = None) -> list[Course]:
    """Return how each task went, once for each of its sizes; those without any score are left out.

    Args:
        samples: of a run of lessons, as ``read_samples`` returns them.
        records: of the same run.
        tasks: which, in this order; those of the records if None.
    """
    wanted = [str(task) for task in (tasks if tasks is not None else dict.fromkeys(records["task"]))]
    there = samples[["task", "sizes"]].dropna().drop_duplicates() if "task" in samples else pd.DataFrame()
    lessons = [(str(task), str(sizes)) for task, sizes in there.itertuples(index=False) if task in wanted]
    lessons.sort(key=lambda lesson: wanted.index(lesson[0]))
    found = []
    for task, sizes in lessons:
        others = [other for name, other in lessons if name == task and other != sizes]
        own = [each for each in sizes.split(", ") if not all(each in other.split(", ") for other in others)]
        title = f"{task} ({', '.join(own)})" if own and others else task
        found.append(_course(task, title, _of(samples, task, sizes), _of(records, task, sizes)))
    return [course for course in found if course.lines]


def _of(rows: pd.DataFrame, task: str, sizes: str) -> pd.DataFrame:
    return rows[(rows["task"] == task) & (rows["sizes"].fillna("") == sizes)]


def _course(task: str, title: str, samples: pd.DataFrame, records: pd.DataFrame) -> Course:
    lines = [
        _line(str(cell), str(name), group)
        for (cell, name), group in samples.groupby(["cell", "implementation"], sort=False)
    ]
    scored = records[records["score"].notna()]
    seeds = by_seed([{str(key): each for key, each in row.items()} for row in scored.to_dict("records")], "lstm")
    baselines = scored[scored["cell"] == "baselines"]
    metric = records["metric"].dropna()
    shown = samples["score"].astype(float).dropna()
    errors = bool(len(shown)) and shown.min() > 0 and not records["higher_is_better"].eq(True).any()
    return Course(
        task=task,
        title=title,
        metric=str(metric.iloc[0]) if len(metric) else "score",
        log=bool(errors and shown.max() > WIDE * shown.min()),
        lines=[line for line in lines if line.updates],
        score=mean(seeds) if seeds else None,
        baselines=dict(zip(baselines["variant"].astype(str), baselines["score"].astype(float), strict=True)),
    )


def _line(cell: str, implementation: str, samples: pd.DataFrame) -> Line:
    several = samples.pivot_table(index="updates", columns="seed", values="score").astype(float)
    label = implementation if cell != "rnn" else f"plain RNN, {implementation.partition('.')[0]}"
    over = [getattr(several, name)(axis=1).tolist() for name in ("mean", "min", "max")]
    return Line(label, cell, implementation, several.shape[1], several.index.astype(float).tolist(), *over)
