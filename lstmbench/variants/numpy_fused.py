"""``numpy.fused``: the LSTM in NumPy as fast as whole-array operations allow, with a hand-written backward.

What differs from the equations as printed, and why the result is the same:

- The inputs' share of all pre-activations, W_ih x_t + b, is computed for many steps by one product for each gate.
- The gates of a step are four (B, H) blocks, one after the other, in the order o, i, f, g: what is done to the three
  sigmoids, or to the three gates of the cell, is one operation over memory without gaps.
- A BLAS lays its operands out anew in each product, which costs much where one of them has few rows. OpenBLAS leaves
  that out for small matrices, on processors with AVX-512. So products are cut into small ones there: some rows by some
  columns, with the weights laid out beforehand in blocks of these columns.
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
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.numpy_framework import NumpyFramework

Array = NDArray[Any]

LONG = 128
"""From so many steps on, inference works in the memory of its own outputs; below, a chunk of steps has its own room."""
FEWEST_ROWS = 8
"""With fewer rows in a product, to cut it does not pay."""
CHUNK_BYTES = 1 << 18
"""The inputs' share of a chunk of steps is at most so large: it should still be in the cache when it is used."""


SMALL, COLUMNS = 10**6, 64
"""OpenBLAS takes a product of (m, k) with (k, n) for small up to this m * k * n; so many columns then are a good n."""
WITH_SMALL_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")


@cache
def _blas_likes_small_products() -> bool:
    """Say whether NumPy's BLAS is an OpenBLAS with kernels for them; they run on one thread, and so must it."""
    return any(
        library.get("architecture") in WITH_SMALL_KERNELS and library["num_threads"] == 1
        for library in threadpool_info()
    )


class _Weight:
    """Matrices (G, K, N), one for each gate, to multiply from the right: whole, and in blocks of columns."""

    def __init__(self, gates: Array) -> None:
        self.whole = gates
        self.blocks: Array | None = None
        G, K, N = gates.shape
        if N % COLUMNS == 0 and _blas_likes_small_products():
            columns = gates.reshape(G, K, N // COLUMNS, COLUMNS).transpose(0, 2, 1, 3)
            self.blocks = np.ascontiguousarray(columns)[:, :, None]  # (G, N / COLUMNS, 1, K, COLUMNS)

    def rows_at_once(self, rows: int) -> int:
        """Return how many rows a small product takes; 0 if the product is better not cut."""
        _, K, N = self.whole.shape
        if self.blocks is None or rows * K * N <= SMALL:
            return 0
        most = min(rows, SMALL // (K * COLUMNS))
        best = next((k for k in range(most, 0, -1) if rows % k == 0), 1)
        return best if best >= FEWEST_ROWS else 0

    def multiply(self, a: Array, out: Array) -> None:
        """Write a @ gates to ``out``, (G, rows, N): a is (rows, K), or (G, rows, K) with rows for each gate."""
        *_, rows, K = a.shape
        some = self.rows_at_once(rows)
        if self.blocks is None or not some:
            np.matmul(a, self.whole, out=out)
            return
        G, _, N = out.shape
        cut = a.reshape(*a.shape[:-2], 1, rows // some, some, K)
        blocks = out.reshape(G, rows // some, some, N // COLUMNS, COLUMNS).transpose(0, 3, 1, 2, 4)
        np.matmul(cut, self.blocks, out=blocks)


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
        H, features = params.hidden_size, params.input_size
        order = np.r_[3 * H : 4 * H, 0 : 3 * H]  # rows i, f, g, o -> o, i, f, g
        self.W_ih = framework.from_numpy(params.weight_ih[order])  # (4H, I)
        self.W_hh = framework.from_numpy(params.weight_hh[order])  # (4H, H)
        half = np.r_[np.full(3 * H, 0.5), np.ones(H)][:, None]  # (4H, 1)
        U_ih, U_hh = ((half * weight[order]).reshape(4, H, -1) for weight in (params.weight_ih, params.weight_hh))
        self.U_ih = _Weight(framework.from_numpy(U_ih.transpose(0, 2, 1)))  # (4, I, H)
        self.U_hh = _Weight(framework.from_numpy(U_hh.transpose(0, 2, 1)))  # (4, H, H)
        self.to_h, self.to_x = _Weight(self.W_hh.reshape(4, H, H)), _Weight(self.W_ih[None])
        self.u = framework.from_numpy((half[:, 0] * params.bias[order]).reshape(4, 1, H))
        self.H, self.features = H, features

    def _shares(self, x: Array, room: Array) -> Array:
        """Compute what x (k, B, I) adds to the pre-activations of its steps, in ``room``: (k, 4, B, H)."""
        k, B, features = x.shape
        shares = room.reshape(4, k * B, self.H)
        self.U_ih.multiply(x.reshape(k * B, features), out=shares)
        shares += self.u
        return shares.reshape(4, k, B, self.H).transpose(1, 0, 2, 3)

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        T, B, _ = x.shape
        y = np.empty((T, B, self.H), dtype=x.dtype)
        h, c, h_T = h0, c0.copy(), np.empty_like(h0)
        longest = max(1, CHUNK_BYTES // (4 * h0.nbytes))
        room = y if T >= LONG else np.empty((4 * min(T, longest) + 4, B, self.H), dtype=x.dtype)
        z = room[-4:]
        o, i, f, g = z
        sigmoids = z[:3]
        t = 0
        with _small_buffers() if T >= LONG else nullcontext():
            # A step of a chunk takes one place for its output, four for its share of the inputs
            while steps := min(longest, T - t if T < LONG else (T - t - 4) // 5):
                shares = self._shares(x[t : t + steps], room[-4 - 4 * steps : -4])
                for share, h_next in zip(shares, y[t : t + steps], strict=True):
                    self.U_hh.multiply(h, out=z)
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
        np.copyto(out, self.u[k])
        np.matmul(x_t, self.U_ih.whole[k], out=product)
        out += product
        np.matmul(h, self.U_hh.whole[k], out=product)
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
        # No more room than the gradients of the weights will take
        longest = min(T, max(1, (self.features + H) // B), max(1, CHUNK_BYTES // gates[0].nbytes))
        room = np.empty((4 * longest, B, H), dtype=x.dtype)
        h, c = hs[0], cs[0]
        with _small_buffers():
            for t in range(0, T, longest):
                steps = slice(t, min(t + longest, T))
                shares = self._shares(x[steps], room[: 4 * (steps.stop - t)])
                for z, share, h_next, c_next in zip(gates[steps], shares, hs[1:][steps], cs[1:][steps], strict=True):
                    self.U_hh.multiply(h, out=z)
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
            if self.to_h.rows_at_once(B):
                self.to_h.multiply(dz[t].reshape(B, 4, H).transpose(1, 0, 2), out=d)
                np.add.reduce(d, axis=0, out=dh)
            else:
                np.matmul(dz[t], self.W_hh, out=dh)
        del d, d_o, d_i, d_f, d_g, sigmoids_of_c, all_of_c, rows, scratch

        flat = dz.reshape(T * B, 4 * H)
        dW_ih, dW_hh = flat.T @ x.reshape(T * B, features), flat.T @ hs[:-1].reshape(T * B, H)
        db = flat.sum(axis=0)
        for gradient in (dW_ih, dW_hh, db):
            _to_the_canonical_order(gradient.reshape(4, H, -1))
        dx = np.empty_like(x)
        self.to_x.multiply(flat, out=dx.reshape(1, T * B, features))
        return dW_ih, dW_hh, db, dx, dh, dc

    def forward_backward(self, x: Array, h0: Array, c0: Array, dy: Array, dh: Array, dc: Array) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)


def _to_the_canonical_order(blocks: Array) -> None:
    """Bring o, i, f, g into the order i, f, g, o, in place and block by block: a copy of all would take more room."""
    o = blocks[0].copy()
    for k in range(3):
        blocks[k] = blocks[k + 1]
    blocks[3] = o
