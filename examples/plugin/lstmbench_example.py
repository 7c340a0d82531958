"""``example.numpy``: a NumPy LSTM in its own package, with the backward pass by hand."""

import numpy as np

from lstmbench import register


def sigmoid(z):
    """Return 1 / (1 + exp(-z)), in a form that does not overflow."""
    return 0.5 * np.tanh(0.5 * z) + 0.5


@register("example.numpy", framework="numpy")
class ExampleNumpy:
    """One matrix product per step; NumPy arrays in the chosen dtype; the gates are i, f, g, o."""

    def __init__(self, params, framework):
        W = np.hstack([params.weight_ih, params.weight_hh])  # (4H, I + H)
        self.W = framework.from_numpy(W)
        self.b = framework.from_numpy(params.bias)  # (4H,)

    def run(self, x, h, c):
        """Return y (T, B, H), the last h and c (B, H), and each step's values for the backward."""
        y, steps = [], []
        for x_t in x:
            xh = np.hstack([x_t, h])
            i, f, g, o = np.split(xh @ self.W.T + self.b, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            c_prev, c = c, f * c + i * g
            h = o * np.tanh(c)
            y.append(h)
            steps.append((xh, i, f, g, o, c_prev, np.tanh(c)))
        return (np.stack(y), h, c), steps

    def forward(self, x, h0, c0):
        return self.run(x, h0, c0)[0]

    def forward_backward(self, x, h0, c0, dy, dh, dc):
        outputs, steps = self.run(x, h0, c0)
        dW, db = np.zeros_like(self.W), np.zeros_like(self.b)
        dx, features = np.empty_like(x), x.shape[2]
        for t in reversed(range(len(x))):
            xh, i, f, g, o, c_prev, tanh_c = steps[t]
            dh = dh + dy[t]
            dc = dc + dh * o * (1 - tanh_c**2)
            dz = [
                dc * g * i * (1 - i),
                dc * c_prev * f * (1 - f),
                dc * i * (1 - g**2),
                dh * tanh_c * o * (1 - o),
            ]
            dz = np.hstack(dz)
            dW += dz.T @ xh
            db += dz.sum(axis=0)
            dx[t], dh = np.split(dz @ self.W, [features], axis=1)
            dc = dc * f
        return outputs, (*np.split(dW, [features], axis=1), db, dx, dh, dc)
