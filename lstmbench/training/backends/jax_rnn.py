"""The plain RNN in JAX: ``lax.scan``, gradients by JAX."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.training.plain_rnn import PlainRNNParams
from lstmbench.variants._jax_layers import DifferentiableLayer, Weights


def _run(weights: Weights, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
    W, U, b = weights

    def step(h: Any, z: Array) -> Any:
        h = jnp.tanh(z + h @ U.T)
        return h, h

    h, y = jax.lax.scan(step, h0, x @ W.T + b)
    return y, h, c0


class JaxPlainRNN(DifferentiableLayer):
    """What people write first in JAX."""

    def __init__(self, params: PlainRNNParams, framework: JaxBackend) -> None:
        super().__init__(_run, tuple(map(framework.from_numpy, params)))
