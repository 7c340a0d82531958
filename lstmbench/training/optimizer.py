"""The settings of an optimiser; each framework computes it with its own means."""

from dataclasses import dataclass
from typing import Literal

from lstmbench.errors import LstmbenchError


@dataclass(frozen=True)
class Optimizer:
    """One update of weights w by gradients d, which are first scaled down to the norm ``clip``.

    - ``adam`` (Kingma & Ba 2015, algorithm 1): m = b1 m + (1 - b1) d, v = b2 v + (1 - b2) d^2,
      w -= learning_rate * m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + eps) at update n
    - ``sgd`` with momentum: m = momentum * m + d, w -= learning_rate * m

    The norm is that of all gradients together (Pascanu et al. 2013, section 3.2). Smaller gradients
    are not scaled, nor any with ``clip`` None.
    """

    name: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-2
    clip: float | None = 1.0
    momentum: float = 0.9
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if self.name not in ("adam", "sgd"):
            raise LstmbenchError(f"The optimizer must be 'adam' or 'sgd', but it is {self.name!r}.")
        if not self.learning_rate > 0:
            raise LstmbenchError(
                f"The learning rate must be positive, but it is {self.learning_rate!r}."
            )
        if self.clip is not None and not self.clip > 0:
            raise LstmbenchError(f"clip must be positive, or None, but it is {self.clip!r}.")
