"""What is shown of noise, on samples whose noise is known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lstmbench.measure.suites.case import Case, Workload
from lstmbench.report.figures import noise_figures
from lstmbench.report.figures.figure import Figure
from lstmbench.report.number_format import Sentence
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
    table = noise_figures.disturbances(twice)
    assert table.loc["torch.nn"].to_dict() == {"rounds": 4, "slow sentinel": 1, "stolen time": 2}
    assert noise_figures.disturbances(samples(processes=1)).columns.tolist() == ["rounds"]


def test_a_drift_that_both_share_scatters_every_way_but_that_of_the_rounds() -> None:
    table = noise_figures.estimator_scatter(samples(drift=0.2, rounds=9), "torch.nn")["scatter"]
    assert table[noise_figures.ROUNDS] < 1e-9
    steady = noise_figures.estimator_scatter(samples(between=0.05), "torch.nn")["scatter"]
    assert steady.to_numpy() == pytest.approx(
        0.05 * np.sqrt(2), rel=0.35
    )  # no way sees what differs for good


def test_a_mean_follows_what_stands_far_out_and_a_median_does_not() -> None:
    table = noise_figures.estimator_scatter(samples(spikes=0.05), "torch.nn")["scatter"]
    assert table[noise_figures.MEAN] > 0.05
    assert table[noise_figures.MEDIAN] < 1e-9 and table[noise_figures.ROUNDS] < 1e-9


def row(control: str, workload: str, truth: float, ratio: float) -> dict[str, Any]:
    return {
        "control": control,
        "workload": workload,
        "truth": truth,
        "ratio": ratio,
        "ratio_low": ratio - 0.01,
        "ratio_high": ratio + 0.01,
        "processes": 5,
    }


def test_every_control_is_drawn_with_its_interval_and_the_truth() -> None:
    rows = [row("same", f"w{k}", 1.0, 1.0) for k in range(3)] + [
        row("slower", f"w{k}", 1.05, 1.06) for k in range(3)
    ]
    figure = noise_figures.controls({"controls": {"rows": rows}})
    assert isinstance(figure, Figure)
    (axes,) = figure.axes
    points = [line for line in axes.lines if len(line.get_xdata())]
    assert [list(line.get_ydata()) for line in points] == [
        [1.0] * 3,
        [1.06] * 3,
        [1.0] * 3 + [1.05] * 3,
    ]
    assert "3 workloads" in figure.alt


@pytest.mark.parametrize("manifest", [{}, {"controls": None}, {"controls": {"rows": []}}])
def test_without_controls_it_is_said_that_there_are_none(manifest: dict[str, Any]) -> None:
    assert isinstance(noise_figures.controls(manifest), Sentence)


def test_the_calls_of_each_kind_of_process_stand_side_by_side() -> None:
    kinds = (("one each", 1.0), ("one for all", 9.0))
    times = pd.DataFrame(
        [
            (name, kind, 0, k, seconds)
            for name in ("a.b", "c.d")
            for kind, seconds in kinds
            for k in range(3)
        ],
        columns=["implementation", "processes", "repeat", "call", "seconds"],
    )  # fmt: skip
    figure = noise_figures.processes(times)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()][:2] == [
        "a.b\none each",
        "a.b\none for all",
    ]
    assert axes.get_ylabel() == "time of one call, s"
