"""``flax.nnx``: the peer, Flax's ``nnx.OptimizedLSTMCell`` under ``nnx.RNN``, time-major.

The module is split once into its graph and its state, and ``jax.jit`` takes the state, as Flax's
guide to performance
recommends: ``nnx.jit`` would walk the module in Python at each call. Flax keeps kernels as (I, 4H)
and (H, 4H), with our order of gates, one bias with the recurrent product, and its carry is (c, h).

Timed is one jitted function, for training JAX's derivative of it; the gradients of the two kernels
are turned to our orientation within it, where XLA chooses how to lay out the product that they come
from.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register


@cache
def _compiled(graph: Any) -> tuple[Any, Any]:
    """Return forward and forward_backward of a module, as functions of its state, so that they are
    compiled once.
    """

    def run(
        state: Any, x: jax.Array, h0: jax.Array, c0: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        (c, h), y = nnx.merge(graph, state)(x, initial_carry=(c0, h0))
        return y, h, c

    def run_and_differentiate(
        state: Any, x: jax.Array, h0: jax.Array, c0: jax.Array, *above: jax.Array
    ) -> Any:
        outputs, pullback = jax.vjp(run, state, x, h0, c0)
        dstate, dx, dh0, dc0 = pullback(above)
        dcell = dstate["cell"]
        weights = dcell["dense_i"]["kernel"][...].T, dcell["dense_h"]["kernel"][...].T
        return outputs, (*weights, dcell["dense_h"]["bias"][...], dx, dh0, dc0)

    return jax.jit(run), jax.jit(run_and_differentiate)


@register("flax.nnx", framework="jax", peer=True)
class FlaxNNX:
    """``nnx.RNN`` of one cell, with our weights in place of the random ones."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        dtype = jnp.dtype(framework.storage_dtype)
        cell = nnx.OptimizedLSTMCell(
            params.input_size,
            params.hidden_size,
            # The default, orthogonal, has no bfloat16
            recurrent_kernel_init=nnx.initializers.zeros_init(),
            dtype=dtype,
            param_dtype=dtype,
            rngs=nnx.Rngs(0),
        )
        cell.dense_i.kernel[...] = framework.from_numpy(params.weight_ih.T)
        cell.dense_h.kernel[...] = framework.from_numpy(params.weight_hh.T)
        cell.dense_h.bias[...] = framework.from_numpy(params.bias)
        graph, self.state = nnx.split(nnx.RNN(cell, time_major=True, return_carry=True, rngs=False))
        self._forward, self._forward_backward = _compiled(graph)

    def forward(self, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
        return self._forward(self.state, x, h0, c0)

    def forward_backward(
        self,
        x: jax.Array,
        h0: jax.Array,
        c0: jax.Array,
        dy: jax.Array,
        dh: jax.Array,
        dc: jax.Array,
    ) -> Any:
        return self._forward_backward(self.state, x, h0, c0, dy, dh, dc)
