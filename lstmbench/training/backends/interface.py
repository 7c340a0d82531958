"""What training needs of a framework besides the cell: an output layer, its loss, an optimiser.

One module per framework, each in its own idiom: by hand in NumPy, autograd and ``torch.optim`` in
PyTorch, ``jax.grad`` and optax in JAX. An optimiser updates weights w by clipped gradients d:

- ``adam`` (Kingma & Ba 2015, algorithm 1): m = b1 m + (1 - b1) d, v = b2 v + (1 - b2) d^2,
  w -= learning_rate * m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + EPS) at update n
- ``sgd`` with momentum: m = MOMENTUM * m + d, w -= learning_rate * m
"""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, NamedTuple, get_args

from lstmbench.core.interface import ArrayBackend
from lstmbench.errors import LstmbenchError
from lstmbench.training.task import Array, ArraysByName, Loss, Recipe

BETAS, EPS = (0.9, 0.999), 1e-8
"""b1, b2 and EPS of Adam: its authors' values, and the defaults of ``torch.optim`` and optax."""
MOMENTUM = 0.9
"""Chosen by us: a usual value; neither framework has a default other than none."""
NativeArrays = dict[str, Any]
"""A framework's own arrays, by name."""


class LossAndGrads(NamedTuple):
    """The loss, and its gradients: of y (T, B, H), and of the output layer (K, H) and (K,)."""

    loss: Any
    y: Any
    weight: Any
    bias: Any


class TrainingBackend(ABC):
    """One framework's share; all arrays are native ones, and weights are dictionaries by name."""

    def __init__(self, framework: ArrayBackend, loss: Loss, recipe: Recipe) -> None:
        self.framework, self.loss, self.recipe = framework, loss, recipe

    def to_targets(self, targets: Array) -> Any:
        """Bring targets to the device: classes (S, B) as integers, or numbers (S, B, K)."""
        if self.loss == "cross_entropy":
            return self.framework.to_device(targets.astype("int64"))
        return self.framework.from_numpy(targets)

    @abstractmethod
    def start(self, weights: NativeArrays, state: ArraysByName | None = None) -> None:
        """Set the optimiser up for these weights, new or as ``state`` returned it."""

    @staticmethod
    @abstractmethod
    def output_layer(y: Any, weight: Any, bias: Any) -> Any:
        """Return y weight^T + bias."""

    @abstractmethod
    def loss_and_grads(self, y: Any, weight: Any, bias: Any, targets: Any) -> LossAndGrads:
        """Return the loss of the last S steps of y against the targets, with its gradients."""

    @abstractmethod
    def update(
        self, weights: NativeArrays, gradients: NativeArrays, learning_rate: float
    ) -> NativeArrays:
        """Return the weights after one update; those passed in may be overwritten."""

    @abstractmethod
    def state(self) -> ArraysByName:
        """Return what the optimiser remembers of past updates, as NumPy arrays."""


def training_backend(framework: ArrayBackend, loss: Loss, recipe: Recipe) -> TrainingBackend:
    """Return the training backend of a framework.

    Raises:
        LstmbenchError: if the loss is unknown, or a package for it is not installed.
    """
    if loss not in get_args(Loss):
        raise LstmbenchError(f"The loss must be 'mse' or 'cross_entropy', but it is {loss!r}.")
    try:
        module = import_module(f"lstmbench.training.backends.{framework.name}_training")
    except ModuleNotFoundError as error:
        raise LstmbenchError(
            f"Training in {framework.name} needs the package {error.name}, which is not installed."
        ) from None
    cls: type[TrainingBackend] = getattr(module, f"{framework.name.capitalize()}Training")
    return cls(framework, loss, recipe)
