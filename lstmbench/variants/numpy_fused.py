"""``numpy.fused``: the LSTM in NumPy as fast as whole-array operations allow, with a hand-written backward.

What differs from the equations as printed, and why the result is the same:

- The inputs' share of all pre-activations, W_ih x_t + b, is one matrix product before the loop.
- The four gates are columns of one array, in the order i, f, o, g, so that one product serves all of them.
- sigmoid(z) = (1 + tanh(z / 2)) / 2. The halves are folded into the weights of i, f and o (exact: a power of two),
  so that one ``tanh`` over all four gates is the only transcendental function besides tanh(c). The error of a gate
  is then some rounding error of 1, not of the gate: one that is all but closed, below 1e-7 in float32, comes out as 0.
- In the backward pass each step leaves its dz, (B, 4H), in a buffer. The gradients of the weights, of the bias and
  of the inputs are then one product (or sum) over all steps together.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.numpy_framework import NumpyFramework

Array = NDArray[Any]


@register("numpy.fused", framework="numpy")
class NumpyFused:
    """Stacked gates, one product for all inputs, one for each weight gradient."""

    def __init__(self, params: LSTMParams, framework: NumpyFramework) -> None:
        H = params.hidden_size
        # rows i, f, g, o -> i, f, o, g
        self.order = np.r_[0 : 2 * H, 3 * H : 4 * H, 2 * H : 3 * H]
        self.inverse = np.argsort(self.order)
        self.W_ih = framework.from_numpy(params.weight_ih[self.order])  # (4H, I)
        self.W_hh = framework.from_numpy(params.weight_hh[self.order])  # (4H, H)
        half = np.r_[np.full(3 * H, 0.5), np.ones(H)][:, None]  # (4H, 1)
        self.U_ih = framework.from_numpy((half * params.weight_ih[self.order]).T)  # (I, 4H)
        self.U_hh = framework.from_numpy((half * params.weight_hh[self.order]).T)  # (H, 4H)
        self.u = framework.from_numpy(half[:, 0] * params.bias[self.order])  # (4H,)
        self.H = H

    def _gates(self, z: Array) -> None:
        """Turn pre-activations into gates in place: z is (B, 4H), its first 3H columns halved."""
        np.tanh(z, out=z)
        sigmoids = z[:, : 3 * self.H]
        sigmoids *= 0.5
        sigmoids += 0.5

    def _inputs(self, x: Array) -> Array:
        T, B, features = x.shape
        z = x.reshape(T * B, features) @ self.U_ih
        z += self.u
        return z.reshape(T, B, 4 * self.H)

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        H = self.H
        zs = self._inputs(x)  # (T, B, 4H)
        y = np.empty((*x.shape[:2], H), dtype=x.dtype)
        product, scratch = np.empty_like(zs[0]), np.empty_like(h0)
        h, c = h0, c0.copy()
        for z, h_next in zip(zs, y, strict=True):
            np.matmul(h, self.U_hh, out=product)
            z += product
            self._gates(z)
            c *= z[:, H : 2 * H]
            np.multiply(z[:, :H], z[:, 3 * H :], out=scratch)
            c += scratch
            np.tanh(c, out=scratch)
            np.multiply(z[:, 2 * H : 3 * H], scratch, out=h_next)
            h = h_next
        return y, h.copy(), c

    def forward_backward(self, x: Array, h0: Array, c0: Array, dy: Array, dh: Array, dc: Array) -> Any:
        H = self.H
        T, B, features = x.shape
        gates = self._inputs(x)  # (T, B, 4H), becomes the gates, then dz
        y, cs, tanh_cs = (np.empty((T, B, H), dtype=x.dtype) for _ in range(3))
        product, scratch = np.empty_like(gates[0]), np.empty_like(h0)
        h, c = h0, c0
        for z, h_next, c_next, tanh_c in zip(gates, y, cs, tanh_cs, strict=True):
            np.matmul(h, self.U_hh, out=product)
            z += product
            self._gates(z)
            np.multiply(z[:, H : 2 * H], c, out=c_next)
            np.multiply(z[:, :H], z[:, 3 * H :], out=scratch)
            c_next += scratch
            np.tanh(c_next, out=tanh_c)
            np.multiply(z[:, 2 * H : 3 * H], tanh_c, out=h_next)
            h, c = h_next, c_next

        dh, dc = dh.copy(), dc.copy()
        slope = np.empty((B, 4 * H), dtype=x.dtype)
        for t in range(T - 1, -1, -1):
            z, tanh_c = gates[t], tanh_cs[t]
            i, f, o, g = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
            dh += dy[t]
            # dc += dh * o * (1 - tanh(c)^2)
            np.multiply(tanh_c, tanh_c, out=scratch)
            np.subtract(1, scratch, out=scratch)
            scratch *= o
            scratch *= dh
            dc += scratch
            # slope of each gate: s (1 - s) for the sigmoids, 1 - g^2 for the candidate
            np.subtract(1, z, out=slope)
            slope[:, : 3 * H] *= z[:, : 3 * H]
            np.multiply(g, g, out=slope[:, 3 * H :])
            np.subtract(1, slope[:, 3 * H :], out=slope[:, 3 * H :])
            # gradients of the gates, then of the pre-activations; f is needed once more after it is overwritten
            np.multiply(dc, f, out=scratch)
            i_copy = product[:, :H]
            np.copyto(i_copy, i)
            np.multiply(dc, g, out=i)
            np.multiply(dc, i_copy, out=g)
            np.multiply(dc, cs[t - 1] if t > 0 else c0, out=f)
            np.multiply(dh, tanh_c, out=o)
            z *= slope
            np.matmul(z, self.W_hh, out=dh)
            dc, scratch = scratch, dc

        dz = gates.reshape(T * B, 4 * H)
        h_prev = np.concatenate([h0[None], y[:-1]]).reshape(T * B, H)
        dW_ih, dW_hh, db = dz.T @ x.reshape(T * B, features), dz.T @ h_prev, dz.sum(axis=0)
        dx = (dz @ self.W_ih).reshape(x.shape)
        rows = self.inverse  # back to i, f, g, o
        return (y, h.copy(), c.copy()), (dW_ih[rows], dW_hh[rows], db[rows], dx, dh, dc)
