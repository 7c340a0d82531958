"""A trained language model writes: each character is drawn, and read as the next input."""

import numpy as np

from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack.load import load
from lstmbench.errors import LstmbenchError
from lstmbench.training.learner import Learner
from lstmbench.training.model import CELL, READ_OUT
from lstmbench.training.tasks.language import alphabet


def write(
    learner: Learner, beginning: str, length: int = 300, temperature: float = 1.0, seed: int = 0
) -> str:
    """Return a text that goes on from ``beginning``, of so many characters more.

    A character a is drawn with a chance proportional to p(a) ** (1 / temperature): at 1 as the
    model has learnt it; near 0 the likeliest always; above 1 more evenly.

    Args:
        learner: trained at the task ``language``.
        beginning: at least one character; what the model does not know stands for "something else".
        length: how many characters to write.
        temperature: positive.
        seed: of the draws; the same seed writes the same text.

    Raises:
        LstmbenchError: if the beginning is empty, or the temperature is not positive.
    """
    if not beginning:
        raise LstmbenchError("A text must begin with something: give at least one character.")
    if not temperature > 0:
        raise LstmbenchError(f"The temperature must be positive, but it is {temperature!r}.")
    characters, weights = alphabet(), learner.weights()
    params = LSTMParams(**{name: weights[name] for name in CELL})
    lstm = load("numpy.fused", params, dtype="float64")
    V, v = (weights[name] for name in READ_OUT)
    one_hot = np.eye(len(characters))
    places = [max(characters.find(each), -1) for each in beginning]
    _, state = lstm.forward(one_hot[places][:, None])
    draw, text = np.random.default_rng(seed), beginning
    for _ in range(length):
        outputs = (state[0][0] @ V.T + v) / temperature
        chances = np.exp(outputs - outputs.max())
        chosen = int(draw.choice(len(characters), p=chances / chances.sum()))
        text += characters[chosen]
        state = lstm.step(one_hot[[chosen]], state)
    return text
