"""How learning went, as numbers: lines over seeds, and what came of it."""

import numpy as np
import pandas as pd

from lstmbench.report.tables.learning_curves import curves_by_task

EPOCHS = pd.DataFrame(
    [
        {"task": "adding", "sizes": "", "cell": cell, "implementation": "torch.fused", "seed": seed}
        | {"updates": updates, "score": score}
        for cell in ("lstm", "rnn")
        for seed, scores in enumerate(([3.0, 1.0], [5.0, None]))
        for updates, score in zip((10, 20), scores, strict=True)
    ]
)
SAME = {"task": "adding", "sizes": "", "metric": "error", "higher_is_better": False}
RECORDS = pd.DataFrame(
    [
        SAME | {"cell": "lstm", "variant": "fused", "seed": 0, "score": 0.5},
        SAME | {"cell": "lstm", "variant": "fused", "seed": 1, "score": None},
        SAME | {"cell": "baselines", "variant": "naive", "score": 2.0},
    ]
)


def test_a_line_is_the_mean_over_the_seeds_that_have_a_score_with_the_least_and_the_most() -> None:
    (curve,) = curves_by_task(EPOCHS, RECORDS)
    lstm, rnn = curve.lines
    assert (lstm.label, rnn.label, lstm.seeds) == ("torch.fused", "plain RNN, torch", 2)
    assert lstm.points["x"].tolist() == [10, 20] and lstm.points["y"].tolist() == [4.0, 1.0]
    assert lstm.points[["low", "high"]].to_numpy().tolist() == [[3.0, 5.0], [1.0, 1.0]]


def test_what_came_of_it_is_the_score_on_the_test_data_and_those_of_the_baselines() -> None:
    (curve,) = curves_by_task(EPOCHS, RECORDS)
    assert curve.score is not None and curve.score.value == 0.5 and curve.score.low is None
    assert curve.baselines == {"naive": 2.0} and curve.metric == "error"
    (alone,) = curves_by_task(EPOCHS, RECORDS.assign(score=np.nan))
    assert alone.score is None and alone.baselines == {}


def test_what_has_no_score_is_left_out_be_it_an_epoch_a_line_or_a_task() -> None:
    first, lstm, none = (
        EPOCHS.assign(score=EPOCHS["score"].where(chosen))
        for chosen in (EPOCHS["updates"] == 10, EPOCHS["cell"] == "lstm", EPOCHS["updates"] < 0)
    )
    (curve,) = curves_by_task(first, RECORDS)
    assert [line.points["x"].tolist() for line in curve.lines] == [[10], [10]]
    (curve,) = curves_by_task(lstm, RECORDS)
    assert [line.cell for line in curve.lines] == ["lstm"]
    assert curves_by_task(none, RECORDS) == []


def test_tasks_come_in_the_order_that_is_asked_for_and_only_those() -> None:
    both = [pd.concat([table, table.assign(task="copying")]) for table in (EPOCHS, RECORDS)]
    assert [curve.task for curve in curves_by_task(*both)] == ["adding", "copying"]
    assert [curve.task for curve in curves_by_task(*both, ["copying", "adding"])] == [
        "copying",
        "adding",
    ]
    assert [curve.task for curve in curves_by_task(*both, ["copying"])] == ["copying"]
    assert curves_by_task(*both, ["another"]) == []
