"""The LSTM in NumPy once more, in lines that can be broken one at a time. Only tests use it; see
test_mutants.py.
"""

from typing import Any

import numpy as np


def sigmoid(z: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


class Plain:
    def __init__(self, params: Any, framework: Any) -> None:
        self.W_ih = framework.from_numpy(params.weight_ih)
        self.W_hh = framework.from_numpy(params.weight_hh)
        self.b = framework.from_numpy(params.bias)

    def run(self, x: Any, h0: Any, c0: Any) -> Any:
        y = np.empty((*x.shape[:2], h0.shape[1]), dtype=x.dtype)
        steps = []
        h, c = h0, c0
        for t, x_t in enumerate(x):
            h_prev, c_prev = h, c
            z = x_t @ self.W_ih.T + h_prev @ self.W_hh.T + self.b
            i, f, g, o = np.split(z, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            c = f * c_prev + i * g
            h = o * np.tanh(c)
            y[t] = h
            steps.append((x_t, h_prev, c_prev, i, f, g, o, c))
        return (y, h, c), steps

    def forward(self, x: Any, h0: Any, c0: Any) -> Any:
        outputs, _ = self.run(x, h0, c0)
        return outputs

    def forward_backward(self, x: Any, h0: Any, c0: Any, dy: Any, dh_T: Any, dc_T: Any) -> Any:
        outputs, steps = self.run(x, h0, c0)
        dW_ih, dW_hh, db, dx = (np.zeros_like(array) for array in (self.W_ih, self.W_hh, self.b, x))
        dh, dc = dh_T, dc_T
        for t in reversed(range(len(x))):
            x_t, h_prev, c_prev, i, f, g, o, c = steps[t]
            dh = dh + dy[t]
            tanh_c = np.tanh(c)
            dc = dc + dh * o * (1 - tanh_c**2)
            di, df, dg, do = dc * g, dc * c_prev, dc * i, dh * tanh_c
            dz = np.concatenate(
                [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1
            )
            dW_ih += dz.T @ x_t
            dW_hh += dz.T @ h_prev
            db += dz.sum(axis=0)
            dx[t] = dz @ self.W_ih
            dh = dz @ self.W_hh
            dc = dc * f
        return outputs, (dW_ih, dW_hh, db, dx, dh, dc)
