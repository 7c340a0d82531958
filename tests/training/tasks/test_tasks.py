"""Every task: its shapes, seeds, separate parts, and scores."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from lstmbench.errors import LstmbenchError
from lstmbench.training.task import Array, Batch, Metric, Recipe, Task, minibatches, seeded_rng
from lstmbench.training.tasks import describe_task, language, make_task, task_class, task_names
from lstmbench.training.tasks.adding import Adding
from lstmbench.training.tasks.anomalies import Anomalies, rolling_z_score
from lstmbench.training.tasks.common.fault_injection import FAULT_KINDS, inject_faults
from lstmbench.training.tasks.common.forecasting import ForecastingTask
from lstmbench.training.tasks.common.ngram_model import NGramModel
from lstmbench.training.tasks.copying import BEGIN, BLANK, LENGTH, Copying
from lstmbench.training.tasks.digits import shift_images
from lstmbench.training.tasks.drawing import Drawing
from lstmbench.training.tasks.sentiment import STEM, encoded_words, rated_words

SMALL: dict[str, dict[str, int]] = {
    "language": {"seq_len": 20, "share": 2},
    "drawing": {"batches": 2},
}


@pytest.fixture(params=task_names())
def task(request: pytest.FixtureRequest) -> Task:
    return make_task(request.param, SMALL.get(request.param))


def first(task: Task, seed: int = 0, epoch: int = 1) -> Batch:
    return next(iter(task.epoch(seed, epoch)))


def nothing(task: Task) -> Any:
    """A model that always says 0."""
    return lambda x: np.zeros((*x.shape[:2], task.output_size))


# All of them


def test_inputs_and_targets_have_the_declared_shapes(task: Task) -> None:
    x, targets = first(task)
    T, B, features = x.shape
    assert features == task.input_size and T >= targets.shape[0] >= 1 and targets.shape[1] == B
    assert np.isfinite(x).all() and np.isfinite(targets).all()
    if task.loss == "mse":
        assert targets.shape[2:] == (task.output_size,)
    else:
        assert targets.ndim == 2 and targets.min() >= 0 and targets.max() < task.output_size
        assert np.issubdtype(targets.dtype, np.integer)


def test_epochs_depend_on_seed_and_number_only(task: Task) -> None:
    again = make_task(next(name for name in task_names() if task_class(name) is type(task)), None)
    again = replace(again, **vars_of(task))  # type: ignore[type-var]
    np.testing.assert_array_equal(first(task).x, first(again).x)
    for other in (first(task, seed=1), first(task, epoch=2)):
        assert other.x.shape != first(task).x.shape or (other.x != first(task).x).any()


def vars_of(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in describe_task_sizes(task)}


def describe_task_sizes(task: Task) -> list[str]:
    return list(
        describe_task(next(name for name in task_names() if task_class(name) is type(task)))[
            "sizes"
        ]
    )


def test_scores_of_both_parts_are_finite_and_repeatable(task: Task) -> None:
    for part in ("validation", "test"):
        score = task.score(nothing(task), part)  # type: ignore[arg-type]
        assert np.isfinite(score) and score == task.score(nothing(task), part)  # type: ignore[arg-type]


def test_every_task_has_baselines_and_a_question(task: Task) -> None:
    assert task.question.endswith("?") and task.metric.name
    baselines = task.baselines()
    assert baselines and all(np.isfinite(score) for score in baselines.values())


def test_unknown_and_invalid_sizes_are_refused() -> None:
    with pytest.raises(
        LstmbenchError, match="'adding' has no size 'length'; its sizes are seq_len"
    ):
        make_task("adding", {"length": 5})
    for wrong in (0, -1, 2.5, True, "5"):
        with pytest.raises(LstmbenchError, match="positive whole number"):
            make_task("adding", {"seq_len": wrong})  # type: ignore[dict-item]


def test_an_unknown_task_is_refused_with_the_list_of_tasks() -> None:
    with pytest.raises(
        LstmbenchError, match="Unknown task 'ading'; the tasks are adding, anomalies"
    ):
        make_task("ading")
    assert not {"task", "common"} & set(task_names())
    assert not any(name.startswith("_") for name in task_names())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr("lstmbench.training.tasks.import_module", missing)
    assert (
        describe_task("digits")["reason"]
        == "The task 'digits' needs the package sklearn, which is not installed."
    )


def test_held_out_data_differ_from_those_of_epochs() -> None:
    assert (
        seeded_rng(0).random(5) != seeded_rng(0, 0).random(5)
    ).all()  # NumPy alone takes both for one seed
    assert (seeded_rng(1).random(5) != seeded_rng(1, 0).random(5)).all()


def test_minibatches_show_sequences_once_and_drop_an_incomplete_batch() -> None:
    x = np.arange(2 * 10).reshape(2, 10, 1)
    shown = np.concatenate([batch.x[0, :, 0] for batch in minibatches(x, x, 3, seed=0, epoch=1)])
    assert len(set(shown)) == len(shown) == 9
    (all_of_few,) = minibatches(x[:, :2], x[:, :2], 3, seed=0, epoch=1)
    assert all_of_few.x.shape[1] == 2


# One by one


def test_the_target_of_adding_is_the_sum_of_the_two_marked_numbers() -> None:
    x, targets = first(Adding(seq_len=9, batch_size=40))
    values, marks = x[:, :, 0], x[:, :, 1]
    assert (marks.sum(axis=0) == 2).all() and (marks[:4].sum(axis=0) == 1).all()
    np.testing.assert_allclose(targets[0, :, 0], (values * marks).sum(axis=0))


def test_always_answering_one_has_the_published_error_at_adding() -> None:
    task = Adding(held_out=20_000)
    assert task.baselines()["always 1"] == pytest.approx(1 / 6, rel=0.03)
    assert task.score(lambda x: np.ones((*x.shape[:2], 1)), "test") == task.baselines()["always 1"]
    perfect = task.score(lambda x: (x[:, :, :1] * x[:, :, 1:]).sum(axis=0, keepdims=True), "test")
    assert perfect == pytest.approx(0, abs=1e-12)


def test_copying_targets_repeat_the_ten_symbols_after_the_start_sign() -> None:
    x, targets = first(Copying(delay=7, batch_size=5))
    read = x.argmax(axis=2)
    assert len(read) == 7 + 2 * LENGTH
    np.testing.assert_array_equal(read[:LENGTH], targets[-LENGTH:])
    assert (read[-LENGTH - 1] == BEGIN).all() and (targets[:-LENGTH] == BLANK).all()
    assert (read[LENGTH : -LENGTH - 1] == BLANK).all() and (read[-LENGTH:] == BLANK).all()


def test_ngram_probabilities_match_witten_bell_smoothing() -> None:
    text = np.array([0, 1, 0, 1, 0, 0])
    model = NGramModel(text, order=2, symbols=3)
    unigram = [(4 + 2 / 3) / (6 + 2), (2 + 2 / 3) / (6 + 2), (0 + 2 / 3) / (6 + 2)]
    after_0 = [
        (1 + 2 * unigram[0]) / (3 + 2),
        (2 + 2 * unigram[1]) / (3 + 2),
        (0 + 2 * unigram[2]) / (3 + 2),
    ]
    for symbol in range(3):
        assert model.probability(b"\x00", symbol) == pytest.approx(after_0[symbol])
    assert sum(model.probability(b"\x02", symbol) for symbol in range(3)) == pytest.approx(
        1
    )  # never seen: the unigram
    assert model.bits(np.array([2])) == pytest.approx(-np.log2(unigram[2]))


def test_text_parts_share_no_paragraph() -> None:
    parts = {part: set(text.split("\n\n")) for part, text in language.texts().items()}
    shared = parts["train"] & parts["test"]
    assert not {text for text in shared if len(text) > 1}


def test_the_uniform_model_needs_log2_of_the_alphabet_size_bits() -> None:
    task = make_task("language")
    assert task.score(nothing(task), "test") == pytest.approx(np.log2(len(language.alphabet())))


def test_language_targets_are_the_next_characters() -> None:
    x, targets = first(make_task("language", {"seq_len": 20}))
    np.testing.assert_array_equal(x.argmax(axis=2)[1:], targets[:-1])


def test_word_parts_share_no_stem() -> None:
    words = rated_words()
    assert len(words) > 3000 and {len(part.targets[0]) for part in encoded_words().values()}
    assert sum(part.targets.size for part in encoded_words().values()) == len(words)
    letters = [{tuple(column) for column in _stems(part)} for part in encoded_words().values()]
    assert not letters[0] & letters[2] and not letters[0] & letters[1]


def _stems(part: Batch) -> list[Any]:
    """The first letters of each word of a part, from its encoding."""
    stems = []
    for k in range(part.x.shape[1]):
        word = part.x[:, k].argmax(axis=1)[part.x[:, k].sum(axis=1) > 0]
        stems.append(tuple(word[:STEM]))
    return stems


SINE = np.sin(np.arange(400) / 3) + np.arange(400) / 50


@dataclass(frozen=True)
class SineForecasting(ForecastingTask):
    """Forecasts of a sine on a slope, in one batch per epoch."""

    seq_len: int = 30
    batch_size: int = 10_000

    question = "How does it continue?"
    metric = Metric("mean absolute error", higher_is_better=False)
    recipe = Recipe()
    resolution = 0.0
    period = 19
    output_size = 25
    mirrored = False

    @staticmethod
    def series() -> Array:
        return SINE


@dataclass(frozen=True)
class RoundedSine(SineForecasting):
    resolution = 0.3


@dataclass(frozen=True)
class MirroredSine(SineForecasting):
    mirrored = True


FORECASTS = SineForecasting()


def test_true_forecasts_have_no_error_and_windows_hold_only_the_past() -> None:
    origins = FORECASTS.origins("test")
    x, truth = FORECASTS.windows(origins), FORECASTS.changes(origins)
    assert np.isfinite(x).all() and x.shape == (30, len(origins), 3)
    spread = FORECASTS.scale
    errors = FORECASTS.errors(
        lambda x: np.broadcast_to(truth / spread, (len(x), *truth.shape)), "test"
    )
    assert np.abs(errors).max() < 1e-12
    # What comes after the origin may be anything: the window is the same
    other = SINE.copy()
    other[origins[0] + 1 :] += 100

    class Changed(SineForecasting):
        series = staticmethod(lambda: other)

    changed = Changed().windows(origins[:1])
    np.testing.assert_allclose(changed, x[:, :1])


def test_forecast_values_of_parts_do_not_overlap() -> None:
    ends = {part: FORECASTS.origins(part) for part in ("train", "validation", "test")}
    assert ends["train"].max() + FORECASTS.output_size < ends["validation"].min() + 1
    assert ends["validation"].max() + FORECASTS.output_size < ends["test"].min() + 1
    assert ends["test"].max() + FORECASTS.output_size < len(SINE)


def test_the_seasonal_naive_forecast_repeats_values_of_whole_periods_before() -> None:
    origins = FORECASTS.origins("test")[:1]
    (errors,) = FORECASTS.baseline_errors()["seasonal naive"][:1]
    for k in (1, 19, 20, 25):
        back = 19 if k <= 19 else 38
        assert errors[k - 1] == pytest.approx(SINE[origins[0] + k - back] - SINE[origins[0] + k])


def test_training_targets_are_aligned_with_the_steps_of_the_outputs() -> None:
    (batch,) = FORECASTS.epoch(seed=0, epoch=1)
    S, period = len(batch.targets), 19
    # At a later step, the change over a period that was forecast as the first of the K is the input
    np.testing.assert_allclose(batch.targets[:-1, :, 0], batch.x[-S + 1 :, :, 0], atol=1e-9)
    changes = (SINE[period:] - SINE[:-period]) / FORECASTS.scale
    assert batch.x[0, 0, 0] in changes


def test_training_noise_stays_within_the_rounding_of_the_series() -> None:
    (plain,), (moved,) = (
        FORECASTS.epoch(0, 1),
        RoundedSine().epoch(0, 1),
    )
    most = np.abs(moved.x - plain.x).max(axis=(0, 1)) * FORECASTS.scale
    assert (
        0.29 < most[0] <= 0.3 and (most[1:] == 0).all()
    )  # the difference of two values, each rounded by half a step
    np.testing.assert_array_equal(moved.targets, plain.targets)


def test_a_mirrored_window_has_mirrored_targets_and_the_same_hours() -> None:
    (plain,), (mirrored,) = (
        FORECASTS.epoch(0, 1),
        MirroredSine().epoch(0, 1),
    )
    signs = np.round(mirrored.x[-1, :, 0] / plain.x[-1, :, 0])
    assert set(signs) == {-1.0, 1.0}
    np.testing.assert_allclose(mirrored.x[:, :, 0], signs * plain.x[:, :, 0])
    np.testing.assert_array_equal(mirrored.x[:, :, 1:], plain.x[:, :, 1:])
    np.testing.assert_allclose(mirrored.targets, signs[:, None] * plain.targets)


def test_true_curves_have_distance_zero_and_free_running_reads_its_outputs() -> None:
    task = Drawing(prompt=20, alone=10, held_out=4)
    truth = task.truth("test")
    score = task.score(lambda ways: truth[1 : len(ways) + 1], "test")
    assert score == pytest.approx(0, abs=1e-12)
    seen: list[Any] = []

    def three(ways: Any) -> Any:
        seen.append(ways)
        return np.full_like(ways, 3.0)

    errors = task.errors_by_step(lambda ways: truth[1 : len(ways) + 1])
    assert errors.shape == (10, 2) and np.abs(errors.to_numpy()).max() < 1e-12
    task.free_running(three, truth[:20])
    assert (seen[-1][20:] == 3).all() and len(seen[-1]) == 29


def test_faults_are_exactly_where_they_are_marked() -> None:
    series = np.sin(np.arange(4000) / 5)
    faulty, kinds = inject_faults(series, np.random.default_rng(0), every=100, size=3.0)
    wrong = kinds >= 0
    np.testing.assert_array_equal(faulty[~wrong], series[~wrong])
    assert 0.02 < wrong.mean() < 0.3 and (faulty[wrong] != series[wrong]).mean() > 0.9
    assert set(kinds) == {-1, *range(len(FAULT_KINDS))}


def test_baselines_beat_chance_and_recalls_are_fractions() -> None:
    task = Anomalies(copies=3)
    values, kinds = task.held_out["test"]
    chance = task.held_out["test"].wrong.mean()
    assert values.shape == kinds.shape and task.baselines()["rolling z-score, 24 h"] > chance > 0
    shares = task.recall_by_kind(nothing(task))
    assert ((shares >= 0) & (shares <= 1)).all(axis=None) and len(shares) == 3
    assert set(task.precision_recall(nothing(task))["detector"]) == set(shares.index)


def test_the_rolling_z_score_uses_only_the_past() -> None:
    values = np.random.default_rng(0).normal(size=(50, 2))
    before = rolling_z_score(values, 10)[:40]
    values[40:] = 1e6
    np.testing.assert_array_equal(rolling_z_score(values, 10)[:40], before)
    t = 30
    expected = abs(values[t] - values[t - 10 : t].mean(axis=0)) / (
        values[t - 10 : t].std(axis=0) + 1e-6
    )
    np.testing.assert_allclose(rolling_z_score(values, 10)[t], expected)


def test_images_are_shifted_by_at_most_one_pixel() -> None:
    x = np.zeros((64, 200, 1))
    x[3 * 8 + 4] = 1  # one white pixel in the middle
    moved = shift_images(x, np.random.default_rng(0))
    assert (moved.sum(axis=0) == 1).all()
    rows, columns = np.divmod(moved[:, :, 0].argmax(axis=0), 8)
    assert (
        set(rows) == {2, 3, 4}
        and set(columns) == {3, 4, 5}
        and len(set(zip(rows, columns, strict=True))) == 9
    )
