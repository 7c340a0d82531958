"""What noise does, in numbers: disturbed rounds, and the scatter of each estimator of a ratio."""

import numpy as np
import pandas as pd

from lstmbench.report.labels import WORKLOAD, ordered

BEST = "best time over best time, of one process"
MEAN = "mean over mean, of one process"
MEDIAN = "median over median, of one process"
ROUNDS = "median of the ratios within rounds, of one process"


def disturbances(samples: pd.DataFrame) -> pd.DataFrame:
    """Count the rounds of each implementation: all, and those that each kind of disturbance marked.

    Args:
        samples: as ``read_samples`` returns them.
    """
    keys = ["implementation", *WORKLOAD, "process", "round"]
    rounds = samples.drop_duplicates(keys).set_index("implementation")["disturbance"]
    kinds = rounds.fillna("").str.get_dummies(", ").drop(columns="", errors="ignore")
    kinds.insert(0, "rounds", 1)
    counts = kinds.groupby(level=0).sum()
    return counts.loc[ordered("implementation", counts.index)]


def estimator_scatter(samples: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return how far each estimator of a ratio scatters between processes of the same two cases.

    Args:
        samples: as ``read_samples`` returns them.
        reference: the implementation that ratios are taken against.

    Returns:
        One row per estimator: ``scatter``, the standard deviation between processes as a share,
        the median over implementations and workloads, and ``worst``, its largest.
    """
    process = [*WORKLOAD, "process"]
    seconds = samples.groupby(["implementation", *process])["seconds"]
    rounds = samples.groupby(["implementation", *process, "round"])["seconds"].mean()
    averages = {BEST: seconds.min(), MEAN: seconds.mean(), MEDIAN: seconds.median()}
    ratios = {estimator: _ratios(average, reference) for estimator, average in averages.items()}
    ratios[ROUNDS] = _ratios(rounds, reference).groupby(level=process).median()
    table = {}
    for estimator, ratio in ratios.items():
        scatter = ratio.apply(np.log).groupby(level=list(WORKLOAD)).std().melt()["value"]
        table[estimator] = {"scatter": scatter.median(), "worst": scatter.max()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("estimator")


def _ratios(seconds: "pd.Series[float]", reference: str) -> pd.DataFrame:
    """Return the ratios to the reference, a column for each other implementation."""
    columns = seconds.astype(float).unstack("implementation")
    return columns.drop(columns=reference).div(columns[reference], axis=0)
