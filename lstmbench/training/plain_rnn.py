"""The plain RNN, h_t = tanh(W x_t + U h_{t-1} + b) (Elman 1990), to compare the LSTM with.

It has the methods of an LSTM implementation, so that the same code trains it; c passes unchanged.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PlainRNNParams:
    """Weights (H, I) and (H, H), bias (H,)."""

    weight_ih: NDArray[Any]
    weight_hh: NDArray[Any]
    bias: NDArray[Any]
    has_peephole: ClassVar = False

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """W, U and b."""
        return self.weight_ih, self.weight_hh, self.bias


def plain_rnn_class(framework: str) -> type:
    """Return the class for ``numpy``, ``torch`` or ``jax``; this imports that framework."""
    module = import_module(f"lstmbench.training.backends.{framework}_rnn")
    cls: type = getattr(module, f"{framework.capitalize()}PlainRNN")
    return cls
