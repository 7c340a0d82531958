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
from lstmbench.variants.jax_fused import ScanSteps, Steps, cell, cell_backward, sequence

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
    pre_activations = (z[:, gate, :] + product for gate, product in enumerate(products))
    gates, c_next[...], h_new = cell(pre_activations, c[...])
    h_next[...] = h_new.astype(h_next.dtype)
    for output in saved:
        for k, gate in enumerate(gates):
            output[:, k, :] = gate


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
    of_step = (gates[:, gate, :] for gate in range(4)), c[...], c_before[...], dh, dc[...]
    dz_gates, dc_before[...] = cell_backward(*of_step)
    for k, dz_gate in enumerate(dz_gates):
        dz[:, k, :] = dz_gate.astype(dz.dtype)


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
            gates = array.shape[1:-1]  # (4,), or nothing
            shape = (self.rows, *gates, UNITS)
            return pl.BlockSpec(shape, lambda n, m: (m, *(0 for _ in gates), n))

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


def _padded(array: Array, *shape: int) -> Array:
    """Return the array in this shape, with zeros at the end of each axis."""
    return jnp.pad(
        array, [(0, size - given) for size, given in zip(shape, array.shape, strict=True)]
    )


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
        W_in = _padded(W_ih.reshape(4, H, features), 4, sizes.H, features).reshape(-1, features)
        bias = _padded(b.reshape(4, H), 4, sizes.H).ravel()
        # (4, H, H), from h to unit
        W = _padded(W_hh.reshape(4, H, H).swapaxes(1, 2), 4, sizes.H, sizes.H)
        zs = (_padded(x, T, sizes.B, features) @ W_in.T + bias).astype(jnp.float32)
        state, gates = (sizes.B, sizes.H), (sizes.B, 4, sizes.H)
        outputs = [ShapeDtypeStruct(state, x.dtype), ShapeDtypeStruct(state, jnp.float32)]
        outputs += [ShapeDtypeStruct(gates, jnp.float32)] * keep

        def step(carry: Any, z: Array) -> Any:
            h, c = carry
            h, c, *saved = sizes.call(_forward_kernel, self.interpret, outputs, z, c, h, W)
            return (h, c), (h, c, *saved) if keep else (h,)

        first = _padded(h0, *state), _padded(c0.astype(jnp.float32), *state)
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
        state = sizes.B, sizes.H
        W = _padded(W_hh.reshape(4, H, H), 4, sizes.H, sizes.H)  # from gate to unit
        c_befores = jnp.concatenate([c0[None].astype(jnp.float32), steps.c[:-1]])
        states = (steps.c, c_befores, dy.at[-1].add(dh))
        gates = _padded(steps.gates.reshape(T, B, 4, H), T, sizes.B, 4, sizes.H)
        outputs = [
            ShapeDtypeStruct(gates.shape[1:], dy.dtype),
            ShapeDtypeStruct(state, jnp.float32),
        ]

        def step(carry: Any, at_t: Any) -> Any:
            dz, dc = carry
            dz, dc = sizes.call(_backward_kernel, self.interpret, outputs, *at_t, dc, dz, W)
            return (dz, dc), dz

        first = jnp.zeros(gates.shape[1:], dy.dtype), _padded(dc.astype(jnp.float32), *state)
        per_step = (gates, *(_padded(array, T, *state) for array in states))
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
