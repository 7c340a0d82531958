"""``numpy.fused``: the LSTM in NumPy as fast as whole-array operations allow, with a hand-written
backward.

What differs from the equations as printed, and why the result is the same:

- The inputs' share of all pre-activations, W_ih x_t + b, is computed for many steps by one product
  for each gate.
- The gates of a step are four (B, H) blocks, one after the other, in the order o, i, f, g: what is
  done to the three sigmoids, or to the three gates of the cell, is one operation over memory
  without gaps.
- Products are cut into small ones where the BLAS is faster at those (``_cut_products``). For dz W,
  with its 4H numbers in a row, that may need a product for each gate and their sum.
- sigmoid(z) = 1 / (1 + exp(-z)), with the signs folded into the weights of i, f and o: without
  AVX-512 NumPy's exp takes half the time of its tanh. Where exp overflows, a gate is closed and
  comes out as 0.
- In the backward pass all but dh and dc is known beforehand: what they are multiplied with is
  computed for some steps at once, and a step is left with six operations and a product. Each step
  leaves its dz, (B, 4H), in the place of its gates. The gradients of the weights, of the bias and
  of the inputs are then one product (or sum) over all steps.

What it keeps in memory. Inference: the outputs, the last state, and one (B, H) besides; in a long
sequence, gates and the inputs' share of the next steps lie in that part of the outputs that is not
written yet. Training: h, c and the four gates of every step, the gradients, and a few arrays of one
step; tanh(c) is computed again, h and c before the first step lie in front of the others, and dz
takes the place of the gates.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.backends.numpy_backend import NumpyBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants.kernels.blocked_matmul import BlockedMatmul

Array = NDArray[Any]

LONG = 128
"""From so many steps on, inference works in the memory of its own outputs; below, a chunk of steps
has its own room.
"""
CHUNK_BYTES = 1 << 22
"""The inputs' share of a chunk of steps is at most so large: it should still be in some cache when
it is used.
"""
SLOPE_BYTES = 1 << 18
"""The backward pass computes what it can of some steps at once: what takes no more, and so stays in
the second cache,
nor more than the gradients that follow; or of one step."""
LINE = 16
"""Rows that are to be transposed lie so many numbers further apart, lest they meet in one set of a
cache.
"""
ORDER = (3, 0, 1, 2)
"""Where o, i, f, g are among i, f, g, o."""


def _gates(weight: Array) -> list[Array]:
    """Return the parts of weight (4H, K) for o, i, f, g: four times (H, K)."""
    i_f_g_o = np.split(weight, 4)
    return [i_f_g_o[k] for k in ORDER]


def _ahead(weight: Array) -> BlockedMatmul:
    """Return the products of inputs or states with the weights of each gate, negated for a sigmoid."""
    gates = _gates(weight)
    H, K = gates[0].shape

    def transposed(g: int) -> Array:
        rows: Array = np.empty((H, K + LINE), weight.dtype)[:, :K]
        return np.multiply(gates[g], -1 if g < 3 else 1, out=rows).T

    return BlockedMatmul((4, K, H), weight.dtype, transposed)


def _back(weight: Array, rows: int) -> BlockedMatmul:
    """Return the product of dz (rows, 4H) with weight (4H, K): one for all gates, or a sum over
    them, to be cut.
    """
    gates = _gates(weight)
    H, K = gates[0].shape
    one = BlockedMatmul((1, 4 * H, K), weight.dtype, lambda _: np.concatenate(gates))
    four = BlockedMatmul((4, H, K), weight.dtype, gates.__getitem__)
    return four if four.rows_at_once(rows) and not one.rows_at_once(rows) else one


class _Ahead:
    """The weights as the forward pass takes them."""

    def __init__(self, weight_ih: Array, weight_hh: Array, bias: Array) -> None:
        self.U_ih, self.U_hh = _ahead(weight_ih), _ahead(weight_hh)
        self.u = np.stack(_gates(bias))[:, None]  # (4, 1, H)
        self.u[:3] *= -1

    def steps_at_once(self, h0: Array) -> int:
        """Say of how many steps the inputs' share is computed at once: it takes no more room than
        the weights.
        """
        as_weights = (self.U_ih.shape[1] + self.U_hh.shape[1]) // len(h0)
        return max(1, min(as_weights, CHUNK_BYTES // (4 * h0.nbytes)))

    def shares(self, x: Array, room: Array) -> Array:
        """Compute what x (k, B, I) adds to the pre-activations of its steps, in ``room``: (k, 4, B,
        H).
        """
        k, B, features = x.shape
        shares = room.reshape(4, k * B, -1)
        self.U_ih.multiply(x.reshape(k * B, features), out=shares)
        shares += self.u
        return shares.reshape(4, k, B, -1).transpose(1, 0, 2, 3)


def _sigmoid(negated: Array, one: Array) -> None:
    """Turn negated pre-activations into gates, in place; ``one`` is 1."""
    np.exp(negated, negated)
    np.add(negated, one, negated)
    np.divide(one, negated, negated)


@contextmanager
def _small_buffers() -> Iterator[None]:
    """Keep NumPy from setting aside 8192 numbers for each operation over memory with gaps; it needs
    none of them.
    """
    before = np.setbufsize(16)
    try:
        yield
    finally:
        np.setbufsize(before)


@register("numpy.fused", framework="numpy")
class NumpyFused:
    """Gates in blocks, one product for many inputs, one for each weight gradient."""

    def __init__(self, params: LSTMParams, framework: NumpyBackend) -> None:
        self.weights = tuple(
            framework.from_numpy(array)
            for array in (params.weight_ih, params.weight_hh, params.bias)
        )
        self.H = params.hidden_size
        self.ahead = _Ahead(
            *self.weights
        )  # for inference; training, after which weights change, lays them out anew

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
        times_U, one = (
            ahead.U_hh.product(B),
            np.array(1, x.dtype),
        )  # an array: a number takes as long again
        t = 0
        with np.errstate(over="ignore"), _small_buffers() if T >= LONG else nullcontext():
            # A step of a chunk takes one place for its output, four for its share of the inputs
            while steps := min(longest, T - t if T < LONG else (T - t - 4) // 5):
                shares = ahead.shares(x[t : t + steps], room[-4 - 4 * steps : -4])
                for share, h_next in zip(shares, y[t : t + steps], strict=True):
                    times_U(h, z)
                    z += share
                    _sigmoid(sigmoids, one)
                    np.tanh(g, out=g)
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
        """Run the few steps whose outputs leave no room for four gates, gate by gate; c is updated
        in place.
        """
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
        if k == 3:
            np.tanh(out, out=out)
        else:
            _sigmoid(out, np.array(1, out.dtype))

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
        times_U, one = ahead.U_hh.product(B), np.array(1, x.dtype)
        with np.errstate(over="ignore"), _small_buffers():
            for t in range(0, T, longest):
                steps = slice(t, min(t + longest, T))
                shares = ahead.shares(x[steps], room[: 4 * (steps.stop - t)])
                for z, share, h_next, c_next in zip(
                    gates[steps], shares, hs[1:][steps], cs[1:][steps], strict=True
                ):
                    times_U(h, z)
                    z += share
                    o, i, f, g = z
                    _sigmoid(z[:3], one)
                    np.tanh(g, out=g)
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
        rows = dz.reshape(T, B, 4, H).transpose(0, 2, 1, 3)
        to_h = _back(self.weights[1], B).summed(B)
        room = min(
            SLOPE_BYTES, x.nbytes + self.weights[0].nbytes
        )  # dx and dW_ih come after, and take no less
        longest = max(1, min(T, room // (gates[0].nbytes + dc.nbytes)))
        to_c, slopes = (
            np.empty((longest, B, H), dtype=x.dtype),
            np.empty((longest, 4, B, H), dtype=x.dtype),
        )
        with _small_buffers():
            for end in range(T, 0, -longest):
                steps = slice(max(0, end - longest), end)
                some = steps.stop - steps.start
                self._slopes(
                    gates[steps],
                    cs[steps],
                    cs[1:][steps],
                    hs[1:][steps],
                    to_c[:some],
                    slopes[:some],
                )
                for k in reversed(range(some)):
                    t = steps.start + k
                    dh += dy[t]
                    np.multiply(dh, to_c[k], out=scratch)
                    dc += scratch
                    np.multiply(
                        dc, gates[t, 2], out=scratch
                    )  # dc of the step before, while f is still there
                    np.multiply(slopes[k, 1:], dc, out=rows[t, 1:])
                    np.multiply(slopes[k, 0], dh, out=rows[t, 0])
                    dc, scratch = scratch, dc
                    to_h(dz[t], dh)
        del to_c, slopes, scratch, to_h

        dx = np.empty_like(x)
        self._input_gradients(dz, out=dx)
        flat = dz.reshape(T * B, 4 * H)
        dW_ih, dW_hh = flat.T @ x.reshape(T * B, features), flat.T @ hs[:-1].reshape(T * B, H)
        db = flat.sum(axis=0)
        for gradient in (dW_ih, dW_hh, db):
            _to_the_canonical_order(gradient.reshape(4, H, -1))
        return dW_ih, dW_hh, db, dx, dh, dc

    @staticmethod
    def _slopes(
        gates: Array, c_before: Array, c: Array, y: Array, to_c: Array, slopes: Array
    ) -> None:
        """Compute all that the backward pass of some steps multiplies, and that does not depend on
        what comes back.

        Args:
            gates: (k, 4, B, H).
            c_before, c, y: (k, B, H).
            to_c: gets o (1 - tanh(c)^2), which takes dh to dc, where o tanh(c) is y.
            slopes: gets (k, 4, B, H), s (1 - s) for the sigmoids and 1 - g^2 for the candidate,
                times what stands
                beside each gate: dz is that times dc, and of the output gate times dh.
        """
        o, i, _, g = gates.transpose(1, 0, 2, 3)
        for_o, for_i, for_f, for_g = slopes.transpose(1, 0, 2, 3)
        np.tanh(c, out=to_c)
        to_c *= y
        np.subtract(o, to_c, out=to_c)
        np.subtract(1, gates[:, :3], out=slopes[:, :3])
        slopes[:, 1:3] *= gates[:, 1:3]
        np.multiply(g, g, out=for_g)
        np.subtract(1, for_g, out=for_g)
        for_o *= y
        for_i *= g
        for_f *= c_before
        for_g *= i

    def _input_gradients(self, dz: Array, out: Array) -> None:
        """Write dz (T, B, 4H) times W_ih to ``out``: all steps at once, or if they take a sum over
        the gates, each.
        """
        T, B, features = out.shape
        to_x = _back(self.weights[0], B)
        if to_x.shape[0] == 1:
            to_x.multiply(dz.reshape(T * B, -1), out=out.reshape(1, T * B, features))
            return
        summed = to_x.summed(B)
        for dz_t, out_t in zip(dz, out, strict=True):
            summed(dz_t, out_t)

    def forward_backward(
        self, x: Array, h0: Array, c0: Array, dy: Array, dh: Array, dc: Array
    ) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)


def _to_the_canonical_order(blocks: Array) -> None:
    """Bring o, i, f, g into the order i, f, g, o, in place and block by block: a copy of all would
    take more room.
    """
    o = blocks[0].copy()
    for k in range(3):
        blocks[k] = blocks[k + 1]
    blocks[3] = o
