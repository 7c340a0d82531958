"""``numpy.fused``: the LSTM in NumPy, as fast as whole-array operations allow.

What differs from the equations as printed, and why the result is the same:

- The inputs' share of all pre-activations, W_ih x_t + b, is computed for many steps by one product
  for each gate.
- The gates of a step are four contiguous (B, H) blocks in the order o, i, f, g. An operation on the
  three sigmoids, or on the three gates of the cell, then covers contiguous memory.
- Products are cut into small ones where the BLAS is faster at those (``blocked_matmul``). For dz W,
  whose rows have 4H numbers, that may need a product for each gate and their sum.
- sigmoid(z) = 1 / (1 + exp(-z)), with the signs folded into the weights of i, f and o: without
  AVX-512, NumPy's exp takes half the time of its tanh. Where exp overflows, a gate is closed and
  becomes 0.
- In the backward pass, all factors of dh and dc are computed for several steps at once, which
  leaves six operations and a product for each step. Each step overwrites its gates with its dz,
  (B, 4H). The gradients of the weights, of the bias and of the inputs are then one product (or sum)
  over all steps.

Memory in inference: the outputs, the last state, and one more (B, H); in a long sequence, the gates
and the inputs' share of the next steps use the part of the outputs that is not written yet. In
training: h, c and the four gates of every step, the gradients, and a few arrays of one step.
tanh(c) is recomputed, h0 and c0 are stored before the other h and c, and dz overwrites the gates.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from lstmbench.backends.numpy_backend import NumpyBackend
from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._common import TwoPass, native_weights, steps_within
from lstmbench.variants.kernels.blocked_matmul import BlockedMatmul

MIN_IN_PLACE_STEPS = 128
"""Sequences of at least this many steps use the memory of their outputs as workspace in inference;
shorter ones have a workspace for a chunk of steps, since too few outputs remain unwritten.
"""
CHUNK_BYTES = 1 << 22
"""Maximum size of the inputs' share of a chunk: it should still be in a cache (of 4 MiB) when it is
used.
"""
FACTOR_BYTES = 1 << 18
"""Maximum size of the factors that the backward pass computes at once, to stay in the second cache
(of 256 KiB or more); they take no more than the gradients that follow, but at least one step's.
"""
PADDING = 16
"""Numbers between rows that are to be transposed, a cache line of float32: without it, rows whose
length is a power of two compete for one set of a cache.
"""
ORDER = (3, 0, 1, 2)
"""Positions of o, i, f, g among i, f, g, o."""


def _gates(weight: Array) -> list[Array]:
    """Return the parts of weight (4H, K) for o, i, f, g, each (H, K)."""
    i_f_g_o = np.split(weight, 4)
    return [i_f_g_o[k] for k in ORDER]


def _forward_matmul(weight: Array) -> BlockedMatmul:
    """Return the products with the transposed weights of each gate, negated for a sigmoid."""
    gates = _gates(weight)
    H, K = gates[0].shape

    def transposed(g: int) -> Array:
        rows: Array = np.empty((H, K + PADDING), weight.dtype)[:, :K]
        return np.multiply(gates[g], -1 if g < 3 else 1, out=rows).T

    return BlockedMatmul((4, K, H), weight.dtype, transposed)


def _backward_matmul(weight: Array, rows: int) -> BlockedMatmul:
    """Return the product of dz (rows, 4H) with weight (4H, K).

    It is one product for all gates, or four to be summed where only those can be cut.
    """
    gates = _gates(weight)
    H, K = gates[0].shape
    joint = BlockedMatmul((1, 4 * H, K), weight.dtype, lambda _: np.concatenate(gates))
    by_gate = BlockedMatmul((4, H, K), weight.dtype, gates.__getitem__)
    return by_gate if by_gate.rows_at_once(rows) and not joint.rows_at_once(rows) else joint


class ForwardWeights:
    """The weights in the layout of the forward pass."""

    def __init__(self, weight_ih: Array, weight_hh: Array, bias: Array) -> None:
        self.U_ih, self.U_hh = _forward_matmul(weight_ih), _forward_matmul(weight_hh)
        self.u = np.stack(_gates(bias))[:, None]  # (4, 1, H)
        self.u[:3] *= -1

    def chunk_steps(self, h0: Array) -> int:
        """Return the steps of a chunk; their input shares take no more memory than the weights."""
        of_weights = (self.U_ih.shape[1] + self.U_hh.shape[1]) // len(h0)
        return steps_within(CHUNK_BYTES, 4 * h0.nbytes, of_weights)

    def input_shares(self, x: Array, workspace: Array) -> Array:
        """Return the inputs' share of the pre-activations, (k, 4, B, H), for x (k, B, I)."""
        k, B, features = x.shape
        shares = workspace.reshape(4, k * B, -1)
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
    """Keep NumPy from allocating 8192 numbers for each operation on arrays with gaps."""
    before = np.setbufsize(16)  # the smallest that NumPy takes
    try:
        yield
    finally:
        np.setbufsize(before)


@register("numpy.fused", framework="numpy")
class NumpyFused(TwoPass):
    """Gates in blocks, one product for many inputs, one for each weight gradient."""

    def __init__(self, params: LSTMParams, framework: NumpyBackend) -> None:
        self.weights = native_weights(params, framework)
        self.H = params.hidden_size
        # For inference; in training the weights change after every call, which packs them again
        self.forward_weights = ForwardWeights(*self.weights)

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        T, B, _ = x.shape
        y = np.empty((T, B, self.H), dtype=x.dtype)
        h, c, h_T = h0, c0.copy(), np.empty_like(h0)
        weights = self.forward_weights
        chunk = min(T, weights.chunk_steps(h0))
        workspace = (
            y if T >= MIN_IN_PLACE_STEPS else np.empty((4 * chunk + 4, B, self.H), dtype=x.dtype)
        )
        z = workspace[-4:]
        o, i, f, g = z
        sigmoids = z[:3]
        times_U = weights.U_hh.product(B)
        one = np.array(1, x.dtype)  # an array: an operation with a number takes twice as long
        t = 0
        with (
            np.errstate(over="ignore"),
            _small_buffers() if T >= MIN_IN_PLACE_STEPS else nullcontext(),
        ):
            # In the outputs' memory, a step takes one (B, H) for its output and four for its share
            while steps := min(chunk, T - t if T < MIN_IN_PLACE_STEPS else (T - t - 4) // 5):
                shares = weights.input_shares(x[t : t + steps], workspace[-4 - 4 * steps : -4])
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
        """Compute the last steps, whose outputs cannot hold four gates, gate by gate; updates c."""
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
        weights = self.forward_weights
        np.copyto(out, weights.u[k])
        for factor, U in ((x_t, weights.U_ih), (h, weights.U_hh)):
            np.matmul(factor, U.whole[k], out=product)
            out += product
        if k == 3:
            np.tanh(out, out=out)
        else:
            _sigmoid(out, np.array(1, out.dtype))

    def forward_saving(self, x: Array, h0: Array, c0: Array) -> Any:
        H = self.H
        T, B, _ = x.shape
        hs, cs = np.empty((T + 1, B, H), dtype=x.dtype), np.empty((T + 1, B, H), dtype=x.dtype)
        hs[0], cs[0] = h0, c0
        gates = np.empty((T, 4, B, H), dtype=x.dtype)
        weights = ForwardWeights(*self.weights)
        chunk = min(T, weights.chunk_steps(h0))
        workspace = np.empty((4 * chunk, B, H), dtype=x.dtype)
        h, c = hs[0], cs[0]
        times_U, one = weights.U_hh.product(B), np.array(1, x.dtype)
        with np.errstate(over="ignore"), _small_buffers():
            for t in range(0, T, chunk):
                steps = slice(t, min(t + chunk, T))
                shares = weights.input_shares(x[steps], workspace[: 4 * (steps.stop - t)])
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
        dz = gates.reshape(T, B, 4 * H)  # overwrites the gates, as rows
        rows = dz.reshape(T, B, 4, H).transpose(0, 2, 1, 3)
        times_W_hh = _backward_matmul(self.weights[1], B).summed(B)
        # dx and dW_ih are allocated afterwards, and take no less
        max_bytes = min(FACTOR_BYTES, x.nbytes + self.weights[0].nbytes)
        chunk = steps_within(max_bytes, gates[0].nbytes + dc.nbytes, T)
        dc_factors = np.empty((chunk, B, H), dtype=x.dtype)
        dz_factors = np.empty((chunk, 4, B, H), dtype=x.dtype)
        with _small_buffers():
            for end in range(T, 0, -chunk):
                steps = slice(max(0, end - chunk), end)
                count = steps.stop - steps.start
                states = cs[steps], cs[1:][steps], hs[1:][steps]
                self._factors(gates[steps], *states, dc_factors[:count], dz_factors[:count])
                for k in reversed(range(count)):
                    t = steps.start + k
                    dh += dy[t]
                    np.multiply(dh, dc_factors[k], out=scratch)
                    dc += scratch
                    # dc of the step before; f is overwritten next
                    np.multiply(dc, gates[t, 2], out=scratch)
                    np.multiply(dz_factors[k, 1:], dc, out=rows[t, 1:])
                    np.multiply(dz_factors[k, 0], dh, out=rows[t, 0])
                    dc, scratch = scratch, dc
                    times_W_hh(dz[t], dh)
        del dc_factors, dz_factors, scratch, times_W_hh

        dx = np.empty_like(x)
        self._input_gradients(dz, out=dx)
        flat = dz.reshape(T * B, 4 * H)
        dW_ih, dW_hh = flat.T @ x.reshape(T * B, features), flat.T @ hs[:-1].reshape(T * B, H)
        db = flat.sum(axis=0)
        for gradient in (dW_ih, dW_hh, db):
            _to_canonical_order(gradient.reshape(4, H, -1))
        return dW_ih, dW_hh, db, dx, dh, dc

    @staticmethod
    def _factors(
        gates: Array, c_before: Array, c: Array, y: Array, dc_factors: Array, dz_factors: Array
    ) -> None:
        """Compute the factors of the backward pass that do not depend on dh and dc.

        Args:
            gates: (k, 4, B, H).
            c_before, c, y: (k, B, H).
            dc_factors: gets o (1 - tanh(c)^2), from o tanh(c) = y; times dh it is added to dc.
            dz_factors: gets (k, 4, B, H), s (1 - s) for the sigmoids and 1 - g^2 for the
                candidate, times the other factor of each gate. dz is that times dc, and for the
                output gate times dh.
        """
        o, i, _, g = gates.transpose(1, 0, 2, 3)
        for_o, for_i, for_f, for_g = dz_factors.transpose(1, 0, 2, 3)
        np.tanh(c, out=dc_factors)
        dc_factors *= y
        np.subtract(o, dc_factors, out=dc_factors)
        np.subtract(1, gates[:, :3], out=dz_factors[:, :3])
        dz_factors[:, 1:3] *= gates[:, 1:3]
        np.multiply(g, g, out=for_g)
        np.subtract(1, for_g, out=for_g)
        for_o *= y
        for_i *= g
        for_f *= c_before
        for_g *= i

    def _input_gradients(self, dz: Array, out: Array) -> None:
        """Write dz (T, B, 4H) times W_ih to ``out``, step by step where gates have to be summed."""
        T, B, features = out.shape
        times_W_ih = _backward_matmul(self.weights[0], B)
        if times_W_ih.shape[0] == 1:
            times_W_ih.multiply(dz.reshape(T * B, -1), out=out.reshape(1, T * B, features))
            return
        summed = times_W_ih.summed(B)
        for dz_t, out_t in zip(dz, out, strict=True):
            summed(dz_t, out_t)


def _to_canonical_order(blocks: Array) -> None:
    """Bring o, i, f, g into the order i, f, g, o, in place, since a copy would take memory."""
    o = blocks[0].copy()
    for k in range(3):
        blocks[k] = blocks[k + 1]
    blocks[3] = o
