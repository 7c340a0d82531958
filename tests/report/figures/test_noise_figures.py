"""Controls are drawn with their truth, and shared processes side by side."""

from typing import Any

import pandas as pd
import pytest

from lstmbench.report.figures import noise_figures
from lstmbench.report.figures.figure import Figure
from lstmbench.report.number_format import Sentence


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
