"""What training needs of a framework besides the cell: a read-out with its loss, and an optimiser.

One file per framework, each in its own idiom: by hand in NumPy, autograd and ``torch.optim`` in
PyTorch, ``jax.grad`` and optax in JAX.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal, NamedTuple, Protocol

from numpy.typing import NDArray

from lstmbench.core.interface import ArrayBackend
from lstmbench.errors import LstmbenchError
from lstmbench.training.optimizer import Optimizer

Loss = Literal["mse", "cross_entropy"]
"""Means over all targets: of the squared error, over the K outputs too; of the cross-entropy, in
nats.
"""


class LossAndGrads(NamedTuple):
    """The loss, and its gradients with respect to y (T, B, H) and to weight (K, H) and bias (K,) of
    the read-out.
    """

    loss: Any
    y: Any
    weight: Any
    bias: Any


class TrainingBackend(Protocol):
    """One framework's share; all arrays are its own, weights are dictionaries by name."""

    def __init__(
        self, framework: ArrayBackend, loss: Loss, optimizer: Optimizer, weights: Mapping[str, Any]
    ) -> None: ...

    def targets(self, targets: NDArray[Any]) -> Any:
        """Bring targets to the device: classes (S, B) as whole numbers, or numbers (S, B, K) in the
        dtype.
        """
        ...

    def read_out(self, y: Any, weight: Any, bias: Any) -> Any:
        """Return y weight^T + bias."""
        ...

    def slopes(self, y: Any, weight: Any, bias: Any, targets: Any) -> LossAndGrads:
        """Return the loss of the last S steps of y against the targets, with its gradients."""
        ...

    def update(
        self, weights: Mapping[str, Any], gradients: Mapping[str, Any], rate: float
    ) -> dict[str, Any]:
        """Return the weights after one update with this learning rate; those given may be used up."""
        ...

    def put(self, weights: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the weights with these values, from which updates go on; those given may be used
        up.
        """
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the optimiser has learnt so far, as arrays of NumPy's."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up what ``state`` returned."""
        ...


def arithmetic(
    framework: ArrayBackend, loss: Loss, optimizer: Optimizer, weights: Mapping[str, Any]
) -> TrainingBackend:
    """Return the share of this framework, for these initial weights.

    Raises:
        LstmbenchError: if the loss is unknown, or what the framework needs for it is not installed.
    """
    if loss not in ("mse", "cross_entropy"):
        raise LstmbenchError(f"The loss must be 'mse' or 'cross_entropy', but it is {loss!r}.")
    try:
        module = import_module(f"lstmbench.training.backends.{framework.name}_training")
    except ModuleNotFoundError as error:
        raise LstmbenchError(
            f"Training in {framework.name} needs the package {error.name}."
        ) from None
    made: TrainingBackend = getattr(module, f"{framework.name.capitalize()}Training")(
        framework, loss, optimizer, weights
    )
    return made
