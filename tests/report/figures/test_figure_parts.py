"""The parts that figures share: the legend's columns, the scales, and the size of panels."""

import numpy as np
import pandas as pd
import pytest
from made_up import make, quick_rows, unwell

from lstmbench import report
from lstmbench.report.figures.figure import (
    COLUMN,
    PAGE,
    PANEL_HEIGHT,
    Figure,
    draw_lines,
    line_chart,
    scale_numbers,
)


def points(*names: str, **columns: list[float]) -> pd.DataFrame:
    data = {"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]} | columns
    return pd.concat([pd.DataFrame(data).assign(hue=name) for name in names])


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_the_legend_has_as_many_columns_as_find_room(width: float) -> None:
    columns = []
    for length in (2, 4, 7, 10, 14, 18, 60):
        names = [f"{k}{'x' * length}" for k in range(5)]
        figure, _ = line_chart(points(*names), "x", "y", {name: {} for name in names}, width=width)
        figure.draw_without_rendering()
        (legend,) = figure.legends
        if length < 60:
            assert legend.get_window_extent().x1 <= figure.bbox.x1
        columns.append(min(5, legend._ncols))
    assert columns == sorted(columns, reverse=True) and columns[0] > columns[-1] == 1


def test_lines_without_a_style_differ_in_more_than_colour() -> None:
    names = [str(k) for k in range(6)]
    _, axes = line_chart(points(*names), "x", "y", {name: {} for name in names})
    for look in (
        lambda line: line.get_color(),
        lambda line: str(line._dash_pattern),
        lambda line: line.get_marker(),
    ):
        assert len({look(line) for line in axes.lines}) == 6


def test_an_interval_is_a_band_of_a_line_and_a_bar_of_a_mark_and_none_if_it_has_no_width() -> None:
    kinds = []
    for joined, low in ((True, 0.5), (False, 0.5), (True, 1.0)):
        axes = Figure().subplots()
        ends = {"low": [low] * 3, "high": [1.0] * 3}
        look = {} if joined else {"linestyle": "none"}
        draw_lines(axes, points("a", **ends), {"a": look})
        kinds.append([type(collection).__name__ for collection in axes.collections])
    assert [len(kind) for kind in kinds] == [1, 1, 0]
    assert kinds[1] == ["LineCollection"] and kinds[0] != kinds[1]


@pytest.mark.parametrize(("greatest", "scale"), [(2.0, "linear"), (200.0, "log")])
def test_numbers_that_differ_little_are_compared_from_zero(greatest: float, scale: str) -> None:
    axes = Figure().subplots()
    axes.plot([1, 2], [1.0, greatest])
    scale_numbers(axes, pd.DataFrame({"y": [1.0, np.nan, greatest]}), log=True)
    assert axes.get_yscale() == scale
    assert (axes.get_ylim()[0] == 0.0) == (scale == "linear")


@pytest.mark.parametrize("greatest", [2.6, 3.5, 9.0, 11.0, 99.0, 2000.0])
def test_a_logarithmic_axis_has_several_ticks(greatest: float) -> None:
    axes = Figure().subplots()
    numbers = pd.DataFrame({"y": [0.7, 0.7 * greatest]})
    axes.plot([1, 2], numbers["y"])
    scale_numbers(axes, numbers, log=True)
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert len([tick for tick in axes.get_yticks() if low <= tick <= high]) >= 3


def test_panels_are_equally_high_however_much_is_written_around_them() -> None:
    heights = []
    for status in ("ok", "failed"):
        rows = [
            unwell(row, status, "x") if row["seq_len"] > 64 and status != "ok" else row
            for row in quick_rows()
        ]
        figure = report.standard_figures(make(rows))[0]["quick-speed"]
        figure.draw_without_rendering()
        heights += [axes.get_window_extent().height / figure.dpi for axes in figure.axes]
    np.testing.assert_allclose(heights, PANEL_HEIGHT, rtol=0.05)
