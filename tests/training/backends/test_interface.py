"""Output layer, losses and optimisers: every framework computes the formulas."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from lstmbench.core.registry import FRAMEWORKS, array_backend_class
from lstmbench.errors import LstmbenchError
from lstmbench.training.backends.interface import BETAS, EPS, MOMENTUM, training_backend
from lstmbench.training.task import Recipe

T, B, H, K, S = 5, 3, 4, 6, 2


def problem(loss: str, seed: int = 0) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    targets = (
        draw.integers(0, K, (S, B)) if loss == "cross_entropy" else draw.standard_normal((S, B, K))
    )
    return {
        "y": draw.standard_normal((T, B, H)),
        "weight": draw.standard_normal((K, H)),
        "bias": draw.standard_normal(K),
        "targets": targets,
    }


def loss_of(loss: str, inputs: dict[str, Any]) -> float:
    """The definition, as it stands in the docstring of ``Loss``."""
    outputs = inputs["y"][-S:] @ inputs["weight"].T + inputs["bias"]
    if loss == "mse":
        return float(np.mean((outputs - inputs["targets"]) ** 2))
    chances = np.exp(outputs) / np.exp(outputs).sum(axis=2, keepdims=True)
    return float(
        -np.mean(np.log(np.take_along_axis(chances, inputs["targets"][:, :, None], axis=2)))
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_loss_and_gradients_match_the_definition(framework: str, loss: str) -> None:
    inputs, arrays = problem(loss), array_backend_class(framework)("cpu", "float64")
    with arrays.scope():
        weights = {name: arrays.from_numpy(inputs[name]) for name in ("weight", "bias")}
        backend = training_backend(arrays, loss, Recipe())  # type: ignore[arg-type]
        backend.start(weights)
        result = backend.loss_and_grads(
            arrays.from_numpy(inputs["y"]), *weights.values(), backend.to_targets(inputs["targets"])
        )
        computed = {
            name: arrays.to_numpy(getattr(result, name)) for name in ("y", "weight", "bias")
        }
        assert float(result.loss) == pytest.approx(loss_of(loss, inputs), rel=1e-12)
    step = 1e-6
    for name, array in computed.items():
        for index in [(0,) * array.ndim, (-1,) * array.ndim]:
            ends = []
            for sign in (1, -1):
                moved = inputs | {name: inputs[name].copy()}
                moved[name][index] += sign * step
                ends.append(loss_of(loss, moved))
            assert array[index] == pytest.approx((ends[0] - ends[1]) / 2 / step, abs=1e-8)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_huge_outputs_give_a_finite_loss(framework: str) -> None:
    inputs, arrays = problem("cross_entropy"), array_backend_class(framework)("cpu", "float32")
    with arrays.scope():
        weights = {name: arrays.from_numpy(inputs[name]) for name in ("weight", "bias")}
        backend = training_backend(arrays, "cross_entropy", Recipe())
        backend.start(weights)
        result = backend.loss_and_grads(
            arrays.from_numpy(inputs["y"] * 1e4),
            *weights.values(),
            backend.to_targets(inputs["targets"]),
        )
        assert np.isfinite(float(result.loss)) and np.isfinite(arrays.to_numpy(result.weight)).all()


def updated(framework: str, recipe: Recipe, gradients: list[dict[str, Any]]) -> dict[str, Any]:
    arrays = array_backend_class(framework)("cpu", "float64")
    with arrays.scope():
        weights = {"a": arrays.from_numpy(np.ones((2, 3))), "b": arrays.from_numpy(np.zeros(4))}
        backend = training_backend(arrays, "mse", recipe)
        backend.start(weights)
        for gradient in gradients:
            weights = backend.update(
                weights,
                {n: arrays.from_numpy(d) for n, d in gradient.items()},
                recipe.learning_rate,
            )
        return {name: arrays.to_numpy(array) for name, array in weights.items()}


def by_definition(recipe: Recipe, gradients: list[dict[str, Any]]) -> dict[str, Any]:
    """The formulas in the docstring of the interface."""
    weights = {"a": np.ones((2, 3)), "b": np.zeros(4)}
    m = {name: np.zeros_like(array) for name, array in weights.items()}
    v = {name: np.zeros_like(array) for name, array in weights.items()}
    for n, gradient in enumerate(gradients, 1):
        norm = np.sqrt(sum((d**2).sum() for d in gradient.values()))
        scale = 1.0 if recipe.clip is None or norm <= recipe.clip else recipe.clip / norm
        for name in weights:
            d = scale * gradient[name]
            if recipe.optimizer == "sgd":
                m[name] = MOMENTUM * m[name] + d
                weights[name] = weights[name] - recipe.learning_rate * m[name]
            else:
                m[name] = BETAS[0] * m[name] + (1 - BETAS[0]) * d
                v[name] = BETAS[1] * v[name] + (1 - BETAS[1]) * d**2
                ahead = m[name] / (1 - BETAS[0] ** n)
                weights[name] = weights[name] - recipe.learning_rate * ahead / (
                    np.sqrt(v[name] / (1 - BETAS[1] ** n)) + EPS
                )
    return weights


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", ["adam", "sgd"])
@examples(15)
@given(
    clip=st.sampled_from([None, 0.5, 100.0]), rate=st.floats(1e-4, 1e-1), seed=st.integers(0, 1000)
)
def test_updates_match_the_formulas(
    framework: str, name: Any, clip: float | None, rate: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    gradients = [
        {"a": draw.standard_normal((2, 3)), "b": draw.standard_normal(4)} for _ in range(4)
    ]
    recipe = Recipe(optimizer=name, learning_rate=rate, clip=clip)
    expected = by_definition(recipe, gradients)
    for key, array in updated(framework, recipe, gradients).items():
        np.testing.assert_allclose(array, expected[key], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_zero_gradients_change_nothing(framework: str) -> None:
    computed = updated(framework, Recipe(clip=1.0), [{"a": np.zeros((2, 3)), "b": np.zeros(4)}] * 2)
    assert (computed["a"] == 1).all() and (computed["b"] == 0).all()


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"optimizer": "adamw"}, "adamw"), ({"learning_rate": 0}, "rate"), ({"clip": -1}, "clip")],
)
def test_invalid_optimizer_settings_are_refused(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(LstmbenchError, match=word):
        Recipe(**settings)


def test_an_unknown_loss_is_refused() -> None:
    arrays = array_backend_class("numpy")("cpu", "float32")
    with pytest.raises(LstmbenchError, match="hinge"):
        training_backend(arrays, "hinge", Recipe())  # type: ignore[arg-type]
