"""Training runs: suites, workers, records; a failure costs its own row only."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tiny import measure_in_process

import lstmbench as lb
from lstmbench.measure.run_training import epoch_times
from lstmbench.measure.suites.suite_file import read_suite
from lstmbench.measure.suites.training_suite import BASELINES, TrainingSuite
from lstmbench.report.tables.standard_tables import standard_tables
from lstmbench.report.tables.training_tables import learning_table, mean, summary, verdicts
from lstmbench.results.schema import TRAINING_COLUMNS
from lstmbench.results.store import read_samples

TINY = {
    "task": "adding",
    "sizes": {"seq_len": 8, "batches": 3, "held_out": 20},
    "recipe": {"epochs": 2, "hidden_size": 4},
}
OURS = ["numpy.fused", "torch.fused", "jax.fused"]


def suite_file(folder: Path, **content: Any) -> Path:
    path = folder / "training.yaml"
    path.write_text(yaml.safe_dump({"tasks": [TINY]} | content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> lb.Run:
    folder = tmp_path_factory.mktemp("training")
    path = suite_file(folder, tasks=[TINY | {"cells": ["lstm", "rnn"], "seeds": 2}])
    with pytest.MonkeyPatch.context() as monkeypatch:
        measure_in_process(monkeypatch)
        return lb.run(path, folder / "out", progress=False)


def test_every_training_and_every_baseline_is_a_record(done: lb.Run) -> None:
    records = done.records
    assert (records["status"] == "ok").all(), records["error"].tolist()
    trained = records[records["cell"] != BASELINES]
    assert len(trained) == 3 * 2 * 2 and set(trained["implementation"]) == set(OURS)
    assert records[records["cell"] == BASELINES]["variant"].tolist() == ["always 1"]
    assert set(TRAINING_COLUMNS) - {"loss"} <= set(records.columns)
    assert (
        (trained["updates"] == 6).all()
        and (trained["epochs"] == 2).all()
        and (trained["epoch_s"] > 0).all()
    )
    assert (trained["hidden_size"] == 4).all() and (trained["seq_len"] == 8).all()
    assert trained["environment_id"].notna().all() and trained["time_median_s"].isna().all()


def test_the_frameworks_learn_the_same_from_the_same_seed(done: lb.Run) -> None:
    trained = done.records.query("cell != 'baselines'")
    spread = trained.groupby(["cell", "seed"])["score"].agg(
        lambda scores: scores.max() / scores.min() - 1
    )
    assert (spread < 1e-4).all()  # float32
    assert trained.groupby("cell")["score"].nunique().min() > 1  # and not from different ones


def test_samples_hold_every_epoch_s_loss_score_and_seconds(done: lb.Run) -> None:
    samples = read_samples(done.folder)
    assert len(samples) == 3 * 2 * 2 * 2
    assert (
        samples.groupby(["implementation", "cell", "seed"])["round"]
        .apply(list)
        .map(lambda r: r == [1, 2])
        .all()
    )
    assert samples[["loss", "score", "seconds"]].notna().all(axis=None)


def test_a_complete_run_is_not_trained_again(done: lb.Run, tmp_path: Path) -> None:
    before = done.records
    path = suite_file(tmp_path, tasks=[TINY | {"cells": ["lstm", "rnn"], "seeds": 2}])
    pd.testing.assert_frame_equal(lb.run(path, done.folder, progress=False).records, before)


def test_a_training_run_has_a_table_of_scores(done: lb.Run) -> None:
    (table,) = standard_tables(done.records)
    text = table.markdown()
    assert (
        table.id == "training-learning"
        and "always 1 (baseline)" in text
        and "plain RNN, jax" in text
    )
    assert (
        "adding (batches = 3, held\\_out = 20, seq\\_len = 8): mean squared error, lower is better"
        in text
    )
    assert text == learning_table(done.records).markdown()
    assert len(table.tidy) == len(done.records)
    assert "the LSTM" in str(summary(done.records))


def row(cell: str, score: float, variant: str = "x", higher: bool = False) -> dict[str, Any]:
    return dict.fromkeys(TRAINING_COLUMNS) | {
        "task": "t", "cell": cell, "score": score, "status": "ok", "variant": variant,
        "higher_is_better": higher, "metric": "m", "dtype": "float32",
        "implementation": "numpy.fused", "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "baseline", "higher", "verdict"),
    [
        ([1.0, 1.1, 1.2], 2.0, False, "beats"),
        ([1.0, 1.1, 1.2], 0.5, False, "loses to"),
        ([1.0, 1.1, 1.2], 1.1, False, "cannot be told from"),
        ([1.0, 1.1, 1.2], 0.5, True, "beats"),
        ([1.0], 2.0, False, "is better (one seed: no interval) than"),
        ([3.0], 2.0, False, "is not better (one seed: no interval) than"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(
    scores: list[float], baseline: float, higher: bool, verdict: str
) -> None:
    rows = [row("lstm", score, higher=higher) | {"seed": seed} for seed, score in enumerate(scores)]
    rows.append(row(BASELINES, baseline, "naive", higher))
    assert verdicts(pd.DataFrame(rows)) == [f"t: the LSTM {verdict} the best baseline (naive)."]


def test_the_model_is_compared_with_the_best_baseline() -> None:
    rows = [
        row("lstm", 1.0),
        row("lstm", 1.1) | {"seed": 1},
        row(BASELINES, 5.0, "bad"),
        row(BASELINES, 0.1, "good"),
    ]
    assert "loses to the best baseline (good)" in verdicts(pd.DataFrame(rows))[0]


def test_implementations_of_one_seed_count_as_one_training() -> None:
    rows = [row("lstm", 1.0) | {"implementation": name} for name in OURS] + [
        row(BASELINES, 2.0, "naive")
    ]
    assert "one seed: no interval" in verdicts(pd.DataFrame(rows))[0]


def test_the_mean_of_one_seed_has_no_interval_and_of_five_students() -> None:
    assert mean([2.0]) == (2.0, None, None)
    found = mean([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.value == 3 and found.high == pytest.approx(3 + 2.776 * 1.5811 / 5**0.5, rel=1e-3)


def test_disturbed_epochs_are_left_out_of_the_epoch_time_unless_too_many(
    done: lb.Run,
) -> None:
    epochs: list[dict[str, Any]] = [{"seconds": 1.0, "disturbed": False}] * 7 + [
        {"seconds": 9.0, "disturbed": True}
    ]
    few = {"rounds": 8, "disturbed_rounds": 1, "noisy": False, "epoch_s": 1.0}
    assert epoch_times(epochs) == few
    many = [{"seconds": 1.0, "disturbed": False}, *[{"seconds": 9.0, "disturbed": True}] * 3]
    assert epoch_times(many) == {"rounds": 4, "disturbed_rounds": 3, "noisy": True, "epoch_s": 9.0}
    noisy = done.records.assign(noisy=done.records["implementation"] == "jax.fused")
    quiet = done.records.assign(noisy=False)
    text = learning_table(noisy).markdown()
    assert (
        sum(" ‡" in line for line in text.splitlines() if line.startswith("|")) == 2
    )  # the LSTM and the plain RNN
    assert "noisy: more than a quarter" in text and "noisy:" not in learning_table(quiet).markdown()


# What goes wrong


def test_a_training_that_cannot_start_is_a_failed_row_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_in_process(monkeypatch)
    wrong = TINY | {"sizes": {"length": 3}}
    done = lb.run(
        suite_file(tmp_path, tasks=[wrong], implementations=["numpy.fused"]),
        tmp_path / "out",
        progress=False,
    )
    assert set(done.records["status"]) == {"failed"} and done.failed
    assert done.records["error"].str.contains("has no size 'length'").all()


def test_a_loss_that_diverges_is_a_failed_row_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_in_process(monkeypatch)
    wild = TINY | {
        "recipe": {
            "optimizer": "sgd",
            "learning_rate": 1000.0,
            "clip": 1e30,
            "epochs": 5,
            "hidden_size": 4,
        }
    }
    wild |= {"sizes": {"seq_len": 8, "batches": 30, "held_out": 20}}
    done = lb.run(
        suite_file(tmp_path, tasks=[wild], implementations=["numpy.fused"]),
        tmp_path / "out",
        progress=False,
    )
    trained = done.records[done.records["cell"] == "lstm"].iloc[0]
    assert trained["status"] == "failed" and pd.isna(trained["score"]), trained.to_dict()
    assert "it learnt nothing" in trained["error"]


@pytest.mark.process
def test_an_epoch_that_takes_too_long_is_a_timeout_and_other_trainings_continue(
    tmp_path: Path,
) -> None:
    long = TINY | {"sizes": {"seq_len": 2000, "batches": 1000}}
    suite = suite_file(tmp_path, tasks=[long, TINY], implementations=["numpy.fused"], timeout_s=2.0)
    records = lb.run(suite, tmp_path / "out", progress=False).records
    assert records[records["cell"] == "lstm"]["status"].tolist() == ["timeout", "ok"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"tasks": ["ading"]}, "there is no task 'ading'"),
        ({"tasks": []}, "it is empty"),
        (
            {"tasks": [{"task": "adding", "recipe": {"epoch": 5}}]},
            "'tasks.0.recipe.epoch': there is no such key; the keys here are hidden_size, optimiz",
        ),
        (
            {"tasks": [{"task": "adding", "seed": 5}]},
            "'tasks.0.seed': there is no such key; the keys here are task, sizes, recipe, cells",
        ),
        ({"tasks": [{"task": "adding", "recipe": {"epochs": 0}}]}, "epochs"),
        ({"tasks": [{"task": "adding", "cells": "gru"}]}, "lstm"),
        ({"tasks": ["adding"], "implementations": ["numpy.fase"]}, "numpy.fase"),
        ({"tasks": ["adding"], "seeds": 10_000}, "seeds"),
        ({"tasks": [{"task": "adding", "seeds": 1000}] * 100}, "at most 100,000"),
        (
            {"tasks": ["adding"], "grids": []},
            "keys here are description, implementations, tasks",
        ),
    ],
)
def test_an_invalid_training_suite_is_refused_with_the_place(
    content: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(lb.LstmbenchError, match=words):
        read_suite(path)


def test_a_suite_can_be_reduced_to_some_of_its_tasks(tmp_path: Path) -> None:
    suite = read_suite("learning")
    assert isinstance(suite, TrainingSuite)
    assert {workload.task for workload in suite.with_tasks(["digits"]).workloads()} == {"digits"}
    with pytest.raises(lb.LstmbenchError, match="no task 'adding2'; it has adding"):
        suite.with_tasks(["adding2"])
    with pytest.raises(lb.LstmbenchError, match="has no tasks"):
        lb.run("smoke", tmp_path / "out", tasks=["adding"])
    with pytest.raises(lb.LstmbenchError, match="'learning' is a training suite"):
        lb.run("learning", tmp_path / "out", ab=("numpy.fused", "torch.fused"))
