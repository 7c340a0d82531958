"""Text generation: each character is drawn from a language model, and is its next input."""

import numpy as np
from scipy.special import softmax

from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack.load import load
from lstmbench.errors import LstmbenchError
from lstmbench.training.model import CELL, OUTPUT_LAYER
from lstmbench.training.tasks.language import alphabet, encode
from lstmbench.training.trainable_model import TrainableModel


def generate_text(
    model: TrainableModel, prompt: str, length: int = 300, temperature: float = 1.0, seed: int = 0
) -> str:
    """Return the prompt, continued by ``length`` characters.

    Args:
        model: an LSTM trained on the task ``language``.
        prompt: at least one character; unknown ones are read as the symbol for rare characters.
        length: number of characters to add.
        temperature: positive. A character a is drawn with probability proportional to
            p(a) ** (1 / temperature): 1 follows the model; towards 0 the likeliest wins.
        seed: of the draws; the same seed gives the same text.

    Raises:
        LstmbenchError: if the prompt is empty, or the temperature is not positive.
    """
    if not prompt:
        raise LstmbenchError("The prompt must have at least one character, but it is empty.")
    if not temperature > 0:
        raise LstmbenchError(f"The temperature must be positive, but it is {temperature!r}.")
    characters, weights = alphabet(), model.weights()
    params = LSTMParams(**{name: weights[name] for name in CELL})
    lstm = load("numpy.fused", params, dtype="float64")
    V, v = (weights[name] for name in OUTPUT_LAYER)
    one_hot = np.eye(len(characters))
    _, state = lstm.forward(one_hot[encode(prompt)][:, None])
    rng, text = np.random.default_rng(seed), prompt
    for _ in range(length):
        probabilities = softmax((state[0][0] @ V.T + v) / temperature)
        symbol = int(rng.choice(len(characters), p=probabilities))
        text += characters[symbol]
        state = lstm.step(one_hot[[symbol]], state)
    return text
