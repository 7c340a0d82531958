"""What is trained: a recurrent cell, an LSTM or a plain RNN, under a linear read-out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lstmbench.core import registry
from lstmbench.core.interface import ArrayBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack.layer import Layer, PlainLayer
from lstmbench.errors import LstmbenchError
from lstmbench.training.plain_rnn import PlainRNNParams, plain_class

Array = NDArray[Any]
Weights = dict[str, Array]
CELL = ("weight_ih", "weight_hh", "bias")
READ_OUT = ("readout_weight", "readout_bias")
CELLS = ("lstm", "rnn")


@dataclass(frozen=True)
class Model:
    """Sizes and initial weights: y (T, B, H) from the cell, outputs y V^T + v, (T, B, K).

    Attributes:
        input_size, hidden_size, output_size: I, H and K.
        cell: ``lstm``, or ``rnn``, h_t = tanh(W x_t + U h_{t-1} + b).
        forget_bias: what is added to the bias of the LSTM's forget gate (Gers et al. 2000: the cell
            then keeps what it has); or ``chrono``: the bias is the logarithm of a number drawn
            evenly between 1 and T - 1, and that of the input gate its negative, so that the units
            remember over all lags up to T (Tallec & Ollivier 2018).
        horizon: T, for ``chrono``.
    """

    input_size: int
    hidden_size: int
    output_size: int
    cell: str = "lstm"
    forget_bias: float | Literal["chrono"] = 1.0
    horizon: int = 2

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise LstmbenchError(f"The cell must be 'lstm' or 'rnn', but it is {self.cell!r}.")

    def draw(self, seed: int) -> Weights:
        """Return initial weights in float64; the same seed gives the same bits.

        All are drawn evenly from +-1/sqrt(H), as torch.nn.LSTM and torch.nn.RNN do, then the forget
        bias is set.
        """
        H, generator = self.hidden_size, np.random.default_rng(seed)
        bound = 1 / np.sqrt(H)
        rows = 4 * H if self.cell == "lstm" else H
        shapes = {"weight_ih": (rows, self.input_size), "weight_hh": (rows, H), "bias": (rows,)}
        shapes |= {"readout_weight": (self.output_size, H), "readout_bias": (self.output_size,)}
        weights = {name: generator.uniform(-bound, bound, shape) for name, shape in shapes.items()}
        if self.cell == "lstm":
            i, f = weights["bias"][:H], weights["bias"][H : 2 * H]
            if self.forget_bias == "chrono":
                f[:] = np.log(generator.uniform(1, max(2, self.horizon - 1), H))
                i[:] = -f
            else:
                f += self.forget_bias
        return weights

    def cell_from(
        self, implementation: str, device: str, dtype: str
    ) -> "tuple[CellMaker, ArrayBackend]":
        """Return what makes the cell from native weights, and its framework.

        The implementation computes the LSTM; of a plain RNN it decides the framework only.

        Raises:
            LstmbenchError: if it is not available here, or has no backward.
        """
        found, framework = registry.resolve(implementation, device, dtype)
        if "training" not in found.modes:
            raise LstmbenchError(
                f"{implementation} has no backward: it is registered for inference only."
            )
        plain = self.cell == "rnn"
        cls = plain_class(framework.name) if plain else found.cls

        def make(weights: Mapping[str, Any]) -> Layer:
            arrays: dict[str, Any] = {name: framework.to_numpy(weights[name]) for name in CELL}
            params: Any = (PlainRNNParams if plain else LSTMParams)(**arrays)
            return PlainLayer(params, cls, framework)

        return make, framework


CellMaker = Callable[[Mapping[str, Any]], Layer]
"""From native weights, in the order of ``LSTMParams``, to the cell that computes with them.

An implementation packs its weights when it is loaded, and has no way to change them. So each update
loads it again,
by way of NumPy: a few copies of the weights, small beside the work of a step, and then whatever
computes the LSTM can be trained, plug-ins and peers too.
"""
