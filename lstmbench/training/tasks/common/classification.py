"""Tasks that assign a class to a whole sequence."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from lstmbench.training.task import Array, Batch, HeldOut, Predict, Task


class ClassificationTask(Task):
    """The class is read from the output at the last step; the score is the accuracy."""

    loss = "cross_entropy"
    linear_baseline: ClassVar[str]
    """The name of logistic regression on ``features``."""

    @staticmethod
    @abstractmethod
    def parts() -> dict[str, Batch]:
        """Return the parts ``train``, ``validation`` and ``test``, with targets (1, N)."""

    @staticmethod
    @abstractmethod
    def features(x: Array) -> Array:
        """Return what the linear baseline sees of x (T, N, I): (N, F)."""

    def score(self, predict: Predict, part: HeldOut) -> float:
        x, targets = self.parts()[part]
        return float(np.mean(predict(x)[-1].argmax(axis=1) == targets[0]))

    def baselines(self) -> dict[str, float]:
        train, test = self.parts()["train"], self.parts()["test"]
        models = {
            "the most frequent": DummyClassifier(),
            self.linear_baseline: LogisticRegression(max_iter=1000),
        }
        return {
            name: model.fit(self.features(train.x), train.targets[0]).score(
                self.features(test.x), test.targets[0]
            )
            for name, model in models.items()
        }
