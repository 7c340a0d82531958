"""Learning curves as numbers: the score on the validation data after each epoch, and the final
scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lstmbench.report.tables.training_tables import BASELINES, Mean, by_seed, contender_name, mean

MAX_LINEAR_RANGE = 30
"""Errors that differ by more than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class ScoreLine:
    """The score of one cell in one implementation by the number of updates: mean, least and most
    over the seeds.

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
class LearningCurve:
    """How one task was learnt.

    Attributes:
        task: its name.
        title: the task, with the sizes that tell it from others of the same name.
        metric: what a score is.
        log: whether scores need a logarithmic axis to be told apart.
        lines: one for each cell and implementation.
        score: of the LSTM on the test data, with its interval over seeds; None where nothing was
            scored.
        baselines: their scores on the same data, by name.
    """

    task: str
    title: str
    metric: str
    log: bool
    lines: list[ScoreLine]
    score: Mean | None
    baselines: dict[str, float]


def learning_curves(
    samples: pd.DataFrame, records: pd.DataFrame, tasks: Sequence[str] | None = None
) -> list[LearningCurve]:
    """Return the curve of each task, once for each of its sizes; those without any score are left
    out.

    Args:
        samples: of a run of training benchmarks, as ``read_samples`` returns them.
        records: of the same run.
        tasks: which, in this order; those of the records if None.
    """
    wanted = [str(task) for task in (tasks if tasks is not None else records["task"].unique())]
    trained = (
        samples[["task", "sizes"]].dropna().drop_duplicates()
        if "task" in samples
        else pd.DataFrame()
    )
    trainings = [
        (str(task), str(sizes)) for task, sizes in trained.itertuples(index=False) if task in wanted
    ]
    curves = []
    for task, sizes in sorted(trainings, key=lambda training: wanted.index(training[0])):
        others = [other.split(", ") for name, other in trainings if name == task and other != sizes]
        own = [size for size in sizes.split(", ") if not all(size in other for other in others)]
        title = f"{task} ({', '.join(own)})" if own and others else task
        curves.append(_curve(task, title, _of(samples, task, sizes), _of(records, task, sizes)))
    return [curve for curve in curves if curve.lines]


def _of(rows: pd.DataFrame, task: str, sizes: str) -> pd.DataFrame:
    return rows[(rows["task"] == task) & (rows["sizes"].fillna("") == sizes)]


def _curve(task: str, title: str, samples: pd.DataFrame, records: pd.DataFrame) -> LearningCurve:
    groups = samples.groupby(["cell", "implementation"], sort=False)
    lines = [_line(str(cell), str(name), group) for (cell, name), group in groups]
    scored = records[records["score"].notna()]
    seeds = by_seed(
        [{str(name): value for name, value in row.items()} for row in scored.to_dict("records")],
        "lstm",
    )
    baselines = scored[scored["cell"] == BASELINES]
    metric = records["metric"].dropna()
    scores = samples["score"].astype(float).dropna()
    errors = (
        bool(len(scores)) and scores.min() > 0 and not records["higher_is_better"].eq(True).any()
    )
    return LearningCurve(
        task=task,
        title=title,
        metric=str(metric.iloc[0]) if len(metric) else "score",
        log=bool(errors and scores.max() > MAX_LINEAR_RANGE * scores.min()),
        lines=[line for line in lines if line.updates],
        score=mean(seeds) if seeds else None,
        baselines=dict(
            zip(baselines["variant"].astype(str), baselines["score"].astype(float), strict=True)
        ),
    )


def _line(cell: str, implementation: str, samples: pd.DataFrame) -> ScoreLine:
    by_updates = samples.pivot_table(index="updates", columns="seed", values="score").astype(float)
    over_seeds = [getattr(by_updates, name)(axis=1).tolist() for name in ("mean", "min", "max")]
    updates = by_updates.index.astype(float).tolist()
    return ScoreLine(
        contender_name(cell, implementation),
        cell,
        implementation,
        by_updates.shape[1],
        updates,
        *over_seeds,
    )
