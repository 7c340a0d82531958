"""``numpy.numba``: the LSTM in NumPy's arrays, with the loop over time compiled by Numba, and a
hand-written backward.

All pre-activations of a step are z = W_ih x_t + W_hh h + b, (B, 4H), in the order i, f, g, o. What
is compiled and why:

- The products that a step waits for, h W_hh^T forward and dz W_hh backward, have few rows. A BLAS
  lays its operands out anew in each call, which costs as much as multiplying where rows are few;
  here a weight is laid out once (``_pack``), in blocks as wide as two or four vector registers.
  ``_tile`` keeps a few rows of one block's sum in
  registers while it runs down the block: for each vector of weights that is loaded there are as
  many products as rows. The inputs' share, W_ih x + b, is computed for many steps by the same code.
- exp(x) = 2^n e^r, with n the whole number nearest to x / ln 2, and so |r| <= ln 2 / 2: there
  Taylor's series to r^7 is exact to float32, and to r^13 to float64. From s = 2^n and q = e^r - 1
  follow sigmoid(x) = 1 / (1 + s + s q), with s and q of -x, and tanh(x) = E / (E + 2) with E = e^2x
  - 1 = s q + (s - 1): where x is small s is 1, E is q, and no digit is lost. There is no branch and
  no call, so LLVM makes vector instructions of it.
- What is done to a row of a step's gates is a few short loops, while the row is in the first cache.
  They are several because LLVM must know that the arrays of a loop do not overlap, and checks that
  for few arrays only.

Backward, with dh and dc of the step: t = tanh(c), dc += dh o (1 - t^2), and dz = dc g i (1 - i), dc
c_before f (1 - f), dc i (1 - g^2), dh t o (1 - o) takes the place of the gates; then dc becomes dc
f, and dh becomes dz W_hh. The gradients of weights, bias and inputs are one product (or sum) over
all steps, NumPy's.

Nothing runs in parallel: what is compiled runs in the caller's thread. It is compiled for each
dtype at the first call, and kept beside this file or in the user's cache, where Numba finds it
again for the same source and processor; where neither can be written to, each process compiles it.
Inference uses weights that were laid out beforehand; in training they change after every call, so
each call lays them out itself.
"""

import math
import os
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from lstmbench.backends.numpy_backend import NumpyBackend
from lstmbench.core.array_checks import Array
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register

_CAN = binding.get_host_cpu_features()
REGISTER_BYTES = 64 if _CAN.get("avx512f") else 32 if _CAN.get("avx") else 16
VECTORS, ROWS = 4 if _CAN.get("avx512f") or _CAN.get("neon") else 2, 6
"""So many vectors of so many rows hold sums: with a row of weights and a factor, nearly all of 32
or 16 registers.
"""
CHUNK_BYTES = 1 << 18
"""The inputs' share is computed for so many steps at once, or as many as W_ih takes: it is used
while in a cache.
"""

END = 87
"""Where e^x stops: e^-87 is nearly the smallest normal float32. A gate below that is closed."""

KEPT = os.path.isabs(os.path.expanduser("~"))
"""Whether what is compiled is kept for other processes. Without a home, Numba would make a folder
``~``.
"""


def _compiled(function: Any) -> Any:
    global KEPT
    asked: dict[str, Any] = {
        "error_model": "numpy",
        "fastmath": {"contract"},
    }  # a * b + c may be rounded once
    if KEPT:
        try:
            return njit(cache=True, **asked)(function)
        except RuntimeError:  # neither this folder nor the user's cache can be written to
            KEPT = False
    return njit(**asked)(function)


def code_path() -> str:
    """Say for which registers the products are compiled, and whether that is kept."""
    kept = "" if KEPT else "; compiled by each process, for there is no folder to keep it in"
    return f"registers of {REGISTER_BYTES} bytes, {VECTORS} by {ROWS} for sums{kept}"


# Products


@intrinsic
def _tile(typing: Any, out: Any, a: Any, blocks: Any, row: Any, block: Any) -> Any:
    """Add a W to out: in the columns of one block, and in ROWS rows from ``row`` on, or what is
    left of them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, lanes = context.get_value_type(out.dtype), REGISTER_BYTES * 8 // out.dtype.bitwidth
        vector, whole, bits = ir.VectorType(number, lanes), ir.IntType(64), ir.IntType(32)
        mask = ir.VectorType(ir.IntType(1), lanes)
        zeros, align, fused = (
            ir.Constant(vector, None),
            bits(out.dtype.bitwidth // 8),
            ("contract",),
        )
        masked = f"v{lanes}f{out.dtype.bitwidth}.p0"
        load, store = (
            cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(result, given), f"llvm.masked.{name}.{masked}"
            )
            for name, result, given in (
                ("load", vector, [vector.as_pointer(), bits, mask, vector]),
                ("store", ir.VoidType(), [vector, vector.as_pointer(), bits, mask]),
            )
        )

        def spread(value: Any) -> Any:
            one = builder.insert_element(
                ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined), value, bits(0)
            )
            return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(bits, lanes), None))

        def vector_at(data: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip((out, a, blocks), arguments[:3], strict=True)
        ]
        (rows, width), (_, depth), _ = (
            cgutils.unpack_tuple(builder, array.shape) for array in arrays
        )
        into, rows_of_a, weights = (array.data for array in arrays)
        row, block = arguments[3:]
        column = builder.mul(block, whole(VECTORS * lanes))
        into = builder.gep(into, [builder.add(builder.mul(row, width), column)])
        rows_of_a = builder.gep(rows_of_a, [builder.mul(row, depth)])
        weights = builder.gep(weights, [builder.mul(column, depth)])
        lane = ir.Constant(ir.VectorType(whole, lanes), list(range(lanes)))
        left = builder.sub(width, column)
        inside = [
            builder.icmp_signed("<", lane, spread(builder.sub(left, whole(v * lanes))))
            for v in range(VECTORS)
        ]

        cases = {count: builder.append_basic_block(f"rows_{count}") for count in range(1, ROWS + 1)}
        done = builder.append_basic_block("done")
        switch = builder.switch(builder.sub(rows, row), cases[ROWS])
        for count, case in cases.items():
            if count < ROWS:
                switch.add_case(whole(count), case)
            builder.position_at_end(case)
            places = [
                [
                    vector_at(into, builder.add(builder.mul(width, whole(r)), whole(v * lanes)))
                    for v in range(VECTORS)
                ]
                for r in range(count)
            ]
            sums = [
                [cgutils.alloca_once(builder, vector) for _ in range(VECTORS)] for _ in range(count)
            ]
            for r in range(count):
                for v in range(VECTORS):
                    builder.store(
                        builder.call(load, [places[r][v], align, inside[v], zeros]), sums[r][v]
                    )
            with cgutils.for_range(builder, depth) as loop:
                first = builder.mul(loop.index, whole(VECTORS * lanes))
                b = [
                    builder.load(
                        vector_at(weights, builder.add(first, whole(v * lanes))),
                        align=align.constant,
                    )
                    for v in range(VECTORS)
                ]
                for r in range(count):
                    index = builder.add(builder.mul(depth, whole(r)), loop.index)
                    factor = spread(builder.load(builder.gep(rows_of_a, [index])))
                    for v in range(VECTORS):
                        product = builder.fmul(factor, b[v], flags=fused)
                        builder.store(
                            builder.fadd(builder.load(sums[r][v]), product, flags=fused), sums[r][v]
                        )
            for r in range(count):
                for v in range(VECTORS):
                    builder.call(store, [builder.load(sums[r][v]), places[r][v], align, inside[v]])
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(out, a, blocks, types.intp, types.intp), generate


@_compiled
def _add_product(out: Array, a: Array, blocks: Array) -> None:
    """Add a W to out: out (rows, N), a (rows, K), blocks what ``_pack`` makes of W (K, N)."""
    for block in range(len(blocks)):
        for row in range(0, len(out), ROWS):
            _tile(out, a, blocks, row, block)


@_compiled
def _lay_out(W: Array, blocks: Array) -> None:
    for block in range(blocks.shape[0]):
        first = block * blocks.shape[2]
        for j in range(min(blocks.shape[2], W.shape[1] - first)):
            for k in range(W.shape[0]):
                blocks[block, k, j] = W[k, first + j]


def _pack(W: Array) -> Array:
    """Lay W (K, N) out in blocks of as many columns as VECTORS registers have lanes, zeros at the
    end: (-, K, wide).
    """
    K, N = W.shape
    wide = VECTORS * REGISTER_BYTES // W.itemsize
    blocks = np.zeros((-(-N // wide), K, wide), dtype=W.dtype)
    _lay_out(W, blocks)
    return blocks


# Gates


MANTISSA = {32: 23, 64: 52}
"""Bits of a float32's and of a float64's mantissa."""


@intrinsic
def _power_of_two(typing: Any, shifted: Any) -> Any:
    """Return 2^n for n + 1.5 * 2^mantissa: the last bits of that number are n, and go to the
    exponent.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size, mantissa = shifted.bitwidth, MANTISSA[shifted.bitwidth]
        whole, bias = ir.IntType(size), (1 << (size - mantissa - 2)) - 1
        exponent = builder.add(builder.bitcast(arguments[0], whole), whole(bias))
        return builder.bitcast(
            builder.shl(exponent, whole(mantissa)), context.get_value_type(shifted)
        )

    return shifted(shifted), generate


def _exponential(x: Any) -> Any:
    """Return s and q, of which e^x is s + s q; beyond END, on either side, those of END, and NaN of
    NaN.
    """


@overload(_exponential)
def _exponential_of(x: Any) -> Any:
    number: Any = {32: np.float32, 64: np.float64}[x.bitwidth]
    terms = {32: 7, 64: 13}[x.bitwidth]
    end, per_ln2 = number(END), number(1 / math.log(2))
    shift = number(1.5 * 2 ** MANTISSA[x.bitwidth])  # to add it rounds to a whole number
    high, low = (
        number(0.693359375),
        number(-2.121944400546905827679e-4),
    )  # ln 2; n times the first is exact
    first, *others = (number(1 / math.factorial(k)) for k in range(terms, 0, -1))
    rest = tuple(others)

    def exponential(x: Any) -> Any:
        x = -end if x < -end else x
        x = end if x > end else x
        shifted = x * per_ln2 + shift
        n = shifted - shift
        r = (x - n * high) - n * low
        p = first
        for factor in rest:
            p = p * r + factor
        return _power_of_two(shifted), p * r

    return exponential


@_compiled
def _sigmoid(x: Any) -> Any:
    number = type(x)
    s, q = _exponential(-x)
    return number(0) if x < -number(END) else number(1) / (number(1) + (s + s * q))


@_compiled
def _tanh(x: Any) -> Any:
    number = type(x)
    s, q = _exponential(x + x)
    e = s * q + (s - number(1))
    return e / (e + number(2))


# Steps


@_compiled
def _forward(
    x: Array, W: Array, U: Array, b: Array, room: Array, steps: int, hs: Array, cs: Array
) -> None:
    """Run x (T, B, I): hs[0] is h before the first step, and hs (T + 1, B, H); so is cs, or of two
    states in turn.

    room (-, B, 4, H) holds the inputs' share of ``steps`` steps, and then their gates; it may be as
    long as x.
    """
    T, B, features = x.shape
    H = hs.shape[2]
    for start in range(0, T, steps):
        count = min(steps, T - start)
        place = start % len(room)
        shares = room[place : place + count].reshape(count * B, 4 * H)
        for row in range(count * B):
            shares[row] = b
        _add_product(shares, x[start : start + count].reshape(count * B, features), W)
        for t in range(start, start + count):
            z, h = room[place + t - start], hs[t + 1]
            c_before, c = cs[t % len(cs)], cs[(t + 1) % len(cs)]
            _add_product(z.reshape(B, 4 * H), hs[t], U)
            for row in range(B):
                for gate in range(4):
                    if gate == 2:
                        for j in range(H):
                            z[row, gate, j] = _tanh(z[row, gate, j])
                    else:
                        for j in range(H):
                            z[row, gate, j] = _sigmoid(z[row, gate, j])
                for j in range(H):
                    c[row, j] = z[row, 1, j] * c_before[row, j] + z[row, 0, j] * z[row, 2, j]
                for j in range(H):
                    h[row, j] = z[row, 3, j] * _tanh(c[row, j])


@_compiled
def _backward(
    gates: Array, U: Array, cs: Array, dy: Array, dh: Array, dc: Array, tanh_c: Array
) -> None:
    """Turn the gates (T, B, 4, H) into dz, and dh, dc (B, H) of the end into those of the
    beginning; tanh_c is (H,).
    """
    T, B, _, H = gates.shape
    for t in range(T - 1, -1, -1):
        z, c_before, c = gates[t], cs[t], cs[t + 1]
        for row in range(B):
            for j in range(H):
                dh[row, j] += dy[t, row, j]
            for j in range(H):
                tanh_c[j] = _tanh(c[row, j])
            for j in range(H):
                dc[row, j] += dh[row, j] * z[row, 3, j] * (1 - tanh_c[j] * tanh_c[j])
            for j in range(H):
                z[row, 3, j] *= dh[row, j] * tanh_c[j] * (1 - z[row, 3, j])
            for j in range(H):
                i, g = z[row, 0, j], z[row, 2, j]
                z[row, 0, j] = dc[row, j] * g * i * (1 - i)
                z[row, 2, j] = dc[row, j] * i * (1 - g * g)
            for j in range(H):
                f = z[row, 1, j]
                below = dc[row, j] * f
                z[row, 1, j] = below * c_before[row, j] * (1 - f)
                dc[row, j] = below
        dh[...] = 0
        _add_product(dh, z.reshape(B, 4 * H), U)


@register("numpy.numba", framework="numpy")
class NumpyNumba:
    """Compiled steps; the memory is NumPy's."""

    def __init__(self, params: LSTMParams, framework: NumpyBackend) -> None:
        self.W_ih, self.W_hh = (
            framework.from_numpy(params.weight_ih),
            framework.from_numpy(params.weight_hh),
        )
        self.b = framework.from_numpy(params.bias)
        self.packed = _pack(self.W_ih.T), _pack(self.W_hh.T)
        self.H = params.hidden_size

    def _run(
        self, x: Array, h0: Array, c0: Array, packed: Any, room: int, steps: int, states: int
    ) -> Any:
        T, B, _ = x.shape
        hs, cs = (
            np.empty((T + 1, B, self.H), dtype=x.dtype),
            np.empty((states, B, self.H), dtype=x.dtype),
        )
        gates = np.empty((room, B, 4, self.H), dtype=x.dtype)
        hs[0], cs[0] = h0, c0
        _forward(x, *packed, self.b, gates, steps, hs, cs)
        return hs, cs, gates

    def _steps(self, x: Array) -> int:
        T, B, _ = x.shape
        return min(T, max(1, max(CHUNK_BYTES, self.W_ih.nbytes) // (4 * B * self.H * x.itemsize)))

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        steps = self._steps(x)
        hs, cs, _ = self._run(
            np.ascontiguousarray(x), h0, c0, self.packed, room=steps, steps=steps, states=2
        )
        return hs[1:], hs[-1].copy(), cs[len(x) % 2].copy()

    def forward_saving(self, x: Array, h0: Array, c0: Array) -> Any:
        """Return (y, h, c) and what ``backward`` uses up: it may be called once."""
        T, x = len(x), np.ascontiguousarray(x)
        packed = _pack(self.W_ih.T), _pack(self.W_hh.T)
        hs, cs, gates = self._run(x, h0, c0, packed, room=T, steps=self._steps(x), states=T + 1)
        return (hs[1:], hs[-1].copy(), cs[-1].copy()), (x, hs, cs, gates)

    def backward(self, saved: Any, dy: Array, dh: Array, dc: Array) -> Any:
        x, hs, cs, dz = saved
        T, B, features = x.shape
        H = self.H
        dh, dc, scratch = dh.copy(), dc.copy(), np.empty(H, dtype=x.dtype)
        _backward(dz, _pack(self.W_hh), cs, np.ascontiguousarray(dy), dh, dc, scratch)
        rows = dz.reshape(T * B, 4 * H)
        dW_ih, dW_hh = rows.T @ x.reshape(T * B, features), rows.T @ hs[:-1].reshape(T * B, H)
        return dW_ih, dW_hh, rows.sum(axis=0), (rows @ self.W_ih).reshape(x.shape), dh, dc

    def forward_backward(
        self, x: Array, h0: Array, c0: Array, dy: Array, dh: Array, dc: Array
    ) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)
