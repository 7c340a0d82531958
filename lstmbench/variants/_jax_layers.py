"""What implementations in JAX share: the methods that follow from one function of the sequence."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
from jax import Array

Weights = tuple[Array, ...]
"""W_ih (4H, I), W_hh (4H, H), b (4H,), and the peepholes (3, H) where there are any."""
Run = Callable[..., tuple[Array, Array, Array]]
"""A function of weights, x (T, B, I), h0 and c0 (B, H), and lengths (B,) if it takes any.

It returns y (T, B, H), h and c (B, H). Its weights may be any pytree.
"""


class JittedLayer:
    """``forward`` and ``forward_backward`` of a ``Run`` that JAX differentiates, jitted.

    Args:
        run: the function.
        weights: its first argument.
        to_gradients: turns the cotangent of the weights into dW_ih, dW_hh, db.
    """

    def __init__(self, run: Run, weights: Any, to_gradients: Callable[[Any], Any] = tuple) -> None:
        self.weights = self._inference_weights = weights
        self._forward, self._forward_backward = _compiled(run, to_gradients)

    def forward(self, x: Array, h0: Array, c0: Array, *lengths: Array) -> Any:
        return self._forward(self._inference_weights, x, h0, c0, *lengths)

    def forward_backward(self, x: Array, h0: Array, c0: Array, *cotangents: Array) -> Any:
        return self._forward_backward(self.weights, x, h0, c0, *cotangents)


class DifferentiableLayer(JittedLayer):
    """A ``JittedLayer`` whose forward and backward passes can be called one after the other."""

    def __init__(self, run: Run, weights: Weights) -> None:
        super().__init__(run, weights)
        self._forward_saving = _compiled_saving(run)

    def forward_saving(self, x: Array, h0: Array, c0: Array, *lengths: Array) -> Any:
        return self._forward_saving(self.weights, x, h0, c0, *lengths)

    def backward(self, saved: Any, *cotangents: Array) -> Any:
        return _backward(saved, cotangents)


# Cached, so that implementations of the same function and shape are compiled once
@cache
def _compiled(run: Run, to_gradients: Callable[[Any], Any]) -> tuple[Any, Any]:
    def forward_backward(weights: Any, x: Array, h0: Array, c0: Array, *cotangents: Array) -> Any:
        outputs, pullback = jax.vjp(run, weights, x, h0, c0)
        return outputs, _gradients(pullback(cotangents), to_gradients)

    return jax.jit(run), jax.jit(forward_backward)


@cache
def _compiled_saving(run: Run) -> Any:
    def forward_saving(weights: Weights, x: Array, h0: Array, c0: Array, *lengths: Array) -> Any:
        return jax.vjp(lambda *arrays: run(*arrays, *lengths), weights, x, h0, c0)

    return jax.jit(forward_saving)


@jax.jit
def _backward(pullback: Any, cotangents: tuple[Array, ...]) -> Any:
    return _gradients(pullback(cotangents), tuple)


def _gradients(cotangents: Any, to_gradients: Callable[[Any], Any]) -> Any:
    """Return the gradients in the order of ``Implementation.forward_backward``."""
    dweights, dx, dh0, dc0 = cotangents
    dW_ih, dW_hh, db, *dpeepholes = to_gradients(dweights)
    return (dW_ih, dW_hh, db, dx, dh0, dc0, *dpeepholes)
