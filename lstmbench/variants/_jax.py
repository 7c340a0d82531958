"""What variants written in JAX share: from a function of the whole sequence to the methods of an
implementation.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import jax
from numpy.typing import NDArray

from lstmbench.backends.jax_backend import JaxBackend

Weights = tuple[jax.Array, ...]
"""W_ih, W_hh, b, and the peepholes where there are any."""
Run = Callable[..., Any]
"""From weights, x (T, B, I), h0 and c0 (B, H), and lengths (B,) if it takes any, to y (T, B, H), h
and c (B, H).
"""


class Differentiated:
    """An implementation from a ``Run`` that JAX can differentiate: forward, backward, and both in
    one program.
    """

    def __init__(self, run: Run, arrays: Iterable[NDArray[Any]], framework: JaxBackend) -> None:
        self.weights = tuple(framework.from_numpy(array) for array in arrays)
        self._forward, self._forward_saving, self._forward_backward = _compiled(run)

    def forward(self, x: jax.Array, h0: jax.Array, c0: jax.Array, *lengths: jax.Array) -> Any:
        return self._forward(self.weights, x, h0, c0, *lengths)

    def forward_saving(
        self, x: jax.Array, h0: jax.Array, c0: jax.Array, *lengths: jax.Array
    ) -> Any:
        return self._forward_saving(self.weights, x, h0, c0, *lengths)

    def backward(self, saved: Any, dy: jax.Array, dh: jax.Array, dc: jax.Array) -> Any:
        return _differentiate(saved, dy, dh, dc)

    def forward_backward(
        self,
        x: jax.Array,
        h0: jax.Array,
        c0: jax.Array,
        dy: jax.Array,
        dh: jax.Array,
        dc: jax.Array,
    ) -> Any:
        return self._forward_backward(self.weights, x, h0, c0, dy, dh, dc)


@cache  # so that two of one shape are compiled once
def _compiled(run: Run) -> tuple[Any, Any, Any]:
    def run_saving(
        weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array, *lengths: jax.Array
    ) -> Any:
        return jax.vjp(lambda *arrays: run(*arrays, *lengths), weights, x, h0, c0)

    def run_and_differentiate(
        weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array, *above: jax.Array
    ) -> Any:
        outputs, pullback = jax.vjp(run, weights, x, h0, c0)
        return outputs, _in_order(pullback(above))

    return jax.jit(run), jax.jit(run_saving), jax.jit(run_and_differentiate)


@jax.jit
def _differentiate(pullback: Any, dy: jax.Array, dh: jax.Array, dc: jax.Array) -> Any:
    return _in_order(pullback((dy, dh, dc)))


def _in_order(cotangents: Any) -> Any:
    (dW_ih, dW_hh, db, *dp), dx, dh0, dc0 = cotangents
    return (dW_ih, dW_hh, db, dx, dh0, dc0, *dp)
