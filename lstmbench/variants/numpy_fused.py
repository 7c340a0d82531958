"""``numpy.fused``: the LSTM in NumPy as fast as whole-array operations allow, with a hand-written backward.

What differs from the equations as printed, and why the result is the same:

- The inputs' share of all pre-activations, W_ih x_t + b, is computed for many steps by one product for each gate.
- The gates of a step are four (B, H) blocks, one after the other, in the order o, i, f, g: what is done to the three
  sigmoids, or to the three gates of the cell, is one operation over memory without gaps.
- Products are cut into small ones where the BLAS is faster at those (``_cut_products``). For dz W, with its 4H numbers
  in a row, that may need a product for each gate and their sum.
- sigmoid(z) = (1 + tanh(z / 2)) / 2. The halves are folded into the weights of i, f and o (exact: a power of two),
  so that one ``tanh`` over all four gates is the only transcendental function besides tanh(c). The error of a gate
  is then some rounding error of 1, not of the gate: one that is all but closed, below 1e-7 in float32, comes out as 0.
- In the backward pass each step leaves its dz, (B, 4H), in the place of its gates. The gradients of the weights, of
  the bias and of the inputs are then one product (or sum) over all steps together.

What it keeps in memory. Inference: the outputs, the last state, and one (B, H) besides; in a long sequence, gates and
the inputs' share of the next steps lie in that part of the outputs that is not written yet. Training: h, c and the four
gates of every step, the gradients, and a few arrays of one step; tanh(c) is computed again, h and c before the first
step lie in front of the others, and dz takes the place of the gates.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.numpy_framework import NumpyFramework
from lstmbench.variants._cut_products import CutProducts

Array = NDArray[Any]

LONG = 128
"""From so many steps on, inference works in the memory of its own outputs; below, a chunk of steps has its own room."""
CHUNK_BYTES = 1 << 22
"""The inputs' share of a chunk of steps is at most so large: it should still be in some cache when it is used."""
LINE = 16
"""Rows that are to be transposed lie so many numbers further apart, lest they meet in one set of a cache."""
ORDER = (3, 0, 1, 2)
"""Where o, i, f, g are among i, f, g, o."""


def _gates(weight: Array) -> list[Array]:
    """Return the parts of weight (4H, K) for o, i, f, g: four times (H, K)."""
    i_f_g_o = np.split(weight, 4)
    return [i_f_g_o[k] for k in ORDER]


def _ahead(weight: Array) -> CutProducts:
    """Return the products of inputs or states with the weights of each gate, halved for a sigmoid."""
    gates = _gates(weight)
    H, K = gates[0].shape

    def transposed(g: int) -> Array:
        rows: Array = np.empty((H, K + LINE), weight.dtype)[:, :K]
        return np.multiply(gates[g], 0.5 if g < 3 else 1, out=rows).T

    return CutProducts((4, K, H), weight.dtype, transposed)


def _back(weight: Array, rows: int) -> CutProducts:
    """Return the product of dz (rows, 4H) with weight (4H, K): one for all gates, or a sum over them, to be cut."""
    gates = _gates(weight)
    H, K = gates[0].shape
    one = CutProducts((1, 4 * H, K), weight.dtype, lambda _: np.concatenate(gates))
    four = CutProducts((4, H, K), weight.dtype, gates.__getitem__)
    return four if four.rows_at_once(rows) and not one.rows_at_once(rows) else one


class _Ahead:
    """The weights as the forward pass takes them."""

    def __init__(self, weight_ih: Array, weight_hh: Array, bias: Array) -> None:
        self.U_ih, self.U_hh = _ahead(weight_ih), _ahead(weight_hh)
        self.u = np.stack(_gates(bias))[:, None]  # (4, 1, H)
        self.u[:3] *= 0.5

    def steps_at_once(self, h0: Array) -> int:
        """Say of how many steps the inputs' share is computed at once: it takes no more room than the weights."""
        as_weights = (self.U_ih.shape[1] + self.U_hh.shape[1]) // len(h0)
        return max(1, min(as_weights, CHUNK_BYTES // (4 * h0.nbytes)))

    def shares(self, x: Array, room: Array) -> Array:
        """Compute what x (k, B, I) adds to the pre-activations of its steps, in ``room``: (k, 4, B, H)."""
        k, B, features = x.shape
        shares = room.reshape(4, k * B, -1)
        self.U_ih.multiply(x.reshape(k * B, features), out=shares)
        shares += self.u
        return shares.reshape(4, k, B, -1).transpose(1, 0, 2, 3)


@contextmanager
def _small_buffers() -> Iterator[None]:
    """Keep NumPy from setting aside 8192 numbers for each operation over memory with gaps; it needs none of them."""
    before = np.setbufsize(16)
    try:
        yield
    finally:
        np.setbufsize(before)


@register("numpy.fused", framework="numpy")
class NumpyFused:
    """Gates in blocks, one product for many inputs, one for each weight gradient."""

    def __init__(self, params: LSTMParams, framework: NumpyFramework) -> None:
        self.weights = tuple(framework.from_numpy(array) for array in (params.weight_ih, params.weight_hh, params.bias))
        self.H = params.hidden_size
        self.ahead = _Ahead(*self.weights)  # for inference; training, after which weights change, lays them out anew

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        T, B, _ = x.shape
        y = np.empty((T, B, self.H), dtype=x.dtype)
        h, c, h_T = h0, c0.copy(), np.empty_like(h0)
        ahead = self.ahead
        longest = ahead.steps_at_once(h0)
        room = y if T >= LONG else np.empty((4 * min(T, longest) + 4, B, self.H), dtype=x.dtype)
        z = room[-4:]
        o, i, f, g = z
        sigmoids = z[:3]
        t = 0
        with _small_buffers() if T >= LONG else nullcontext():
            # A step of a chunk takes one place for its output, four for its share of the inputs
            while steps := min(longest, T - t if T < LONG else (T - t - 4) // 5):
                shares = ahead.shares(x[t : t + steps], room[-4 - 4 * steps : -4])
                for share, h_next in zip(shares, y[t : t + steps], strict=True):
                    ahead.U_hh.multiply(h, out=z)
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
                self._last_steps(x[t:], h, c, y[t:], scratch=h_T)
        h_T[...] = y[-1]
        return y, h_T, c

    def _last_steps(self, x: Array, h: Array, c: Array, y: Array, scratch: Array) -> None:
        """Run the few steps whose outputs leave no room for four gates, gate by gate; c is updated in place."""
        first, second = scratch, np.empty_like(scratch)
        for x_t, h_next in zip(x, y, strict=True):
            self._gate(2, x_t, h, out=first, product=h_next)
            c *= first
            self._gate(1, x_t, h, out=first, product=h_next)
            self._gate(3, x_t, h, out=second, product=h_next)
            first *= second
            c += first
            self._gate(0, x_t, h, out=first, product=h_next)
            np.tanh(c, out=h_next)
            h_next *= first
            h = h_next

    def _gate(self, k: int, x_t: Array, h: Array, out: Array, product: Array) -> None:
        np.copyto(out, self.ahead.u[k])
        np.matmul(x_t, self.ahead.U_ih.whole[k], out=product)
        out += product
        np.matmul(h, self.ahead.U_hh.whole[k], out=product)
        out += product
        np.tanh(out, out=out)
        if k < 3:
            out *= 0.5
            out += 0.5

    def forward_saving(self, x: Array, h0: Array, c0: Array) -> Any:
        """Return (y, h, c) and what ``backward`` uses up: it may be called once."""
        H = self.H
        T, B, _ = x.shape
        hs, cs = np.empty((T + 1, B, H), dtype=x.dtype), np.empty((T + 1, B, H), dtype=x.dtype)
        hs[0], cs[0] = h0, c0
        gates = np.empty((T, 4, B, H), dtype=x.dtype)
        ahead = _Ahead(*self.weights)
        longest = min(T, ahead.steps_at_once(h0))
        room = np.empty((4 * longest, B, H), dtype=x.dtype)
        h, c = hs[0], cs[0]
        with _small_buffers():
            for t in range(0, T, longest):
                steps = slice(t, min(t + longest, T))
                shares = ahead.shares(x[steps], room[: 4 * (steps.stop - t)])
                for z, share, h_next, c_next in zip(gates[steps], shares, hs[1:][steps], cs[1:][steps], strict=True):
                    ahead.U_hh.multiply(h, out=z)
                    z += share
                    np.tanh(z, out=z)
                    sigmoids = z[:3]
                    sigmoids *= 0.5
                    sigmoids += 0.5
                    o, i, f, g = z
                    np.multiply(i, g, out=h_next)
                    np.multiply(f, c, out=c_next)
                    c_next += h_next
                    np.tanh(c_next, out=h_next)
                    h_next *= o
                    h, c = h_next, c_next
        return (hs[1:], h.copy(), c.copy()), (x, hs, cs, gates)

    def backward(self, saved: Any, dy: Array, dh: Array, dc: Array) -> Any:
        x, hs, cs, gates = saved
        H = self.H
        T, B, features = x.shape
        dh, dc, scratch = dh.copy(), dc.copy(), np.empty_like(dc)
        dz = gates.reshape(T, B, 4 * H)  # takes the place of the gates, as rows
        d = np.empty((4, B, H), dtype=x.dtype)  # a step's dz, as blocks
        d_o, d_i, d_f, d_g = d
        sigmoids_of_c, all_of_c, rows = d[1:3], d[1:], d.transpose(1, 0, 2)
        to_h = _back(self.weights[1], B)
        for t in range(T - 1, -1, -1):
            z, y_t = gates[t], hs[t + 1]
            o, i, f, g = z
            dh += dy[t]
            # dc += dh * o * (1 - tanh(c)^2), where o * tanh(c) is y
            np.tanh(cs[t + 1], out=scratch)
            scratch *= y_t
            np.subtract(o, scratch, out=scratch)
            scratch *= dh
            dc += scratch
            # slopes, s (1 - s) for the sigmoids and 1 - g^2 for the candidate, times what came in beside each gate
            np.subtract(1, z[:3], out=d[:3])
            sigmoids_of_c *= z[1:3]
            np.multiply(g, g, out=d_g)
            np.subtract(1, d_g, out=d_g)
            d_i *= g
            d_f *= cs[t]
            d_g *= i
            all_of_c *= dc
            d_o *= y_t
            d_o *= dh
            dc *= f
            dz[t].reshape(B, 4, H)[...] = rows
            to_h.sum_of_products(dz[t], parts=d, out=dh)
        del d, d_o, d_i, d_f, d_g, sigmoids_of_c, all_of_c, rows, scratch, to_h

        dx = np.empty_like(x)
        self._input_gradients(dz, out=dx)
        flat = dz.reshape(T * B, 4 * H)
        dW_ih, dW_hh = flat.T @ x.reshape(T * B, features), flat.T @ hs[:-1].reshape(T * B, H)
        db = flat.sum(axis=0)
        for gradient in (dW_ih, dW_hh, db):
            _to_the_canonical_order(gradient.reshape(4, H, -1))
        return dW_ih, dW_hh, db, dx, dh, dc

    def _input_gradients(self, dz: Array, out: Array) -> None:
        """Write dz (T, B, 4H) times W_ih to ``out``: all steps at once, or if they take a sum over the gates, each."""
        T, B, features = out.shape
        to_x = _back(self.weights[0], B)
        if to_x.shape[0] == 1:
            to_x.multiply(dz.reshape(T * B, -1), out=out.reshape(1, T * B, features))
            return
        parts = np.empty((4, B, features), dtype=out.dtype)
        for dz_t, out_t in zip(dz, out, strict=True):
            to_x.sum_of_products(dz_t, parts, out=out_t)

    def forward_backward(self, x: Array, h0: Array, c0: Array, dy: Array, dh: Array, dc: Array) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)


def _to_the_canonical_order(blocks: Array) -> None:
    """Bring o, i, f, g into the order i, f, g, o, in place and block by block: a copy of all would take more room."""
    o = blocks[0].copy()
    for k in range(3):
        blocks[k] = blocks[k + 1]
    blocks[3] = o
