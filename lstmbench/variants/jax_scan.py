"""``jax.scan``: the equations under ``lax.scan``, compiled by XLA, derivatives by JAX."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._common import native_weights
from lstmbench.variants._jax_layers import DifferentiableLayer, Weights


def _run(weights: Weights, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
    W_ih, W_hh, b, *peepholes = weights
    p = peepholes[0] if peepholes else None

    def step(carry: Any, x_t: Array) -> Any:
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


@register("jax.scan", framework="jax", peephole=True)
class JaxScan(DifferentiableLayer):
    """What people write first in JAX."""

    # The backward pass adds up a (4H, I) gradient at every step: training takes 16 % longer where I
    # is 65 and not 64, but only 8 % where it is 80
    feature_multiple: ClassVar[int] = 16

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        super().__init__(_run, native_weights(params, framework))
