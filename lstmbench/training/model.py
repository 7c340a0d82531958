"""The trained model: a recurrent cell, an LSTM or a plain RNN, under a linear output layer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lstmbench.core import registry
from lstmbench.core.interface import ArrayBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.stack.layer import NativeLayer, PlainLayer
from lstmbench.errors import LstmbenchError
from lstmbench.training.plain_rnn import PlainRNNParams, plain_rnn_class
from lstmbench.training.task import ArraysByName, ForgetBias

CELL = ("weight_ih", "weight_hh", "bias")
OUTPUT_LAYER = ("output_weight", "output_bias")
MakeCell = Callable[[ArraysByName], NativeLayer]
"""From the cell's weights, named as in ``CELL``, to the cell that computes with them.

An implementation packs its weights when it is loaded, and cannot change them afterwards. So each
update loads it again, from NumPy arrays. Those copies are small beside the work of a step, and they
allow training whatever computes the LSTM, plug-ins and peers included.
"""


@dataclass(frozen=True)
class ModelSpec:
    """Sizes and initial weights: y (T, B, H) from the cell, outputs y V^T + v, (T, B, K).

    Attributes:
        input_size, hidden_size, output_size: I, H and K.
        cell: ``lstm``, or ``rnn``, h_t = tanh(W x_t + U h_{t-1} + b).
        forget_bias: added to the bias of the LSTM's forget gate, so that the cell keeps its state
            at first (Gers et al. 2000). Or ``chrono``: the bias is log u with u uniform between 1
            and T - 1, and that of the input gate is -log u, so that the units remember over all
            lags up to T (Tallec & Ollivier 2018).
        seq_len: T, for ``chrono``.
    """

    input_size: int
    hidden_size: int
    output_size: int
    cell: Literal["lstm", "rnn"] = "lstm"
    forget_bias: ForgetBias = 1.0
    seq_len: int = 2

    def __post_init__(self) -> None:
        if self.cell not in ("lstm", "rnn"):
            raise LstmbenchError(f"The cell must be 'lstm' or 'rnn', but it is {self.cell!r}.")

    def initial_weights(self, seed: int) -> ArraysByName:
        """Return initial weights in float64; the same seed gives the same bits.

        Uniform in +-1/sqrt(H), as torch.nn.LSTM and torch.nn.RNN draw them; then the forget bias is
        set.
        """
        H, rng = self.hidden_size, np.random.default_rng(seed)
        bound = 1 / np.sqrt(H)
        rows = 4 * H if self.cell == "lstm" else H
        K = self.output_size
        shapes = [(rows, self.input_size), (rows, H), (rows,), (K, H), (K,)]
        weights = {
            name: rng.uniform(-bound, bound, shape)
            for name, shape in zip((*CELL, *OUTPUT_LAYER), shapes, strict=True)
        }
        if self.cell == "lstm":
            i, f = weights["bias"][:H], weights["bias"][H : 2 * H]
            if self.forget_bias == "chrono":
                f[:] = np.log(rng.uniform(1, max(2, self.seq_len - 1), H))
                i[:] = -f
            else:
                f += self.forget_bias
        return weights

    def open_cell(
        self, implementation: str, device: str, dtype: str
    ) -> tuple[MakeCell, ArrayBackend]:
        """Return what makes the cell from weights, and the framework that it computes in.

        For a plain RNN, the implementation decides the framework only.

        Raises:
            LstmbenchError: if the implementation is not available here, or has no backward.
        """
        registration, framework = registry.resolve(implementation, device, dtype)
        if "training" not in registration.modes:
            raise LstmbenchError(
                f"{implementation} cannot be trained: it is registered for inference only, "
                "without a backward."
            )
        params_class, cell_class = (
            (PlainRNNParams, plain_rnn_class(framework.name))
            if self.cell == "rnn"
            else (LSTMParams, registration.cls)
        )

        def make_cell(weights: ArraysByName) -> NativeLayer:
            params: Any = params_class(**{name: weights[name] for name in CELL})
            return PlainLayer(params, cell_class, framework)

        return make_cell, framework
