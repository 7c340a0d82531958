"""The plain RNN, h_t = tanh(W x_t + U h_{t-1} + b) (Elman 1990), in all three frameworks: for
comparisons only.

It has the interface of an LSTM implementation, so that it is trained by the same code; c goes
through it untouched.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from lstmbench.core.interface import Implementation


@dataclass(frozen=True, eq=False)
class PlainRNNParams:
    """Weights (H, I) and (H, H), bias (H,); there are no peepholes."""

    weight_ih: NDArray[Any]
    weight_hh: NDArray[Any]
    bias: NDArray[Any]
    peephole: None = None


def plain_class(framework: str) -> type[Implementation]:
    """Return the class for ``numpy``, ``torch`` or ``jax``; this imports that framework."""
    module = import_module(f"lstmbench.training.plain_rnn.{framework}_rnn")
    found: type[Implementation] = getattr(module, f"{framework.capitalize()}PlainRNN")
    return found
