"""The plain RNN in NumPy, with its backward written out."""

from typing import Any

import numpy as np

from lstmbench.backends.numpy_backend import NumpyBackend
from lstmbench.training.plain_rnn import PlainRNNParams
from lstmbench.training.task import Array


class NumpyPlainRNN:
    """One product for all inputs, and one for each weight gradient."""

    def __init__(self, params: PlainRNNParams, framework: NumpyBackend) -> None:
        self.W, self.U, self.b = map(framework.from_numpy, params)

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        y = x @ self.W.T + self.b  # (T, B, H)
        h = h0
        for z in y:
            z += h @ self.U.T
            h = np.tanh(z, out=z)
        return y, h, c0

    def forward_saving(self, x: Array, h0: Array, c0: Array) -> Any:
        outputs = self.forward(x, h0, c0)
        return outputs, (x, h0, outputs[0])

    def backward(self, saved: Any, dy: Array, dh: Array, dc: Array) -> Any:
        x, h0, y = saved
        dzs = 1 - y * y
        for dz, dy_t in zip(dzs[::-1], dy[::-1], strict=True):
            dz *= dh + dy_t
            dh = dz @ self.U
        flat = dzs.reshape(-1, dzs.shape[2])
        h_prevs = np.concatenate([h0[None], y[:-1]]).reshape(flat.shape)
        dW, dU = flat.T @ x.reshape(len(flat), -1), flat.T @ h_prevs
        return dW, dU, flat.sum(axis=0), dzs @ self.W, dh, dc
