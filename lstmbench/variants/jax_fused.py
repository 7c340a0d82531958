"""``jax.fused``: a ``custom_vjp`` over the whole sequence, with a hand-written backward.

The forward scan takes the inputs' share of all pre-activations from one product made before it, and keeps the gates
and c. The backward scan yields dz of each step; the gradients of weights, bias and inputs are one product each over
all steps, where JAX's own derivative would add up a (4H, H) gradient at every step. sigmoid(z) is written as
(1 + tanh(z / 2)) / 2, which XLA turns into vector code; the error of a gate is then some rounding error of 1, not
of the gate: one that is all but closed, below 1e-7 in float32, comes out as 0.

In bfloat16 the products are bfloat16, and all elementwise work and the carried states are float32: c sums over
time, and would lose what it adds.
"""

from typing import Any

import jax
import jax.numpy as jnp

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.jax_framework import JaxFramework
from lstmbench.variants._jax import Differentiated, Weights


def _wide(dtype: Any) -> Any:
    return jnp.float32 if dtype == jnp.bfloat16 else dtype


def _scan(weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
    """Return (y, h, c) and what the backward pass needs: c (T, B, H) and the gates (T, B, 4H), order i, f, g, o."""
    W_ih, W_hh, b = weights
    wide = _wide(x.dtype)
    U = W_hh.T  # (H, 4H)
    zs = (x @ W_ih.T + b).astype(wide)  # (T, B, 4H)

    def step(carry: Any, z: jax.Array) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(z + h @ U, 4, axis=1)
        i, f, o = (0.5 * jnp.tanh(0.5 * gate) + 0.5 for gate in (i, f, o))
        g = jnp.tanh(g)
        c = f * c + i * g
        h = (o * jnp.tanh(c)).astype(x.dtype)
        return (h, c), (h, c, jnp.concatenate([i, f, g, o], axis=1))

    (h, c), (y, cs, gates) = jax.lax.scan(step, (h0, c0.astype(wide)), zs)
    return (y, h, c.astype(x.dtype)), (cs, gates)


@jax.custom_vjp
def _run(weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
    return _scan(weights, x, h0, c0)[0]


def _run_forward(weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
    outputs, (cs, gates) = _scan(weights, x, h0, c0)
    return outputs, (weights, x, h0, c0, outputs[0], cs, gates)


def _run_backward(saved: Any, cotangents: Any) -> Any:
    (W_ih, W_hh, b), x, h0, c0, y, cs, gates = saved
    dy, dh, dc = cotangents
    T, B, H = y.shape
    wide = cs.dtype
    c_prevs = jnp.concatenate([c0[None].astype(wide), cs[:-1]])
    h_prevs = jnp.concatenate([h0[None], y[:-1]])

    def step(carry: Any, at_t: Any) -> Any:
        dh, dc = carry
        dy_t, c, c_prev, gates_t = at_t
        i, f, g, o = jnp.split(gates_t, 4, axis=1)
        tanh_c = jnp.tanh(c)
        dh = dh + dy_t
        dc = dc + dh * o * (1 - tanh_c * tanh_c)
        dz = jnp.concatenate(
            [dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g * g), dh * tanh_c * o * (1 - o)], axis=1
        ).astype(x.dtype)
        return ((dz @ W_hh).astype(wide), dc * f), dz

    carry = (dh.astype(wide), dc.astype(wide))
    (dh0, dc0), dzs = jax.lax.scan(step, carry, (dy, cs, c_prevs, gates), reverse=True)
    dz = dzs.reshape(T * B, 4 * H)
    dW_ih, dW_hh = dz.T @ x.reshape(T * B, -1), dz.T @ h_prevs.reshape(T * B, H)
    db = dz.astype(wide).sum(axis=0).astype(b.dtype)
    return (dW_ih, dW_hh, db), dzs @ W_ih, dh0.astype(x.dtype), dc0.astype(x.dtype)


_run.defvjp(_run_forward, _run_backward)


@register("jax.fused", framework="jax")
class JaxFused(Differentiated):
    """Forward and backward as two scans, everything that is not recurrent outside them."""

    def __init__(self, params: LSTMParams, framework: JaxFramework) -> None:
        super().__init__(_run, [params.weight_ih, params.weight_hh, params.bias], framework)
