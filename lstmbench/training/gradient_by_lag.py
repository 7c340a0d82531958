"""How much of a gradient is left after so many steps: why an LSTM keeps what a plain RNN forgets.

Bengio, Simard & Frasconi 1994, and Hochreiter & Schmidhuber 1997, section 3: what an output at time
T owes to the input at time t is a product of T - t Jacobians. In a plain RNN these shrink it, or
blow it up; along an LSTM's cell state each is the forget gate, which a bias can open.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.training.model import CELL, Model

KINDS: Mapping[str, dict[str, Any]] = {
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
    """Return how strongly the last output depends on each input, before anything was learnt.

    Args:
        seq_len: T.
        hidden_size: H.
        sequences: over so many random sequences the norm is taken together.
        seeds: of the initial weights.
        implementation: what computes the LSTM.

    Returns:
        One row per kind of cell, seed and lag: ``kind``, ``seed``, ``lag`` (T - t), and ``norm``,
        that of the gradient of a random projection of h_T with respect to x_t, over that with
        respect to x_T.
    """
    rows = []
    for kind, options in KINDS.items():
        for seed in range(seeds):
            draw = np.random.default_rng([seed, 1])
            model = Model(1, hidden_size, 1, horizon=seq_len, **options)
            make, framework = model.cell_from(implementation, "cpu", "float64")
            with framework.scope():
                weights = {
                    name: framework.from_numpy(array)
                    for name, array in model.draw(seed).items()
                    if name in CELL
                }
                x = framework.from_numpy(draw.standard_normal((seq_len, sequences, 1)))
                zeros = framework.zeros((sequences, hidden_size))
                _, saved = make(weights).forward(x, zeros, zeros, save=True)
                dh = framework.from_numpy(draw.standard_normal((sequences, hidden_size)))
                dy = framework.zeros((seq_len, sequences, hidden_size))
                _, dx, _, _ = make(weights).backward(saved, dy, dh, zeros)
                norms = np.sqrt((framework.to_numpy(dx) ** 2).sum(axis=(1, 2)))
            lags = np.arange(seq_len)[::-1]
            rows += [
                (kind, seed, int(lag), float(norm / norms[-1]))
                for lag, norm in zip(lags, norms, strict=True)
            ]
    return pd.DataFrame(rows, columns=["kind", "seed", "lag", "norm"])
