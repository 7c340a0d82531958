"""The plain RNN, h_t = tanh(W x_t + U h_{t-1} + b) (Elman 1990), to compare the LSTM with.

It has the methods of an LSTM implementation, so that the same code trains it; c passes unchanged.
"""

from importlib import import_module
from typing import NamedTuple

from lstmbench.training.task import Array


class PlainRNNParams(NamedTuple):
    """Weights (H, I) and (H, H), bias (H,)."""

    weight_ih: Array
    weight_hh: Array
    bias: Array

    @property
    def has_peephole(self) -> bool:
        """False: what runs an LSTM's layer asks."""
        return False


def plain_rnn_class(framework: str) -> type:
    """Return the class for ``numpy``, ``torch`` or ``jax``; this imports that framework."""
    module = import_module(f"lstmbench.training.backends.{framework}_rnn")
    cls: type = getattr(module, f"{framework.capitalize()}PlainRNN")
    return cls
