"""``jax.scan``: the equations under ``lax.scan``, compiled by XLA, derivatives by JAX."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.jax_framework import JaxFramework

Weights = tuple[jax.Array, ...]
"""W_ih, W_hh, b, and the peepholes where there are any."""


def _run(weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    W_ih, W_hh, b, *others = weights
    p = others[0] if others else None

    def step(carry: Any, x_t: jax.Array) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(x_t @ W_ih.T + h @ W_hh.T + b, 4, axis=1)
        if p is not None:
            i, f = i + p[0] * c, f + p[1] * c
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        if p is not None:
            o = o + p[2] * c
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    (h, c), y = jax.lax.scan(step, (h0, c0), x)
    return y, h, c


@jax.jit
def _run_and_differentiate(
    weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array, dy: jax.Array, dh: jax.Array, dc: jax.Array
) -> Any:
    outputs, pullback = jax.vjp(_run, weights, x, h0, c0)
    return outputs, _in_order(pullback((dy, dh, dc)))


@jax.jit
def _run_saving(weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
    return jax.vjp(_run, weights, x, h0, c0)


@jax.jit
def _differentiate(pullback: Any, dy: jax.Array, dh: jax.Array, dc: jax.Array) -> Any:
    return _in_order(pullback((dy, dh, dc)))


def _in_order(cotangents: Any) -> Any:
    (dW_ih, dW_hh, db, *dp), dx, dh0, dc0 = cotangents
    return (dW_ih, dW_hh, db, dx, dh0, dc0, *dp)


@register("jax.scan", framework="jax", peephole=True)
class JaxScan:
    """What people write first in JAX."""

    # The backward pass adds up a (4H, I) gradient at every step: training takes 16 % longer where I is 65 and not 64,
    # but 8 % where it is 80
    lanes: ClassVar[int] = 16

    def __init__(self, params: LSTMParams, framework: JaxFramework) -> None:
        arrays = [params.weight_ih, params.weight_hh, params.bias]
        if params.peephole is not None:
            arrays.append(params.peephole)
        self.weights = tuple(framework.from_numpy(array) for array in arrays)
        self._forward = jax.jit(_run)

    def forward(self, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
        return self._forward(self.weights, x, h0, c0)

    def forward_saving(self, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
        return _run_saving(self.weights, x, h0, c0)

    def backward(self, saved: Any, dy: jax.Array, dh: jax.Array, dc: jax.Array) -> Any:
        return _differentiate(saved, dy, dh, dc)

    def forward_backward(
        self, x: jax.Array, h0: jax.Array, c0: jax.Array, dy: jax.Array, dh: jax.Array, dc: jax.Array
    ) -> Any:
        return _run_and_differentiate(self.weights, x, h0, c0, dy, dh, dc)
