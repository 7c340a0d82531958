"""``numpy.fused``: the LSTM in NumPy as fast as whole-array operations allow, with a hand-written backward.

What differs from the equations as printed, and why the result is the same:

- The inputs' share of all pre-activations, W_ih x_t + b, is computed for many steps by one matrix product.
- The four gates are columns of one array, in the order i, f, o, g, so that one product serves all of them.
- sigmoid(z) = (1 + tanh(z / 2)) / 2. The halves are folded into the weights of i, f and o (exact: a power of two),
  so that one ``tanh`` over all four gates is the only transcendental function besides tanh(c). The error of a gate
  is then some rounding error of 1, not of the gate: one that is all but closed, below 1e-7 in float32, comes out as 0.
- In the backward pass each step leaves its dz, (B, 4H), in the place of its gates. The gradients of the weights, of
  the bias and of the inputs are then one product (or sum) over all steps together.

What it keeps in memory. Inference: the outputs, the last state, and one (B, H) besides; a long sequence's share of
the inputs is computed in chunks of steps, in that part of the outputs that is not written yet. Training: h, c and the
four gates of every step, the gradients, and a few arrays of one step; tanh(c) is computed again, h and c before the
first step lie in front of the others, and dz takes the place of the gates.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.numpy_framework import NumpyFramework

Array = NDArray[Any]

LONG = 128
"""From so many steps on, inference works in the memory of its own outputs; below, the room for all steps is small."""
CHUNK_BYTES = 1 << 18
"""The inputs' share of a chunk of steps is about so large: it should still be in the cache when it is used."""


@register("numpy.fused", framework="numpy")
class NumpyFused:
    """Stacked gates, one product for many inputs, one for each weight gradient."""

    def __init__(self, params: LSTMParams, framework: NumpyFramework) -> None:
        H = params.hidden_size
        # rows i, f, g, o -> i, f, o, g
        order = np.r_[0 : 2 * H, 3 * H : 4 * H, 2 * H : 3 * H]
        self.W_ih = framework.from_numpy(params.weight_ih[order])  # (4H, I)
        self.W_hh = framework.from_numpy(params.weight_hh[order])  # (4H, H)
        half = np.r_[np.full(3 * H, 0.5), np.ones(H)][:, None]  # (4H, 1)
        self.U_ih = framework.from_numpy((half * params.weight_ih[order]).T)  # (I, 4H)
        self.U_hh = framework.from_numpy((half * params.weight_hh[order]).T)  # (H, 4H)
        self.u = framework.from_numpy(half[:, 0] * params.bias[order])  # (4H,)
        self.H = H

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        H = self.H
        T, B, _ = x.shape
        y = np.empty((T, B, H), dtype=x.dtype)
        h, c, h_T = h0, c0.copy(), np.empty_like(h0)
        free = y if T >= LONG else np.empty((4 * T + 4, B, H), dtype=x.dtype)
        # The gates of one step have the last place, the inputs' share of the chunk's steps the place before it
        z = free[-4:].reshape(B, 4 * H)
        i, f, o, g, sigmoids = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :], z[:, : 3 * H]
        longest = max(1, CHUNK_BYTES // z.nbytes)
        t = 0
        while steps := T - t if T < LONG else min(longest, (T - t - 4) // 5):  # one step of h, four of gates
            shares = free[-4 - 4 * steps : -4].reshape(steps * B, 4 * H)
            np.matmul(x[t : t + steps].reshape(steps * B, -1), self.U_ih, out=shares)
            shares += self.u
            for share, h_next in zip(shares.reshape(steps, B, 4 * H), y[t : t + steps], strict=True):
                np.matmul(h, self.U_hh, out=z)
                z += share
                np.tanh(z, out=z)
                sigmoids *= 0.5
                sigmoids += 0.5
                c *= f
                np.multiply(i, g, out=h_next)
                c += h_next
                np.tanh(c, out=h_next)
                h_next *= o
                h = h_next
            t += steps
        if t < T:
            self._last_steps(x[t:], h, c, y[t:], h_T)
        h_T[...] = y[-1]
        return y, h_T, c

    def _last_steps(self, x: Array, h: Array, c: Array, y: Array, a: Array) -> None:
        """Run the few steps whose outputs leave no room for four gates, gate by gate; c is updated, a is scratch."""
        H = self.H
        b = np.empty_like(a)

        def gate(k: int, out: Array, product: Array) -> None:
            columns = slice(k * H, (k + 1) * H)
            np.matmul(x_t, self.U_ih[:, columns], out=out)
            np.matmul(h, self.U_hh[:, columns], out=product)
            out += product
            out += self.u[columns]
            np.tanh(out, out=out)
            if k < 3:
                out *= 0.5
                out += 0.5

        for x_t, h_next in zip(x, y, strict=True):
            gate(1, a, h_next)
            c *= a
            gate(0, a, h_next)
            gate(3, b, h_next)
            a *= b
            c += a
            gate(2, a, h_next)
            np.tanh(c, out=h_next)
            h_next *= a
            h = h_next

    def forward_saving(self, x: Array, h0: Array, c0: Array) -> Any:
        """Return (y, h, c) and what ``backward`` uses up: it may be called once."""
        H = self.H
        T, B, features = x.shape
        hs, cs = np.empty((T + 1, B, H), dtype=x.dtype), np.empty((T + 1, B, H), dtype=x.dtype)
        hs[0], cs[0] = h0, c0
        gates = np.empty((T, B, 4 * H), dtype=x.dtype)
        flat = gates.reshape(T * B, 4 * H)
        np.matmul(x.reshape(T * B, features), self.U_ih, out=flat)
        flat += self.u
        z = np.empty((B, 4 * H), dtype=x.dtype)
        i, f, o, g, sigmoids = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :], z[:, : 3 * H]
        h, c = hs[0], cs[0]
        for share, h_next, c_next in zip(gates, hs[1:], cs[1:], strict=True):
            np.matmul(h, self.U_hh, out=z)
            z += share
            np.tanh(z, out=z)
            sigmoids *= 0.5
            sigmoids += 0.5
            np.multiply(i, g, out=h_next)
            np.multiply(f, c, out=c_next)
            c_next += h_next
            np.tanh(c_next, out=h_next)
            h_next *= o
            share[...] = z
            h, c = h_next, c_next
        return (hs[1:], h.copy(), c.copy()), (x, hs, cs, gates)

    def backward(self, saved: Any, dy: Array, dh: Array, dc: Array) -> Any:
        x, hs, cs, gates = saved
        H = self.H
        T, B, features = x.shape
        dh, dc = dh.copy(), dc.copy()
        dc_prev, scratch = np.empty_like(dc), np.empty_like(dc)
        # of the gates i, f, o, g: first their slopes, s (1 - s) for the sigmoids, 1 - g^2 for the candidate
        d = np.empty((B, 4 * H), dtype=x.dtype)
        d_i, d_f, d_o, d_g, d_if = d[:, :H], d[:, H : 2 * H], d[:, 2 * H : 3 * H], d[:, 3 * H :], d[:, : 2 * H]
        for t in range(T - 1, -1, -1):
            z, y_t = gates[t], hs[t + 1]
            i, f, o, g = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
            dh += dy[t]
            # dc += dh * o * (1 - tanh(c)^2), where o * tanh(c) is y
            np.tanh(cs[t + 1], out=scratch)
            scratch *= y_t
            np.subtract(o, scratch, out=scratch)
            scratch *= dh
            dc += scratch
            np.subtract(1, z, out=d)
            d_if *= z[:, : 2 * H]
            d_i *= g
            d_f *= cs[t]
            d_o *= y_t
            np.multiply(g, g, out=d_g)
            np.subtract(1, d_g, out=d_g)
            d_g *= i
            # from here on the gates are overwritten by dz
            np.multiply(dc, f, out=dc_prev)
            np.multiply(d_i, dc, out=i)
            np.multiply(d_f, dc, out=f)
            np.multiply(d_o, dh, out=o)
            np.multiply(d_g, dc, out=g)
            np.matmul(z, self.W_hh, out=dh)
            dc, dc_prev = dc_prev, dc

        dz = gates.reshape(T * B, 4 * H)
        dW_ih, dW_hh = dz.T @ x.reshape(T * B, features), dz.T @ hs[:-1].reshape(T * B, H)
        db = dz.sum(axis=0)
        for gradient in (dW_ih, dW_hh, db):  # back to i, f, g, o
            d_o_rows = gradient[2 * H : 3 * H].copy()
            gradient[2 * H : 3 * H] = gradient[3 * H :]
            gradient[3 * H :] = d_o_rows
        dx = (dz @ self.W_ih).reshape(x.shape)
        return dW_ih, dW_hh, db, dx, dh, dc

    def forward_backward(self, x: Array, h0: Array, c0: Array, dy: Array, dh: Array, dc: Array) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)
