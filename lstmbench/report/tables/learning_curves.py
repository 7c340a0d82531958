"""Learning curves as numbers: validation scores by the number of updates, and the final scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lstmbench.report.tables.training_tables import BASELINES, Mean, by_seed, contender_name, mean

MAX_LINEAR_RANGE = 30
"""Errors that differ by more than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class ScoreLine:
    """The scores of one cell in one implementation.

    Attributes:
        label: what it is called.
        cell, implementation: as in the records.
        seeds: their number.
        points: one row for each number of updates at which a seed has a score: ``x``, the number of
            updates, ``y``, the mean score over the seeds, ``low`` and ``high``, the least and the
            greatest score.
    """

    label: str
    cell: str
    implementation: str
    seeds: int
    points: pd.DataFrame


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

    @property
    def end(self) -> float:
        """The x coordinate of the final score, a little beyond the last update."""
        return 1.05 * max(float(line.points["x"].iloc[-1]) for line in self.lines)

    def near_baselines(self, low: float, high: float) -> dict[str, float]:
        """Return the baselines that do not press curves between these scores flat."""
        margin = 2 * (high - low)
        low, high = (low / 10, high * 10) if self.log else (low - margin, high + margin)
        return {name: score for name, score in self.baselines.items() if low <= score <= high}


def curves_by_task(
    samples: pd.DataFrame, records: pd.DataFrame, tasks: Sequence[str] | None = None
) -> list[LearningCurve]:
    """Return the curve of each task and size; those without any score are left out.

    Args:
        samples: of a run of training benchmarks, as ``read_samples`` returns them.
        records: of the same run.
        tasks: which, in this order; those of the records if None.
    """
    if "task" not in samples:
        return []
    trained = samples[["task", "sizes"]].dropna().drop_duplicates()
    curves = []
    for task in records["task"].unique() if tasks is None else tasks:
        all_sizes = trained["sizes"][trained["task"] == task]
        for sizes in all_sizes:
            others = [other.split(", ") for other in all_sizes if other != sizes]
            own = [size for size in sizes.split(", ") if not all(size in other for other in others)]
            title = f"{task} ({', '.join(own)})" if own and others else task
            curves.append(_curve(task, title, _of(samples, task, sizes), _of(records, task, sizes)))
    return [curve for curve in curves if curve.lines]


def _of(rows: pd.DataFrame, task: str, sizes: str) -> pd.DataFrame:
    return rows[(rows["task"] == task) & (rows["sizes"].fillna("") == sizes)]


def _curve(task: str, title: str, samples: pd.DataFrame, records: pd.DataFrame) -> LearningCurve:
    groups = samples.dropna(subset="score").groupby(["cell", "implementation"], sort=False)
    scored = records[records["score"].notna()]
    seeds = by_seed(scored, "lstm")
    baselines = scored[scored["cell"] == BASELINES]
    scores = samples["score"].astype(float).dropna()
    are_errors = not records["higher_is_better"].eq(True).any()
    return LearningCurve(
        task=task,
        title=title,
        metric=next(iter(records["metric"].dropna()), "score"),
        log=are_errors and bool(0 < MAX_LINEAR_RANGE * scores.min() < scores.max()),
        lines=[_line(str(cell), str(name), group) for (cell, name), group in groups],
        score=mean(seeds) if len(seeds) else None,
        baselines=dict(zip(baselines["variant"], baselines["score"].astype(float), strict=True)),
    )


def _line(cell: str, implementation: str, scored: pd.DataFrame) -> ScoreLine:
    scores = scored.astype({"score": float}).groupby("updates")["score"]
    points = scores.agg(y="mean", low="min", high="max").rename_axis("x").reset_index()
    label = contender_name(cell, implementation)
    return ScoreLine(label, cell, implementation, scored["seed"].nunique(), points.astype(float))
