"""``equinox.scan``: the peer, ``equinox.nn.LSTMCell`` under ``lax.scan``, as Equinox's
documentation shows it.

The cell is written for one sequence; ``vmap`` gives it the batch. It is a pytree of arrays alone,
so plain ``jax.jit`` takes it, which costs less for each call than ``equinox.filter_jit``. Its
weights are stacked and ordered as ours are. Timed is one jitted function, for training JAX's
derivative of it.
"""

from typing import Any

import equinox as eqx
import jax

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register


def _run(
    cell: Any, x: jax.Array, h0: jax.Array, c0: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    def step(state: Any, x_t: jax.Array) -> Any:
        h, c = jax.vmap(cell)(x_t, state)
        return (h, c), h

    (h, c), y = jax.lax.scan(step, (h0, c0), x)
    return y, h, c


_forward = jax.jit(_run)


@jax.jit
def _run_and_differentiate(
    cell: Any,
    x: jax.Array,
    h0: jax.Array,
    c0: jax.Array,
    dy: jax.Array,
    dh: jax.Array,
    dc: jax.Array,
) -> Any:
    outputs, pullback = jax.vjp(_run, cell, x, h0, c0)
    dcell, dx, dh0, dc0 = pullback((dy, dh, dc))
    return outputs, (dcell.weight_ih, dcell.weight_hh, dcell.bias, dx, dh0, dc0)


@register("equinox.scan", framework="jax", peer=True)
class EquinoxScan:
    """``eqx.nn.LSTMCell`` with our weights in place of the random ones."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        arrays = (params.weight_ih, params.weight_hh, params.bias)
        cell = eqx.nn.LSTMCell(params.input_size, params.hidden_size, key=jax.random.key(0))
        weights = tuple(framework.from_numpy(array) for array in arrays)
        self.cell = eqx.tree_at(
            lambda cell: (cell.weight_ih, cell.weight_hh, cell.bias), cell, weights
        )

    def forward(self, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
        return _forward(self.cell, x, h0, c0)

    def forward_backward(
        self,
        x: jax.Array,
        h0: jax.Array,
        c0: jax.Array,
        dy: jax.Array,
        dh: jax.Array,
        dc: jax.Array,
    ) -> Any:
        return _run_and_differentiate(self.cell, x, h0, c0, dy, dh, dc)
