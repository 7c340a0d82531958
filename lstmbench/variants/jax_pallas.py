"""``jax.pallas``: ``jax.fused`` with each step as one Pallas kernel.

XLA computes a step of a scan as a product and a second kernel for the elementwise work. Here each
program of one kernel computes some units of some sequences: it accumulates their products with
W_hh, forward those of h with the four gates, backward those of the next step's dz, and does the
elementwise work while the sums are in registers. The scan over the steps is still XLA's.

On CUDA, Pallas compiles the kernels with Triton. Their blocks are powers of two: sizes are padded
with zeros to multiples of a block, and padding stays zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, ShapeDtypeStruct
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pallas_triton

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._common import native_weights
from lstmbench.variants._jax_layers import DifferentiableLayer, Weights
from lstmbench.variants.jax_fused import ScanSteps, Steps, sequence

UNITS = 32
"""Units of a program. This and the next two sizes are choices that have not been tuned."""
MIN_ROWS, MAX_ROWS = 16, 64
"""Sequences of a program; a tensor core takes at least 16."""
DEPTH = 64
"""Terms of a product's sum that are added in one pass of the loop."""


def _forward_kernel(z: Any, c: Any, h: Any, W: Any, h_next: Any, c_next: Any, *saved: Any) -> None:
    """Compute one step for z (R, 4, U) and c (R, U), from all of h (R, H) and W (4, H, U).

    ``saved`` holds the output for the gates, if they are saved.
    """

    def add(k: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        part = pl.ds(k * DEPTH, DEPTH)
        return tuple(total + _dot(h[:, part], W[gate, part, :]) for gate, total in enumerate(sums))

    zeros = jnp.zeros(c.shape, jnp.float32)
    products = jax.lax.fori_loop(0, h.shape[1] // DEPTH, add, (zeros,) * 4)
    i, f, g, o = (z[:, gate, :] + product for gate, product in enumerate(products))
    i, f, o = (0.5 * jnp.tanh(0.5 * gate) + 0.5 for gate in (i, f, o))
    g = jnp.tanh(g)
    c_new = f * c[...] + i * g
    c_next[...] = c_new
    h_next[...] = (o * jnp.tanh(c_new)).astype(h_next.dtype)
    for gates in saved:
        for k, gate in enumerate((i, f, g, o)):
            gates[:, k, :] = gate


def _backward_kernel(
    gates: Any,
    c: Any,
    c_before: Any,
    dy: Any,
    dc: Any,
    dz_next: Any,
    W: Any,
    dz: Any,
    dc_before: Any,
) -> None:
    """Compute one step backwards for arrays (R, 4, U) and (R, U).

    dz_next (R, 4, H) is dz of the step after, and W (4, H, U).
    """

    def add(k: Array, total: Array) -> Array:
        part = pl.ds(k * DEPTH, DEPTH)
        for gate in range(4):
            total += _dot(dz_next[:, gate, part], W[gate, part, :])
        return total

    dh = jax.lax.fori_loop(0, W.shape[1] // DEPTH, add, dy[...].astype(jnp.float32))
    i, f, g, o = (gates[:, gate, :] for gate in range(4))
    tanh_c = jnp.tanh(c[...])
    dc_now = dc[...] + dh * o * (1 - tanh_c * tanh_c)
    dz_gates = (
        dc_now * g * i * (1 - i),
        dc_now * c_before[...] * f * (1 - f),
        dc_now * i * (1 - g * g),
        dh * tanh_c * o * (1 - o),
    )
    for k, dz_gate in enumerate(dz_gates):
        dz[:, k, :] = dz_gate.astype(dz.dtype)
    dc_before[...] = dc_now * f


def _dot(a: Array, b: Array) -> Array:
    return jnp.dot(a, b, preferred_element_type=jnp.float32)


class Sizes(NamedTuple):
    """Padded B and H, and the sequences of a program."""

    B: int
    H: int
    rows: int

    @classmethod
    def of(cls, B: int, H: int) -> "Sizes":
        """Return the smallest sizes that hold B sequences of H units."""
        rows = min(MAX_ROWS, max(MIN_ROWS, pl.next_power_of_2(B)))
        return cls(pl.cdiv(B, rows) * rows, pl.cdiv(H, DEPTH) * DEPTH, rows)

    def call(
        self,
        kernel: Callable[..., None],
        interpret: bool,
        outputs: list[ShapeDtypeStruct],
        *arrays: Array,
    ) -> Any:
        """Run the kernel over all blocks.

        A program gets its block of each array, but of the last two, the factors of the product, all
        that it sums over.
        """

        def block(array: Any) -> pl.BlockSpec:
            if array.ndim == 2:
                return pl.BlockSpec((self.rows, UNITS), lambda n, m: (m, n))
            return pl.BlockSpec((self.rows, 4, UNITS), lambda n, m: (m, 0, n))

        *blocked, factor, _ = arrays
        row_shape = (self.rows, *factor.shape[1:])
        return pl.pallas_call(
            kernel,
            grid=(self.H // UNITS, self.B // self.rows),
            in_specs=[
                *map(block, blocked),
                pl.BlockSpec(row_shape, lambda n, m: (m, *(0 for _ in factor.shape[1:]))),
                pl.BlockSpec((4, self.H, UNITS), lambda n, m: (0, 0, n)),
            ],
            out_specs=list(map(block, outputs)),
            out_shape=outputs,
            compiler_params=pallas_triton.CompilerParams(num_warps=4, num_stages=3),
            interpret=interpret,
        )(*arrays)

    def pad(self, array: Array, rows: int | None = None, *units: int) -> Array:
        """Pad the axis of sequences and those of units with zeros."""
        widths = [(0, 0)] * array.ndim
        if rows is not None:
            widths[rows] = (0, self.B - array.shape[rows])
        for axis in units:
            widths[axis] = (0, self.H - array.shape[axis])
        return jnp.pad(array, widths)


@dataclass(frozen=True)
class PallasSteps:
    """The step kernel in Pallas, with the methods of ``ScanSteps``.

    Attributes:
        interpret: whether JAX's own operations run the kernels, on any device.
    """

    interpret: bool

    def forward(
        self, weights: Weights, x: Array, h0: Array, c0: Array, keep: bool
    ) -> tuple[Steps, Array]:
        """Return the steps and the last c, which is in float32."""
        (W_ih, W_hh, b), (T, B, features), H = weights, x.shape, h0.shape[1]
        sizes = Sizes.of(B, H)
        W_in = sizes.pad(W_ih.reshape(4, H, features), None, 1).reshape(4 * sizes.H, features)
        bias = sizes.pad(b.reshape(4, H), None, 1).reshape(4 * sizes.H)
        W = sizes.pad(W_hh.reshape(4, H, H).swapaxes(1, 2), None, 1, 2)  # (4, H, H), from h to unit
        zs = (sizes.pad(x, 1) @ W_in.T + bias).astype(jnp.float32)
        state, gates = (sizes.B, sizes.H), (sizes.B, 4, sizes.H)
        outputs = [ShapeDtypeStruct(state, x.dtype), ShapeDtypeStruct(state, jnp.float32)]
        outputs += [ShapeDtypeStruct(gates, jnp.float32)] * keep

        def step(carry: Any, z: Array) -> Any:
            h, c = carry
            h, c, *saved = sizes.call(_forward_kernel, self.interpret, outputs, z, c, h, W)
            return (h, c), (h, c, *saved) if keep else (h,)

        first = sizes.pad(h0, 0, 1), sizes.pad(c0.astype(jnp.float32), 0, 1)
        (_, c), (hs, *saved) = jax.lax.scan(step, first, zs.reshape(T, *gates))
        hs = hs[:, :B, :H]
        if not keep:
            return Steps(hs, None, None), c[:B, :H]
        cs, all_gates = saved
        return Steps(hs, cs[:, :B, :H], all_gates[:, :B, :, :H].reshape(T, B, 4 * H)), c[:B, :H]

    def backward(
        self, W_hh: Array, c0: Array, steps: Steps, dy: Array, dh: Array, dc: Array
    ) -> Any:
        """Return dz (T, B, 4H), dh0 and dc0."""
        T, B, H = dy.shape
        sizes = Sizes.of(B, H)
        W = sizes.pad(W_hh.reshape(4, H, H), None, 1, 2)  # (4, H, H), from gate to unit
        c_befores = jnp.concatenate([c0[None].astype(jnp.float32), steps.c[:-1]])
        states = (steps.c, c_befores, dy.at[-1].add(dh))
        gates = sizes.pad(steps.gates.reshape(T, B, 4, H), 1, 3)
        outputs = [
            ShapeDtypeStruct((sizes.B, 4, sizes.H), dy.dtype),
            ShapeDtypeStruct((sizes.B, sizes.H), jnp.float32),
        ]

        def step(carry: Any, at_t: Any) -> Any:
            dz, dc = carry
            dz, dc = sizes.call(_backward_kernel, self.interpret, outputs, *at_t, dc, dz, W)
            return (dz, dc), dz

        first = jnp.zeros(outputs[0].shape, dy.dtype), sizes.pad(dc.astype(jnp.float32), 0, 1)
        per_step = (gates, *(sizes.pad(state, 1, 2) for state in states))
        (_, dc0), dzs = jax.lax.scan(step, first, per_step, reverse=True)
        dzs = dzs[:, :B, :, :H].reshape(T, B, 4 * H)
        return dzs, dzs[0] @ W_hh, dc0[:B, :H]

    gradients = staticmethod(ScanSteps.gradients)


@register(
    "jax.pallas",
    framework="jax",
    devices=("cuda",),
    dtypes=("float32", "tf32", "bfloat16", "float16"),
)
class JaxPallas(DifferentiableLayer):
    """A kernel for each step, all products over many steps outside."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        kernel = PallasSteps(interpret=framework.device != "cuda")
        super().__init__(sequence(kernel), native_weights(params, framework))
