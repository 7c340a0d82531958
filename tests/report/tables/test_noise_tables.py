"""Noise in numbers, on samples whose noise is known."""

import numpy as np
import pandas as pd
import pytest

from lstmbench.measure.suites.case import Case, Workload
from lstmbench.report.tables import noise_tables
from lstmbench.results.schema import SAMPLE_COLUMNS, frame

WORKLOAD = Workload("training", 4, 16, 8, 8)
GENERATOR = np.random.default_rng(0)


def samples(
    names: tuple[str, ...] = ("torch.nn", "torch.fused"),
    processes: int = 40,
    rounds: int = 30,
    between: float = 0.0,
    spikes: float = 0.0,
    drift: float = 0.0,
) -> pd.DataFrame:
    """Samples of implementations that take 1 ms each; a drift and nothing else is shared by those
    of a round.
    """
    rows = []
    for process in range(processes):
        shifts = {name: between * GENERATOR.standard_normal() for name in names}
        for round_ in range(rounds):
            shared = drift * GENERATOR.standard_normal()
            for name in names:
                spike = 5.0 if GENERATOR.random() < spikes else 0.0
                time = 1e-3 * (np.exp(shifts[name] + shared) + spike)
                at = {
                    "process": process,
                    "round": round_,
                    "sample": 0,
                    "disturbed": False,
                    "disturbance": "",
                }
                rows.append(
                    Case(name, WORKLOAD).columns()
                    | {"peer": False, "calls": 1, "seconds": time}
                    | at
                )
    return frame(rows, SAMPLE_COLUMNS)


def test_disturbed_rounds_are_counted_by_kind_and_a_round_is_counted_once() -> None:
    rows = samples(processes=1, rounds=4)
    rows.loc[rows["round"] == 1, "disturbance"] = "stolen time"
    rows.loc[rows["round"] == 2, "disturbance"] = "stolen time, slow sentinel"
    twice = pd.concat([rows, rows.assign(sample=1)])
    table = noise_tables.disturbances(twice)
    assert table.loc["torch.nn"].to_dict() == {"rounds": 4, "slow sentinel": 1, "stolen time": 2}
    assert noise_tables.disturbances(samples(processes=1)).columns.tolist() == ["rounds"]


def test_a_drift_that_both_share_scatters_every_way_but_that_of_the_rounds() -> None:
    table = noise_tables.estimator_scatter(samples(drift=0.2, rounds=9), "torch.nn")["scatter"]
    assert table[noise_tables.ROUNDS] < 1e-9
    steady = noise_tables.estimator_scatter(samples(between=0.05), "torch.nn")["scatter"]
    assert steady.to_numpy() == pytest.approx(
        0.05 * np.sqrt(2), rel=0.35
    )  # no way sees what differs for good


def test_a_mean_follows_what_stands_far_out_and_a_median_does_not() -> None:
    table = noise_tables.estimator_scatter(samples(spikes=0.05), "torch.nn")["scatter"]
    assert table[noise_tables.MEAN] > 0.05
    assert table[noise_tables.MEDIAN] < 1e-9 and table[noise_tables.ROUNDS] < 1e-9
