"""How much of a gradient remains over many steps: why an LSTM remembers what a plain RNN forgets.

Bengio, Simard & Frasconi 1994, and Hochreiter & Schmidhuber 1997, section 3: the derivative of an
output at time T with respect to the input at time t is a product of T - t Jacobians. In a plain RNN
they make it vanish or explode; along an LSTM's cell state each is the forget gate, which a bias can
hold open.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.training.model import ModelSpec

CELL_KINDS: Mapping[str, dict[str, Any]] = {
    "plain RNN": {"cell": "rnn"},
    "LSTM, forget bias 0": {"forget_bias": 0.0},
    "LSTM, forget bias 1": {"forget_bias": 1.0},
    "LSTM, forget bias 5": {"forget_bias": 5.0},
    "LSTM, chrono": {"forget_bias": "chrono"},
}


def gradient_by_lag(
    seq_len: int = 200,
    hidden_size: int = 64,
    sequences: int = 20,
    seeds: int = 5,
    implementation: str = "numpy.fused",
) -> pd.DataFrame:
    """Return how strongly the last state depends on each input, before training.

    Args:
        seq_len: T.
        hidden_size: H.
        sequences: number of random sequences over which each norm is taken.
        seeds: number of initial weights.
        implementation: computes the LSTM.

    Returns:
        One row per kind of cell, seed and lag: ``kind``, ``seed``, ``lag`` (T - t), and ``norm``,
        that of the gradient of a random projection of h_T with respect to x_t, divided by that with
        respect to x_T.
    """
    tables = []
    for (kind, options), seed in product(CELL_KINDS.items(), range(seeds)):
        rng = np.random.default_rng([seed, 1])
        spec = ModelSpec(1, hidden_size, 1, seq_len=seq_len, **options)
        make_cell, framework = spec.open_cell(implementation, "cpu", "float64")
        with framework.scope():
            cell = make_cell(spec.initial_weights(seed))
            x = framework.from_numpy(rng.standard_normal((seq_len, sequences, 1)))
            dh = framework.from_numpy(rng.standard_normal((sequences, hidden_size)))
            dy = framework.zeros((seq_len, sequences, hidden_size))
            zeros = framework.zeros((sequences, hidden_size))
            _, saved = cell.forward(x, zeros, zeros, save=True)
            _, dx, _, _ = cell.backward(saved, dy, dh, zeros)
            norms = np.linalg.norm(framework.to_numpy(dx), axis=(1, 2))
        lags = np.arange(seq_len)[::-1]
        columns = {"kind": kind, "seed": seed, "lag": lags, "norm": norms / norms[-1]}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
