"""``jax.pallas``: ``jax.fused`` with each step as one Pallas kernel, its product and all that is
elementwise.

XLA computes a step of a scan as a product and, in a kernel of its own, what is elementwise. Here a
program of the kernel takes some units for some sequences, adds up their products with W_hh, forward
those of h with the four gates, backward those of the next step's dz, and goes on with the sums
where they are, in registers. The scan over the steps stays XLA's.

On CUDA, Pallas compiles the kernels with Triton. Their blocks are powers of two: sizes are padded
with zeros to multiples of a block, and what is padded stays zero.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pallas_triton

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._jax import Differentiated, Weights
from lstmbench.variants.jax_fused import ScanSteps, Steps, sequence

UNITS = 32
"""Units of a program."""
ROWS = (16, 64)
"""Fewest and most sequences of a program."""
DEPTH = 64
"""So much of a product's sum is added up at once."""


def _forward_kernel(z: Any, c: Any, h: Any, W: Any, h_next: Any, c_next: Any, *kept: Any) -> None:
    """One step for rows of z (R, 4, U) and c (R, U), from all of h (R, H) and W (4, H, U); kept are
    the gates.
    """

    def add(k: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        part = pl.ds(k * DEPTH, DEPTH)
        return tuple(total + _dot(h[:, part], W[gate, part, :]) for gate, total in enumerate(sums))

    products = jax.lax.fori_loop(
        0, h.shape[1] // DEPTH, add, (jnp.zeros(c.shape, jnp.float32),) * 4
    )
    i, f, g, o = (z[:, gate, :] + product for gate, product in enumerate(products))
    i, f, o = (0.5 * jnp.tanh(0.5 * gate) + 0.5 for gate in (i, f, o))
    g = jnp.tanh(g)
    c_new = f * c[...] + i * g
    c_next[...] = c_new
    h_next[...] = (o * jnp.tanh(c_new)).astype(h_next.dtype)
    for gates in kept:
        for k, gate in enumerate((i, f, g, o)):
            gates[:, k, :] = gate


def _backward_kernel(
    gates: Any,
    c: Any,
    c_before: Any,
    dy: Any,
    dc: Any,
    dz_later: Any,
    W: Any,
    dz: Any,
    dc_before: Any,
) -> None:
    """One step backwards for rows of (R, 4, U) and (R, U), from all of the next step's dz (R, 4,
    H), W (4, H, U).
    """

    def add(k: jax.Array, total: jax.Array) -> jax.Array:
        part = pl.ds(k * DEPTH, DEPTH)
        for gate in range(4):
            total += _dot(dz_later[:, gate, part], W[gate, part, :])
        return total

    dh = jax.lax.fori_loop(0, W.shape[1] // DEPTH, add, dy[...].astype(jnp.float32))
    i, f, g, o = (gates[:, gate, :] for gate in range(4))
    tanh_c = jnp.tanh(c[...])
    total = dc[...] + dh * o * (1 - tanh_c * tanh_c)
    below = (
        total * g * i * (1 - i),
        total * c_before[...] * f * (1 - f),
        total * i * (1 - g * g),
        dh * tanh_c * o * (1 - o),
    )
    for k, gate in enumerate(below):
        dz[:, k, :] = gate.astype(dz.dtype)
    dc_before[...] = total * f


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, preferred_element_type=jnp.float32)


class Sizes(NamedTuple):
    """B and H as they are padded, and the sequences of a program."""

    B: int
    H: int
    rows: int

    @classmethod
    def of(cls, B: int, H: int) -> "Sizes":
        """Return the least that will do."""
        fewest, most = ROWS
        rows = min(most, max(fewest, pl.next_power_of_2(B)))
        return cls(pl.cdiv(B, rows) * rows, pl.cdiv(H, DEPTH) * DEPTH, rows)

    def call(
        self, kernel: Callable[..., None], interpret: bool, outputs: list[Any], *arrays: jax.Array
    ) -> Any:
        """Run the kernel on all blocks, with its share of each array; of the last two, all that is
        summed over.
        """
        block, gates = (self.rows, UNITS), (self.rows, 4, UNITS)
        *blocked, summed, _ = arrays
        shares = [
            pl.BlockSpec(block, lambda n, m: (m, n)),
            pl.BlockSpec(gates, lambda n, m: (m, 0, n)),
        ]
        all_of_it = [
            pl.BlockSpec((self.rows, self.H), lambda n, m: (m, 0)),
            pl.BlockSpec((self.rows, 4, self.H), lambda n, m: (m, 0, 0)),
        ]
        return pl.pallas_call(
            kernel,
            grid=(self.H // UNITS, self.B // self.rows),
            in_specs=[
                *(shares[each.ndim - 2] for each in blocked),
                all_of_it[summed.ndim - 2],
                pl.BlockSpec((4, self.H, UNITS), lambda n, m: (0, 0, n)),
            ],
            out_specs=[shares[len(each.shape) - 2] for each in outputs],
            out_shape=outputs,
            compiler_params=pallas_triton.CompilerParams(num_warps=4, num_stages=3),
            interpret=interpret,
        )(*arrays)

    def pad(self, array: jax.Array, rows: int, units: int) -> jax.Array:
        """Fill up with zeros the axes of sequences and of units; -1 for none."""
        widths = [(0, 0)] * array.ndim
        if rows >= 0:
            widths[rows] = (0, self.B - array.shape[rows])
        if units >= 0:
            widths[units] = (0, self.H - array.shape[units])
        return jnp.pad(array, widths)


class Pallas(NamedTuple):
    """The steps as Pallas kernels, with the methods that ``jax_fused.sequence`` needs.

    Attributes:
        interpret: whether the kernels are run by JAX's own operations, on any device.
    """

    interpret: bool

    def forward(
        self, weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array, keep: bool
    ) -> tuple[Steps, jax.Array]:
        """Return the steps and the last c, which is in float32."""
        (W_ih, W_hh, b), (T, B, features), H = weights, x.shape, h0.shape[1]
        sizes = Sizes.of(B, H)
        W_in = sizes.pad(W_ih.reshape(4, H, features), -1, 1).reshape(4 * sizes.H, features)
        bias = sizes.pad(b.reshape(4, H), -1, 1).reshape(4 * sizes.H)
        W = sizes.pad(
            sizes.pad(W_hh.reshape(4, H, H).swapaxes(1, 2), -1, 1), -1, 2
        )  # (4, H, H), of h, to a unit
        zs = (
            (sizes.pad(x, 1, -1) @ W_in.T + bias)
            .astype(jnp.float32)
            .reshape(T, sizes.B, 4, sizes.H)
        )
        state, gates = (sizes.B, sizes.H), (sizes.B, 4, sizes.H)
        outputs = [jax.ShapeDtypeStruct(state, x.dtype), jax.ShapeDtypeStruct(state, jnp.float32)]
        outputs += [jax.ShapeDtypeStruct(gates, jnp.float32)] * keep

        def step(carry: Any, z: jax.Array) -> Any:
            h, c = carry
            h, c, *kept = sizes.call(_forward_kernel, self.interpret, outputs, z, c, h, W)
            return (h, c), (h, c, *kept) if keep else (h,)

        (_, c), (hs, *kept) = jax.lax.scan(
            step, (sizes.pad(h0, 0, 1), sizes.pad(c0.astype(jnp.float32), 0, 1)), zs
        )
        hs = hs[:, :B, :H]
        if not keep:
            return Steps(hs, None, None), c[:B, :H]
        cs, all_gates = kept
        return Steps(hs, cs[:, :B, :H], all_gates[:, :B, :, :H].reshape(T, B, 4 * H)), c[:B, :H]

    def backward(
        self,
        W_hh: jax.Array,
        c0: jax.Array,
        steps: Steps,
        dy: jax.Array,
        dh: jax.Array,
        dc: jax.Array,
    ) -> Any:
        """Return dz (T, B, 4H), dh0 and dc0."""
        T, B, H = dy.shape
        sizes = Sizes.of(B, H)
        W = sizes.pad(
            sizes.pad(W_hh.reshape(4, H, H), -1, 1), -1, 2
        )  # (4, H, H), of a gate, to a unit
        c_befores = jnp.concatenate([c0[None].astype(jnp.float32), steps.c[:-1]])
        gates = sizes.pad(steps.gates.reshape(T, B, 4, H), 1, 3)
        per_step = (
            gates,
            *(sizes.pad(each, 1, 2) for each in (steps.c, c_befores, dy.at[-1].add(dh))),
        )
        outputs = [
            jax.ShapeDtypeStruct((sizes.B, 4, sizes.H), dy.dtype),
            jax.ShapeDtypeStruct((sizes.B, sizes.H), jnp.float32),
        ]

        def step(carry: Any, at_t: Any) -> Any:
            dz, dc = carry
            dz, dc = sizes.call(_backward_kernel, self.interpret, outputs, *at_t, dc, dz, W)
            return (dz, dc), dz

        first = jnp.zeros(outputs[0].shape, dy.dtype), sizes.pad(dc.astype(jnp.float32), 0, 1)
        (_, dc0), dzs = jax.lax.scan(step, first, per_step, reverse=True)
        dzs = dzs[:, :B, :, :H].reshape(T, B, 4 * H)
        return dzs, dzs[0] @ W_hh, dc0[:B, :H]

    @staticmethod
    def gradients(
        weights: Weights, x: jax.Array, h0: jax.Array, steps: Steps, dzs: jax.Array
    ) -> Any:
        """Return dW_ih, dW_hh, db and dx, from dz of every step."""
        return ScanSteps.gradients(weights, x, h0, steps, dzs)


@register(
    "jax.pallas",
    framework="jax",
    devices=("cuda",),
    dtypes=("float32", "tf32", "bfloat16", "float16"),
)
class JaxPallas(Differentiated):
    """A kernel for each step, everything that is not recurrent outside."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        way = Pallas(interpret=framework.device != "cuda")
        super().__init__(
            sequence(way), [params.weight_ih, params.weight_hh, params.bias], framework
        )
