"""``flax.nnx``: the peer, Flax's ``nnx.OptimizedLSTMCell`` under ``nnx.RNN``, time-major.

The module is split once into its graph and its state, and ``jax.jit`` takes the state, as Flax's
guide to performance recommends: ``nnx.jit`` would walk the module in Python at each call. Flax
keeps kernels as (I, 4H) and (H, 4H), with our order of gates, one bias with the recurrent product,
and its carry is (c, h).

Timed is one jitted function, for training JAX's derivative of it; the gradients of the two kernels
are transposed to our orientation within it, where XLA chooses the layout of the products.
"""

from functools import cache
from typing import Any

import jax
from flax import nnx
from jax import Array

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.interop.flax_weights import write
from lstmbench.variants._jax_layers import JittedLayer, Run


@cache  # so that modules of the same graph are compiled once
def _run(graph: Any) -> Run:
    def run(state: Any, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        (c, h), y = nnx.merge(graph, state)(x, initial_carry=(c0, h0))
        return y, h, c

    return run


def _gradients(state: Any) -> tuple[Array, Array, Array]:
    dense_i, dense_h = state["cell"]["dense_i"], state["cell"]["dense_h"]
    return dense_i["kernel"][...].T, dense_h["kernel"][...].T, dense_h["bias"][...]


@register("flax.nnx", framework="jax", peer=True)
class FlaxNNX(JittedLayer):
    """``nnx.RNN`` of one cell, with our weights."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        ((cell,),) = write(((params,),), framework.storage_dtype, "nnx.OptimizedLSTMCell")
        graph, state = nnx.split(nnx.RNN(cell, time_major=True, return_carry=True, rngs=False))
        state = jax.device_put(state, jax.devices(framework.device)[0])
        super().__init__(_run(graph), state, _gradients)
