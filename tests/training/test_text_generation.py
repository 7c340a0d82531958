"""Text that a language model generates."""

import pytest

from lstmbench.errors import LstmbenchError
from lstmbench.training.model import ModelSpec
from lstmbench.training.task import Recipe
from lstmbench.training.tasks.language import alphabet
from lstmbench.training.text_generation import generate_text
from lstmbench.training.trainable_model import TrainableModel


@pytest.fixture
def model() -> TrainableModel:
    characters = len(alphabet())
    spec = ModelSpec(characters, 8, characters)
    return TrainableModel("numpy.fused", spec, "cross_entropy", Recipe())


def test_a_text_has_the_requested_length_and_depends_on_the_seed(model: TrainableModel) -> None:
    text = generate_text(model, "The ", 50, seed=1)
    assert text.startswith("The ") and len(text) == 54
    assert text == generate_text(model, "The ", 50, seed=1)
    assert text != generate_text(model, "The ", 50, seed=2)


def test_near_zero_temperature_the_likeliest_character_is_written(model: TrainableModel) -> None:
    texts = [generate_text(model, "é", 30, temperature=1e-6, seed=seed) for seed in (1, 2)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("prompt", "temperature"), [("", 1.0), ("a", 0.0), ("a", -1.0), ("a", float("nan"))]
)
def test_an_empty_prompt_and_an_invalid_temperature_are_refused(
    model: TrainableModel, prompt: str, temperature: float
) -> None:
    message = "must be positive" if prompt else "at least one character"
    with pytest.raises(LstmbenchError, match=message):
        generate_text(model, prompt, 5, temperature)
