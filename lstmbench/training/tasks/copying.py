"""The copy task (Hochreiter & Schmidhuber 1997; in this form Arjovsky et al. 2016).

Ten symbols out of eight come first, then ``delay`` - 1 blanks, then a start sign. In the last ten
steps the model must output the symbols in their order, and the blank before that. Without memory,
the best cross-entropy is 10 log 8 / (delay + 20).
"""

from dataclasses import dataclass

import numpy as np

from lstmbench.training.task import Batch, HeldOut, Metric, Predict, Recipe
from lstmbench.training.tasks.common.generated import GeneratedTask

SYMBOLS, LENGTH = 8, 10
"""Different symbols, and symbols to remember, as Arjovsky et al. have them."""
BLANK, BEGIN = 8, 9


@dataclass(frozen=True)
class Copying(GeneratedTask):
    """Inputs are one-hot symbols, blank and start sign; targets are symbols and blank."""

    delay: int = 30
    batch_size: int = 50
    batches: int = 50
    held_out: int = 200

    question = "Can it say again what it read long ago?"
    loss = "cross_entropy"
    metric = Metric("share of the symbols right", higher_is_better=True, solved=0.99)
    recipe = Recipe(hidden_size=100, learning_rate=5e-3, forget_bias="chrono", epochs=20)
    input_size = SYMBOLS + 2
    output_size = SYMBOLS + 1

    @property
    def seq_len(self) -> int:
        return self.delay + LENGTH

    def draw(self, rng: np.random.Generator, B: int) -> Batch:
        inputs, targets = np.full((2, self.delay + 2 * LENGTH, B), BLANK)
        inputs[:LENGTH] = targets[-LENGTH:] = rng.integers(0, SYMBOLS, (LENGTH, B))
        inputs[-LENGTH - 1] = BEGIN
        return Batch(np.eye(self.input_size)[inputs], targets)

    def score(self, predict: Predict, part: HeldOut) -> float:
        x, targets = self.held_out_batches[part]
        answers = predict(x)[-LENGTH:, :, :SYMBOLS].argmax(axis=2)
        return float(np.mean(answers == targets[-LENGTH:]))

    def baselines(self) -> dict[str, float]:
        targets = self.held_out_batches["test"].targets[-LENGTH:]
        return {"one symbol always": float(np.bincount(targets.ravel()).max() / targets.size)}


TASK = Copying
