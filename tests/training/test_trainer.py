"""Training: the same in every framework, resumed to the same bits, ended for the right reason."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

import lstmbench as lb
from lstmbench.errors import LstmbenchError
from lstmbench.training.model import ModelSpec
from lstmbench.training.task import Batch, Metric, Predict, Recipe
from lstmbench.training.tasks.adding import Adding
from lstmbench.training.trainable_model import TrainableModel
from lstmbench.training.trainer import EpochResult, Trainer, train

OURS = ("numpy.fused", "torch.fused", "jax.fused")
SMALL = Adding(seq_len=12, batch_size=10, batches=20, held_out=50)
RECIPE = Recipe(hidden_size=8, epochs=3)


def curve(
    implementation: str, cell: str = "lstm", updates: int = 200, **options: Any
) -> list[float]:
    """Return the loss before each update."""
    task = replace(SMALL, batches=updates)
    with Trainer(task, RECIPE, implementation, cell=cell, dtype="float64", **options) as trainer:
        return [
            float(trainer.model.train_step(*batch, RECIPE.learning_rate))
            for batch in task.epoch(0, 1)
        ]


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_loss_curves_agree_in_float64_over_200_steps_of_adam(cell: str) -> None:
    base, *others = (curve(name, cell) for name in OURS)
    assert base[-1] < base[0] / 2  # it learns
    for other in others:
        np.testing.assert_allclose(other, base, rtol=1e-9)


@pytest.mark.parametrize("name", ["torch.nn", "torch.loop", "jax.scan", "numpy.reference"])
def test_peers_and_other_variants_can_be_trained(name: str) -> None:
    np.testing.assert_allclose(curve(name, updates=20), curve("numpy.fused", updates=20), rtol=1e-9)


def test_an_implementation_with_only_forward_backward_can_be_trained() -> None:
    @lb.register("test.at_once", framework="numpy")
    class AtOnce:
        def __init__(self, params: Any, framework: Any) -> None:
            self.cell = lb.load("numpy.fused", params, dtype=framework.dtype).implementation

        def forward(self, *arrays: Any) -> Any:
            return self.cell.forward(*arrays)

        def forward_backward(self, *arrays: Any) -> Any:
            return self.cell.forward_backward(*arrays)

    assert curve("test.at_once", updates=20) == curve("numpy.fused", updates=20)


@pytest.mark.parametrize("implementation", OURS)
def test_training_is_reproducible_and_depends_on_the_seed(implementation: str) -> None:
    assert curve(implementation, updates=20) == curve(implementation, updates=20)
    assert curve(implementation, updates=20) != curve(implementation, updates=20, seed=1)


@pytest.mark.parametrize("implementation", OURS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_interrupted_training_continues_to_the_same_bits(
    implementation: str, optimizer: Any, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, decay=0.5)
    whole, _ = train(SMALL, implementation, recipe, progress=False)
    for _ in range(2):
        with Trainer(SMALL, recipe, implementation, checkpoint=tmp_path / "checkpoint") as part:
            part.run_epoch()
    rest, result = train(
        SMALL, implementation, recipe, progress=False, checkpoint=tmp_path / "checkpoint"
    )
    assert [epoch[:4] for epoch in rest.history] == [
        epoch[:4] for epoch in whole.history
    ]  # all but the seconds
    for name, array in whole.model.weights().items():
        np.testing.assert_array_equal(rest.model.weights()[name], array)
    assert result.ended == "all epochs"


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    with Trainer(SMALL, RECIPE, "numpy.fused", checkpoint=tmp_path / "checkpoint") as trainer:
        trainer.run_epoch()
    for other in ({"seed": 1}, {"cell": "rnn"}, {"dtype": "float64"}):
        with (
            pytest.raises(LstmbenchError, match="of another training"),
            Trainer(SMALL, RECIPE, "numpy.fused", checkpoint=tmp_path / "checkpoint", **other),
        ):
            pass


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04.", b"nothing of the kind" * 99])
def test_a_damaged_checkpoint_is_refused_and_no_pickle_is_loaded(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint").write_bytes(content)
    with (
        pytest.raises(LstmbenchError, match="checkpoint cannot be read"),
        Trainer(SMALL, RECIPE, "numpy.fused", checkpoint=tmp_path / "checkpoint"),
    ):
        pass


@pytest.mark.parametrize("content", [np.array(1), {"metadata": np.array("[1]")}])
def test_a_checkpoint_whose_metadata_are_not_a_mapping_is_refused(
    content: Any, tmp_path: Path
) -> None:
    with (tmp_path / "checkpoint").open("wb") as file:
        if isinstance(content, dict):
            np.savez(file, **content)
        else:
            np.save(file, content)
    with pytest.raises(LstmbenchError, match="checkpoint cannot be read"):
        Trainer(SMALL, RECIPE, "numpy.fused", checkpoint=tmp_path / "checkpoint")


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    with Trainer(SMALL, RECIPE, "numpy.fused", checkpoint=tmp_path / "checkpoint") as trainer:
        trainer.run_epoch()
    whole = (tmp_path / "checkpoint").read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 20)):
        (tmp_path / "checkpoint").write_bytes(whole[:length])
        with (
            pytest.raises(LstmbenchError, match="cannot be read"),
            Trainer(SMALL, RECIPE, "numpy.fused", checkpoint=tmp_path / "checkpoint"),
        ):
            pass


@pytest.mark.parametrize(("dtype", "optimizer"), [("bfloat16", "adam"), ("float16", "sgd")])
def test_two_byte_dtypes_can_be_trained_where_the_optimiser_works_in_them(
    dtype: str, optimizer: Any
) -> None:
    _, result = train(
        SMALL, "torch.fused", replace(RECIPE, optimizer=optimizer), progress=False, dtype=dtype
    )
    assert np.isfinite(result.score)


def test_adam_is_refused_in_float16_where_its_eps_is_0() -> None:
    with pytest.raises(
        LstmbenchError, match=r"^Adam cannot train in float16, where its eps, 1e-08, is 0: "
    ):
        train(SMALL, "torch.fused", RECIPE, progress=False, dtype="float16")


def test_an_implementation_without_backward_is_refused() -> None:
    @lb.register("test.forward_only", framework="numpy", modes=("inference",))
    class ForwardOnly:
        def __init__(self, params: Any, framework: Any) -> None: ...

        def forward(self, *arrays: Any) -> Any: ...

    with pytest.raises(LstmbenchError, match="without a backward"):
        Trainer(SMALL, RECIPE, "test.forward_only")


@dataclass(frozen=True)
class Scripted:
    """A task whose scores are known beforehand."""

    scores: tuple[float, ...]

    question: ClassVar[str] = ""
    loss: ClassVar[Literal["mse"]] = "mse"
    metric: ClassVar[Metric] = Metric("m", higher_is_better=True, solved=0.9)
    recipe: ClassVar[Recipe] = Recipe(hidden_size=2, epochs=6)
    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 1
    seq_len: ClassVar[int] = 3

    def epoch(self, seed: int, epoch: int) -> Iterable[Batch]:
        return [
            Batch(
                np.ones((3, 1, 1)),
                np.full((1, 1, 1), np.nan if self.scores[epoch - 1] == 9 else 1.0),
            )
        ]

    def score(self, predict: Predict, part: str) -> float:
        seen: list[float] = self.__dict__.setdefault("seen", [])
        if part == "test":
            return float(predict(np.ones((3, 1, 1)))[-1, 0, 0])
        seen.append(0)
        return self.scores[len(seen) - 1]

    def baselines(self) -> dict[str, float]:
        return {}


@pytest.mark.parametrize(
    ("scores", "patience", "ended", "epochs", "best"),
    [
        ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), None, "all epochs", 6, 6),
        ((0.1, 0.95, 0.3), None, "solved", 2, 2),
        ((0.5, 0.4, 0.5, 0.6), 2, "no better for 2 epochs", 3, 1),
        ((0.5, 9, 0.5), None, "the loss is not finite any more", 2, 1),
    ],
)
def test_training_ends_for_the_right_reason(
    scores: tuple[float, ...], patience: int | None, ended: str, epochs: int, best: int
) -> None:
    task = Scripted(scores)
    trainer, result = train(
        task, "numpy.fused", replace(task.recipe, patience=patience), progress=False
    )  # type: ignore[arg-type]
    assert (result.ended, len(trainer.history), result.best_epoch) == (ended, epochs, best)
    assert result.solved is (ended == "solved")


def test_the_test_score_is_of_the_best_epoch_s_weights() -> None:
    scores = (0.5, 0.4, 0.3)
    task = Scripted(scores)
    with Trainer(task, replace(task.recipe, epochs=3), "numpy.fused") as trainer:  # type: ignore[arg-type]
        trainer.run_epoch()
        expected = task.score(trainer.model.outputs, "test")
        trainer.run_epoch()
        trainer.run_epoch()
        assert task.score(trainer.model.outputs, "test") != expected
        assert trainer.finish().score == expected


def test_an_epoch_result_names_its_columns() -> None:
    names = EpochResult._fields
    assert names == ("epoch", "updates", "loss", "score", "seconds")


@pytest.mark.parametrize(
    ("forget_bias", "low", "high"),
    [(0.0, -0.36, 0.36), (3.0, 2.64, 3.36), ("chrono", 0, np.log(49))],
)
def test_initial_forget_biases_are_in_the_requested_range(
    forget_bias: Any, low: float, high: float
) -> None:
    H = 8
    bias = ModelSpec(1, H, 1, forget_bias=forget_bias, seq_len=50).initial_weights(0)["bias"]
    assert (bias[H : 2 * H] >= low).all() and (bias[H : 2 * H] <= high).all()
    if forget_bias == "chrono":
        np.testing.assert_array_equal(bias[:H], -bias[H : 2 * H])


def test_a_state_of_a_model_of_another_size_is_refused() -> None:
    small, large = (
        TrainableModel("numpy.fused", spec, "mse", RECIPE)
        for spec in (ModelSpec(2, 3, 1), ModelSpec(2, 4, 1))
    )
    with (
        small.framework.scope(),
        pytest.raises(LstmbenchError, match="another model: its weight_ih"),
    ):
        large.restore(small.state())
