"""``equinox.scan``: the peer, ``equinox.nn.LSTMCell`` under ``lax.scan``, as Equinox documents it.

The cell is written for one sequence; ``vmap`` gives it the batch. It is a pytree of arrays alone,
so plain ``jax.jit`` takes it, which costs less for each call than ``equinox.filter_jit``. Its
weights are stacked and ordered as ours are. Timed is one jitted function, for training JAX's
derivative of it.
"""

from typing import Any

import equinox as eqx
import jax
from jax import Array

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._common import native_weights
from lstmbench.variants._jax_layers import JittedLayer


def _run(cell: Any, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
    def step(state: Any, x_t: Array) -> Any:
        h, c = jax.vmap(cell)(x_t, state)
        return (h, c), h

    (h, c), y = jax.lax.scan(step, (h0, c0), x)
    return y, h, c


def _weights(cell: Any) -> tuple[Array, Array, Array]:
    return cell.weight_ih, cell.weight_hh, cell.bias


@register("equinox.scan", framework="jax", peer=True)
class EquinoxScan(JittedLayer):
    """``eqx.nn.LSTMCell`` with our weights in place of the random ones."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        random = eqx.nn.LSTMCell(params.input_size, params.hidden_size, key=jax.random.key(0))
        cell = eqx.tree_at(_weights, random, native_weights(params, framework))
        super().__init__(_run, cell, _weights)
