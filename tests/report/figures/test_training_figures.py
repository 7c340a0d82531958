"""Learning curves: a panel for each task, a line for each implementation, a band over the seeds."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lstmbench.report.figures import training_figures
from lstmbench.report.figures.figure import COLUMN, Figure
from lstmbench.report.number_format import Sentence

NAMES = ("numpy.fused", "torch.fused")


def samples(*tasks: str, seeds: int = 2, sizes: str = "") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"task": task, "sizes": sizes, "cell": cell, "implementation": name, "seed": seed}
            | {"updates": 10 * k, "score": 1 / k + seed}
            for task in tasks
            for cell in ("lstm", "rnn")
            for name in NAMES
            for seed in range(seeds)
            for k in (1, 2, 3)
        ]
    )


def records(*tasks: str, sizes: str = "") -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for task in tasks:
        same = {"task": task, "sizes": sizes, "metric": "error of it", "higher_is_better": False}
        rows.append(same | {"cell": "baselines", "variant": "naive", "score": 0.5})
        rows.append(same | {"cell": "baselines", "variant": "far off", "score": 1e9})
        rows += [
            same | {"cell": "lstm", "variant": "fused", "seed": seed, "score": 0.4 + seed}
            for seed in (0, 1)
        ]
    return pd.DataFrame(rows)


def drawn(*tasks: str, **options: Any) -> Figure:
    figure = training_figures.learning_curves(samples(*tasks, **options), records(*tasks))
    assert isinstance(figure, Figure)
    return figure


def test_every_task_has_a_panel_and_every_implementation_a_line_at_its_mean() -> None:
    figure = drawn("adding", "copying")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["adding", "copying"]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert {*NAMES, "plain RNN, numpy", "plain RNN, torch"} <= set(lines)
    np.testing.assert_allclose(
        lines["numpy.fused"].get_xydata(), [[10, 1.5], [20, 1.0], [30, 1 / 3 + 0.5]]
    )
    assert figure.axes[0].get_ylabel() == "error of it"


def test_one_seed_has_no_band() -> None:
    bands = [len(drawn("adding", seeds=seeds).axes[0].collections) for seeds in (1, 2)]
    assert bands[1] - bands[0] == 4


def test_the_score_on_the_test_data_stands_behind_the_last_update_with_its_interval() -> None:
    (star,) = (
        line
        for line in drawn("adding").axes[0].get_lines()
        if line.get_label() == "LSTM, test data"
    )
    np.testing.assert_allclose(star.get_xydata(), [[31.5, 0.9]])


def test_a_task_of_two_sizes_has_two_panels_that_say_which() -> None:
    sizes = [f"batches = 9, seq_len = {T}" for T in (50, 750)]
    both = [
        pd.concat([make("adding", sizes=size) for size in sizes]) for make in (samples, records)
    ]
    figure = training_figures.learning_curves(*both)
    assert isinstance(figure, Figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "adding (seq_len = 50)",
        "adding (seq_len = 750)",
    ]


def test_errors_that_differ_much_are_drawn_on_a_logarithmic_axis_and_shares_never_are() -> None:
    several, scores = samples("adding"), records("adding")
    several["score"] = np.where(several["updates"] == 30, 0.001, 1.0)
    for higher, scale in ((False, "log"), (True, "linear")):
        figure = training_figures.learning_curves(several, scores.assign(higher_is_better=higher))
        assert isinstance(figure, Figure) and figure.axes[0].get_yscale() == scale


def test_a_near_baseline_is_drawn_with_its_name_and_a_far_one_is_not() -> None:
    assert [text.get_text() for text in drawn("adding").axes[0].texts] == ["naive"]


def test_for_print_the_panels_stand_below_one_another_in_a_column() -> None:
    figure = drawn("adding", "copying")
    assert figure.narrow is not None
    narrow = figure.narrow()
    assert narrow.get_size_inches()[0] == COLUMN
    narrow.draw_without_rendering()
    lefts, tops = zip(
        *((axes.get_position().x0, axes.get_position().y1) for axes in narrow.axes), strict=True
    )
    assert lefts[0] == pytest.approx(lefts[1], abs=0.02) and tops[0] > tops[1] + 0.3


def test_where_nothing_was_learnt_it_says_so() -> None:
    assert isinstance(training_figures.learning_curves(samples()[:0], records("adding")), Sentence)
    assert isinstance(
        training_figures.learning_curves(pd.DataFrame({"seconds": [1.0]}), records("adding")),
        Sentence,
    )


def test_every_figure_says_in_words_what_it_shows_and_can_be_written() -> None:
    draw = np.random.default_rng(0)
    norms = pd.DataFrame(
        {"kind": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "lag": [0, 0, 0, 0], "norm": [1.0] * 4}
    )
    errors = pd.DataFrame({"method": ["LSTM"] * 3, "ahead": [1, 2, 3], "error": [0.1, 0.2, 0.3]})
    detectors = pd.DataFrame(
        {"detector": ["LSTM"] * 2, "recall": [0.0, 1.0], "precision": [1.0, 0.5]}
    )
    for figure in (
        drawn("adding"),
        training_figures.gradient_by_lag(norms),
        training_figures.forecast_horizons(errors, "K", "hours"),
        training_figures.precision_recall(detectors),
        training_figures.continued_curves(
            draw.normal(size=(30, 5, 2)), draw.normal(size=(10, 5, 2)), 20
        ),
    ):
        assert figure.alt.startswith(figure.caption) and figure.id != "figure"
        assert figure.png(dpi=40).startswith(b"\x89PNG")


def test_the_first_curves_are_drawn_and_no_others() -> None:
    figure = training_figures.continued_curves(np.ones((30, 5, 2)), np.ones((10, 5, 2)), 20)
    assert len(figure.axes) == training_figures.CURVES
