"""``numpy.numba``: the LSTM in NumPy's arrays, its steps compiled by Numba, with its own backward.

The pre-activations of a step are z = W_ih x_t + W_hh h + b, (B, 4H), in the order i, f, g, o.
Compiled are:

- The products of a step, h W_hh^T forward and dz W_hh backward, which have few rows. A BLAS packs
  its operands in each call, which costs as much as multiplying where rows are few; here a weight is
  packed once (``_pack``), in blocks as wide as two or four vector registers. ``_tile`` keeps a few
  rows of a block's sum in registers while it runs down the block: each loaded vector of weights
  serves as many products as there are rows. The inputs' share, W_ih x + b, is computed for many
  steps by the same code.
- exp(x) = 2^n e^r, with n the integer nearest to x / ln 2, so that |r| <= ln 2 / 2: there Taylor's
  series to r^7 is exact to float32, and to r^13 to float64. From s = 2^n and q = e^r - 1 follow
  sigmoid(x) = 1 / (1 + s + s q), with s and q of -x, and tanh(x) = E / (E + 2) with E = e^2x - 1 =
  s q + (s - 1): where x is small s is 1, E is q, and no digit is lost. There is no branch and no
  call, so LLVM compiles it to vector instructions.
- The elementwise work on a row of gates, as a few short loops while the row is in the first cache.
  They are several because LLVM must prove that the arrays of a loop do not overlap, and checks that
  for few arrays only.

Backward, with dh and dc of the step and t = tanh(c): dc += dh o (1 - t^2); the gates become dz = dc
g i (1 - i), dc c_before f (1 - f), dc i (1 - g^2), dh t o (1 - o); then dc becomes dc f, and dh
becomes dz W_hh. The gradients of weights, bias and inputs are one product (or sum) of NumPy's over
all steps.

It runs in the caller's thread. Numba compiles it for each dtype at the first call and caches it
beside this file or in the user's cache, for the same source and processor; where neither is
writable, each process compiles it. Inference uses weights that were packed at loading; in training
they change after every call, so each call packs them.
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
from lstmbench.variants._common import TwoPass, native_weights, steps_within

CPU_FEATURES = binding.get_host_cpu_features()
REGISTER_BYTES = 64 if CPU_FEATURES.get("avx512f") else 32 if CPU_FEATURES.get("avx") else 16
VECTORS, ROWS = 4 if CPU_FEATURES.get("avx512f") or CPU_FEATURES.get("neon") else 2, 6
"""Vectors and rows of a tile: its sums, weights and a factor fill the 32 or 16 registers."""
CHUNK_BYTES = 1 << 18
"""The inputs' share of a chunk of steps takes at most this (or the size of W_ih, if that is more),
so that it is still in the second cache when it is used.
"""
MAX_EXPONENT = 87
"""Where e^x is cut off: e^-87 is nearly the smallest normal float32. A gate below that is 0."""

_can_cache = os.path.isabs(os.path.expanduser("~"))
"""Whether compiled code is cached. Without a home directory, Numba would create a folder ``~``."""


def _compiled(function: Any) -> Any:
    global _can_cache
    # contract: a * b + c may be rounded once
    options: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
    if _can_cache:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # neither this folder nor the user's cache is writable
            _can_cache = False
    return njit(**options)(function)


def code_path() -> str:
    """Return which registers the products are compiled for, and whether the code is cached."""
    suffix = (
        "" if _can_cache else "; compiled by each process, for there is no folder to keep it in"
    )
    return f"registers of {REGISTER_BYTES} bytes, {VECTORS} by {ROWS} for sums{suffix}"


# Products


@intrinsic
def _tile(typing: Any, out: Any, a: Any, blocks: Any, row: Any, block: Any) -> Any:
    """Add a W to out, in the columns of one block and up to ROWS rows from ``row`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, lanes = context.get_value_type(out.dtype), REGISTER_BYTES * 8 // out.dtype.bitwidth
        vector, int64, int32 = ir.VectorType(number, lanes), ir.IntType(64), ir.IntType(32)
        pointer, mask = vector.as_pointer(), ir.VectorType(ir.IntType(1), lanes)
        zeros, align = ir.Constant(vector, None), int32(out.dtype.bitwidth // 8)
        fused = ("contract",)

        def masked(operation: str, result: Any, *parameters: Any) -> Any:
            name = f"llvm.masked.{operation}.v{lanes}f{out.dtype.bitwidth}.p0"
            function = ir.FunctionType(result, parameters)
            return cgutils.get_or_insert_function(builder.module, function, name)

        load = masked("load", vector, pointer, int32, mask, vector)
        store = masked("store", ir.VoidType(), vector, pointer, int32, mask)

        def broadcast(value: Any) -> Any:
            undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
            one = builder.insert_element(undefined, value, int32(0))
            return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(int32, lanes), None))

        def vector_at(data: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(data, [index]), pointer)

        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip((out, a, blocks), arguments[:3], strict=True)
        ]
        (rows, width), (_, depth), _ = (
            cgutils.unpack_tuple(builder, array.shape) for array in arrays
        )
        out_data, a_data, weights = (array.data for array in arrays)
        row, block = arguments[3:]
        column = builder.mul(block, int64(VECTORS * lanes))
        out_data = builder.gep(out_data, [builder.add(builder.mul(row, width), column)])
        a_data = builder.gep(a_data, [builder.mul(row, depth)])
        weights = builder.gep(weights, [builder.mul(column, depth)])
        lane = ir.Constant(ir.VectorType(int64, lanes), list(range(lanes)))
        columns_left = builder.sub(width, column)
        inside = [
            builder.icmp_signed("<", lane, broadcast(builder.sub(columns_left, int64(v * lanes))))
            for v in range(VECTORS)
        ]

        cases = {count: builder.append_basic_block(f"rows_{count}") for count in range(1, ROWS + 1)}
        done = builder.append_basic_block("done")
        switch = builder.switch(builder.sub(rows, row), cases[ROWS])
        for count, case in cases.items():
            if count < ROWS:
                switch.add_case(int64(count), case)
            builder.position_at_end(case)
            tile = {
                (r, v): (
                    vector_at(
                        out_data, builder.add(builder.mul(width, int64(r)), int64(v * lanes))
                    ),
                    cgutils.alloca_once(builder, vector),
                )
                for r in range(count)
                for v in range(VECTORS)
            }
            for (_, v), (output, total) in tile.items():
                builder.store(builder.call(load, [output, align, inside[v], zeros]), total)
            with cgutils.for_range(builder, depth) as loop:
                first = builder.mul(loop.index, int64(VECTORS * lanes))
                b = [
                    builder.load(
                        vector_at(weights, builder.add(first, int64(v * lanes))),
                        align=align.constant,
                    )
                    for v in range(VECTORS)
                ]
                for r in range(count):
                    index = builder.add(builder.mul(depth, int64(r)), loop.index)
                    factor = broadcast(builder.load(builder.gep(a_data, [index])))
                    for v in range(VECTORS):
                        _, total = tile[r, v]
                        product = builder.fmul(factor, b[v], flags=fused)
                        builder.store(
                            builder.fadd(builder.load(total), product, flags=fused), total
                        )
            for (_, v), (output, total) in tile.items():
                builder.call(store, [builder.load(total), output, align, inside[v]])
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(out, a, blocks, types.intp, types.intp), generate


@_compiled
def _add_product(out: Array, a: Array, blocks: Array) -> None:
    """Add a W to out (rows, N), for a (rows, K) and W (K, N) as ``_pack`` returns it."""
    for block in range(len(blocks)):
        for row in range(0, len(out), ROWS):
            _tile(out, a, blocks, row, block)


@_compiled
def _copy_to_blocks(W: Array, blocks: Array) -> None:
    for block in range(blocks.shape[0]):
        first = block * blocks.shape[2]
        for j in range(min(blocks.shape[2], W.shape[1] - first)):
            for k in range(W.shape[0]):
                blocks[block, k, j] = W[k, first + j]


def _pack(W: Array) -> Array:
    """Return W (K, N) in blocks of a tile's columns, (-, K, columns), with zeros at the end."""
    K, N = W.shape
    columns = VECTORS * REGISTER_BYTES // W.itemsize
    blocks = np.zeros((-(-N // columns), K, columns), dtype=W.dtype)
    _copy_to_blocks(W, blocks)
    return blocks


# Gates


MANTISSA = {32: 23, 64: 52}
"""Bits of the mantissa of float32 and float64."""


@intrinsic
def _power_of_two(typing: Any, shifted: Any) -> Any:
    """Return 2^n from n + 1.5 * 2^mantissa, whose last bits are n and become the exponent."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size, mantissa = shifted.bitwidth, MANTISSA[shifted.bitwidth]
        integer, bias = ir.IntType(size), (1 << (size - mantissa - 2)) - 1
        exponent = builder.add(builder.bitcast(arguments[0], integer), integer(bias))
        power = builder.shl(exponent, integer(mantissa))
        return builder.bitcast(power, context.get_value_type(shifted))

    return shifted(shifted), generate


def _exponential(x: Any) -> Any:
    """Return s and q with e^x = s + s q; x is clamped to +-``MAX_EXPONENT``."""


@overload(_exponential)
def _exponential_of(x: Any) -> Any:
    number: Any = {32: np.float32, 64: np.float64}[x.bitwidth]
    terms = {32: 7, 64: 13}[x.bitwidth]
    end, per_ln2 = number(MAX_EXPONENT), number(1 / math.log(2))
    shift = number(1.5 * 2 ** MANTISSA[x.bitwidth])  # adding it rounds to an integer
    # ln 2 as a sum of two numbers; n times the first is exact (Cody and Waite)
    high, low = number(0.693359375), number(-2.121944400546905827679e-4)
    first, *later = (number(1 / math.factorial(k)) for k in range(terms, 0, -1))
    coefficients = tuple(later)

    def exponential(x: Any) -> Any:
        x = -end if x < -end else x
        x = end if x > end else x
        shifted = x * per_ln2 + shift
        n = shifted - shift
        r = (x - n * high) - n * low
        p = first
        for coefficient in coefficients:
            p = p * r + coefficient
        return _power_of_two(shifted), p * r

    return exponential


@_compiled
def _sigmoid(x: Any) -> Any:
    number = type(x)
    s, q = _exponential(-x)
    return number(0) if x < -number(MAX_EXPONENT) else number(1) / (number(1) + (s + s * q))


@_compiled
def _tanh(x: Any) -> Any:
    number = type(x)
    s, q = _exponential(x + x)
    e = s * q + (s - number(1))
    return e / (e + number(2))


# Steps


@_compiled
def _forward(
    x: Array, W: Array, U: Array, b: Array, workspace: Array, steps: int, hs: Array, cs: Array
) -> None:
    """Compute the steps for x (T, B, I) in chunks of ``steps``.

    hs is (T + 1, B, H), with h0 first. So is cs, or it holds two states, which alternate. workspace
    (-, B, 4, H) gets the inputs' share and then the gates, of one chunk or of all steps.
    """
    T, B, features = x.shape
    H = hs.shape[2]
    for start in range(0, T, steps):
        count = min(steps, T - start)
        first = start % len(workspace)
        shares = workspace[first : first + count].reshape(count * B, 4 * H)
        for row in range(count * B):
            shares[row] = b
        _add_product(shares, x[start : start + count].reshape(count * B, features), W)
        for t in range(start, start + count):
            z, h = workspace[first + t - start], hs[t + 1]
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
    """Turn the gates (T, B, 4, H) into dz, and dh and dc (B, H) into those of the initial state.

    tanh_c (H,) is a workspace.
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
                dc_before = dc[row, j] * f
                z[row, 1, j] = dc_before * c_before[row, j] * (1 - f)
                dc[row, j] = dc_before
        dh[...] = 0
        _add_product(dh, z.reshape(B, 4 * H), U)


@register("numpy.numba", framework="numpy")
class NumpyNumba(TwoPass):
    """Compiled steps; the memory is NumPy's."""

    def __init__(self, params: LSTMParams, framework: NumpyBackend) -> None:
        self.W_ih, self.W_hh, self.b = native_weights(params, framework)
        self.packed = self._pack()

    def _pack(self) -> tuple[Array, Array]:
        return _pack(self.W_ih.T), _pack(self.W_hh.T)

    def _run(
        self, x: Array, h0: Array, c0: Array, packed: tuple[Array, Array], keep: bool
    ) -> tuple[Array, Array, Array]:
        """Return h, c and gates of every step; unless kept, two c and the gates of one chunk."""
        T, (B, H) = len(x), h0.shape
        steps = steps_within(max(CHUNK_BYTES, self.W_ih.nbytes), 4 * B * H * x.itemsize, T)
        hs = np.empty((T + 1, B, H), dtype=x.dtype)
        cs = np.empty((T + 1 if keep else 2, B, H), dtype=x.dtype)
        gates = np.empty((T if keep else steps, B, 4, H), dtype=x.dtype)
        hs[0], cs[0] = h0, c0
        _forward(x, *packed, self.b, gates, steps, hs, cs)
        return hs, cs, gates

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        hs, cs, _ = self._run(np.ascontiguousarray(x), h0, c0, self.packed, keep=False)
        return hs[1:], hs[-1].copy(), cs[len(x) % 2].copy()

    def forward_saving(self, x: Array, h0: Array, c0: Array) -> Any:
        x = np.ascontiguousarray(x)
        hs, cs, gates = self._run(x, h0, c0, self._pack(), keep=True)
        return (hs[1:], hs[-1].copy(), cs[-1].copy()), (x, hs, cs, gates)

    def backward(self, saved: Any, dy: Array, dh: Array, dc: Array) -> Any:
        x, hs, cs, dz = saved
        T, B, features = x.shape
        H = dh.shape[1]
        dh, dc, tanh_c = dh.copy(), dc.copy(), np.empty(H, dtype=x.dtype)
        _backward(dz, _pack(self.W_hh), cs, np.ascontiguousarray(dy), dh, dc, tanh_c)
        rows = dz.reshape(T * B, 4 * H)
        dW_ih, dW_hh = rows.T @ x.reshape(T * B, features), rows.T @ hs[:-1].reshape(T * B, H)
        return dW_ih, dW_hh, rows.sum(axis=0), (rows @ self.W_ih).reshape(x.shape), dh, dc
