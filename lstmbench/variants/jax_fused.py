"""``jax.fused``: a ``custom_vjp`` over the whole sequence, with a hand-written backward.

What need not be done step by step is not: the gradients of weights, bias and inputs are one product
each over all steps, where JAX's own derivative would add up a (4H, H) gradient at every step. For
the steps there are two ways:

- On a CPU in float32, where there is a C++ compiler: ``recurrence.cpp``, called through XLA's
  foreign function interface, in which the elementwise work of a step is done where its product
  still lies in registers. The weights are
  laid out anew for it: when they are loaded, for inference, and in every call that trains, since
  they change after each. It runs on one core, whatever ``threads``.
- Elsewhere, ``lax.scan``, compiled by XLA. The inputs' share of all pre-activations is one product
  made before it. sigmoid(z) is written as (1 + tanh(z / 2)) / 2, which XLA turns into vector code;
  the error of a gate is then some
  rounding error of 1, not of the gate: one that is all but closed, below 1e-7 in float32, comes out
  as 0.

Both keep the gates of every step and c for the backward pass.

In bfloat16 and float16 the products are of that dtype, and all elementwise work and the carried
states are float32: c sums over time, and would lose what it adds.
"""

import ctypes
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import NOT_COMPILED, register
from lstmbench.variants._jax import Differentiated, Run, Weights
from lstmbench.variants.kernels.recurrence import library, recurrence

CHUNK_BYTES = 1 << 19
"""CompiledSteps inference keeps the gates of so many steps only that they are still in the cache
when they are used.
"""


class Steps(NamedTuple):
    """All that has a value at each step, gates in the order i, f, g, o; inference may leave out all
    but h.
    """

    h: jax.Array  # (T, B, H)
    c: jax.Array  # (T, B, H)
    gates: jax.Array  # (T, B, 4H)


class ScanSteps:
    """The steps under ``lax.scan``."""

    @staticmethod
    def forward(
        weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array, keep: bool
    ) -> tuple[Steps, jax.Array]:
        """Return the steps and the last c, which is in float32 where x is in bfloat16 or float16."""
        W_ih, W_hh, b = weights
        wide = jnp.float32 if x.dtype.itemsize == 2 else x.dtype
        U = W_hh.T  # (H, 4H)
        zs = (x @ W_ih.T + b).astype(wide)  # (T, B, 4H)

        def step(carry: Any, z: jax.Array) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(z + h @ U, 4, axis=1)
            i, f, o = (0.5 * jnp.tanh(0.5 * gate) + 0.5 for gate in (i, f, o))
            g = jnp.tanh(g)
            c = f * c + i * g
            h = (o * jnp.tanh(c)).astype(x.dtype)
            return (h, c), Steps(h, c, jnp.concatenate([i, f, g, o], axis=1))

        (_, c), steps = jax.lax.scan(step, (h0, c0.astype(wide)), zs)
        return steps, c

    @staticmethod
    def backward(
        W_hh: jax.Array, c0: jax.Array, steps: Steps, dy: jax.Array, dh: jax.Array, dc: jax.Array
    ) -> Any:
        """Return dz (T, B, 4H), dh0 and dc0; what is carried is in float32 where dy is in bfloat16
        or float16.
        """
        wide = steps.c.dtype

        def step(carry: Any, at_t: Any) -> Any:
            dh, dc = carry
            dy_t, c, c_prev, gates = at_t
            i, f, g, o = jnp.split(gates, 4, axis=1)
            tanh_c = jnp.tanh(c)
            dh = dh + dy_t
            dc = dc + dh * o * (1 - tanh_c * tanh_c)
            below = [
                dc * g * i * (1 - i),
                dc * c_prev * f * (1 - f),
                dc * i * (1 - g * g),
                dh * tanh_c * o * (1 - o),
            ]
            dz = jnp.concatenate(below, axis=1).astype(dy.dtype)
            return ((dz @ W_hh).astype(wide), dc * f), dz

        c_prevs = jnp.concatenate([c0[None].astype(wide), steps.c[:-1]])
        carry = (dh.astype(wide), dc.astype(wide))
        (dh0, dc0), dzs = jax.lax.scan(
            step, carry, (dy, steps.c, c_prevs, steps.gates), reverse=True
        )
        return dzs, dh0, dc0

    @staticmethod
    def gradients(
        weights: Weights, x: jax.Array, h0: jax.Array, steps: Steps, dzs: jax.Array
    ) -> Any:
        """Return dW_ih, dW_hh, db and dx, from dz of every step."""
        T, B, H = steps.h.shape
        dz = dzs.reshape(T * B, 4 * H)
        h_prevs = jnp.concatenate([h0[None], steps.h[:-1]])
        dW_ih, dW_hh = dz.T @ x.reshape(T * B, -1), dz.T @ h_prevs.reshape(T * B, H)
        return dW_ih, dW_hh, dz.astype(steps.c.dtype).sum(axis=0).astype(x.dtype), dzs @ weights[0]


class CompiledSteps:
    """The steps in compiled code, with the same methods."""

    @staticmethod
    def forward(
        weights: Weights,
        x: jax.Array,
        h0: jax.Array,
        c0: jax.Array,
        keep: bool,
        *lengths: jax.Array,
    ) -> tuple[Steps, jax.Array]:
        return CompiledSteps.packed_forward(_laid_out(*weights), x, h0, c0, keep, *lengths)

    @staticmethod
    def packed_forward(
        laid_out: Weights,
        x: jax.Array,
        h0: jax.Array,
        c0: jax.Array,
        keep: bool,
        *lengths: jax.Array,
    ) -> tuple[Steps, jax.Array]:
        """Do so with weights that have been laid out."""
        T, B, features = x.shape
        H = h0.shape[1]
        room = T if keep else max(1, min(T, max(CHUNK_BYTES, 16 * H * features) // (4 * H * B * 4)))
        shapes = _floats(T, B, H), _floats(*([T] if keep else []), B, H), _floats(room, B, 4 * H)
        steps = Steps(
            *jax.ffi.ffi_call("lstmbench_forward", shapes)(
                *laid_out, x, h0, c0, *(lengths or [_none()])
            )
        )
        return steps, steps.c[-1] if keep else steps.c

    @staticmethod
    def backward(
        W_hh: jax.Array,
        c0: jax.Array,
        steps: Steps,
        dy: jax.Array,
        dh: jax.Array,
        dc: jax.Array,
        *lengths: jax.Array,
    ) -> Any:
        shapes = _floats(*steps.gates.shape), _floats(*dh.shape), _floats(*dc.shape)
        call = jax.ffi.ffi_call(
            "lstmbench_backward", shapes, input_output_aliases={4: 0, 5: 1, 6: 2}
        )
        return call(
            _pack(W_hh, back=True), c0, steps.c, dy, steps.gates, dh, dc, *(lengths or [_none()])
        )

    @staticmethod
    def gradients(
        weights: Weights, x: jax.Array, h0: jax.Array, steps: Steps, dzs: jax.Array
    ) -> Any:
        shapes = tuple(_floats(*array.shape) for array in (*weights, x))
        call = jax.ffi.ffi_call("lstmbench_gradients", shapes)
        return call(_pack(weights[0], back=True), x, h0, steps.h, dzs)


def _laid_out(W_ih: jax.Array, W_hh: jax.Array, b: jax.Array) -> Weights:
    """Return W_ih and W_hh as the compiled steps read them, and b."""
    return _pack(W_ih, back=False), _pack(W_hh, back=False), b


def _none() -> jax.Array:
    """Return no lengths, as the compiled code takes them."""
    return jnp.zeros(0, jnp.int32)


def _floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _pack(W: jax.Array, back: bool) -> jax.Array:
    functions = recurrence()
    assert functions is not None
    H, depth = W.shape[0] // 4, W.shape[1]
    size = functions.packed_size(*((depth, H) if back else (H, depth)))
    packed: jax.Array = jax.ffi.ffi_call("lstmbench_pack", _floats(size))(W, back=back)
    return packed


def _library() -> ctypes.CDLL | str:
    return library("recurrence_jax.cpp", headers=jax.ffi.include_dir(), version=jax.lib.__version__)


@cache
def _compiled_here() -> bool:
    """Make the compiled functions known to XLA; return whether there are any."""
    found = _library()
    if isinstance(found, str) or recurrence() is None:
        return False
    for name in ("pack", "forward", "backward", "gradients"):
        handler = jax.ffi.pycapsule(getattr(found, f"{name.capitalize()}Handler"))
        jax.ffi.register_ffi_target(f"lstmbench_{name}", handler, platform="cpu")
    return True


def code_path() -> str | None:
    """Say how the steps run on a CPU in float32; None until the first is made, since to ask builds
    them.
    """
    if not _compiled_here.cache_info().currsize:
        return None
    if _compiled_here():
        return "compiled steps"
    reason = next(
        found for found in (_library(), library("recurrence.cpp")) if isinstance(found, str)
    )
    return f"{NOT_COMPILED}, lax.scan in its place: {reason}"


@cache
def sequence(way: Any) -> Run:
    """Return the whole sequence, computed in this way, with its derivative; it has the methods of
    ``ScanSteps``.
    """

    @jax.custom_vjp
    def run(
        weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array, *lengths: jax.Array
    ) -> Any:
        steps, c = way.forward(weights, x, h0, c0, False, *lengths)
        return steps.h, _last(steps.h, *lengths), c.astype(x.dtype)

    def forward(
        weights: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array, *lengths: jax.Array
    ) -> Any:
        steps, c = way.forward(weights, x, h0, c0, True, *lengths)
        return (steps.h, _last(steps.h, *lengths), c.astype(x.dtype)), (
            weights,
            x,
            h0,
            c0,
            steps,
            lengths,
        )

    def backward(saved: Any, cotangents: Any) -> Any:
        weights, x, h0, c0, steps, lengths = saved
        dzs, dh0, dc0 = way.backward(weights[1], c0, steps, *cotangents, *lengths)
        *dweights, dx = way.gradients(weights, x, h0, steps, dzs)
        return (
            tuple(dweights),
            dx,
            dh0.astype(x.dtype),
            dc0.astype(x.dtype),
            *(None for _ in lengths),
        )

    run.defvjp(forward, backward)
    return run


@jax.jit
def _infer(
    laid_out: Weights, x: jax.Array, h0: jax.Array, c0: jax.Array, *lengths: jax.Array
) -> Any:
    """Return what ``sequence(CompiledSteps)`` does, from weights that have been laid out."""
    steps, c = CompiledSteps.packed_forward(laid_out, x, h0, c0, False, *lengths)
    return steps.h, _last(steps.h, *lengths), c


def _last(y: jax.Array, *lengths: jax.Array) -> jax.Array:
    """Return the output of each sequence's last step."""
    return y[lengths[0] - 1, jnp.arange(y.shape[1])] if lengths else y[-1]


@register("jax.fused", framework="jax")
class JaxFused(Differentiated):
    """Forward and backward as two passes over the steps, everything that is not recurrent outside
    them.
    """

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        fits = framework.device == "cpu" and framework.dtype == "float32" and _compiled_here()
        way = CompiledSteps if fits else ScanSteps
        self.takes_lengths = way is CompiledSteps
        super().__init__(
            sequence(way), [params.weight_ih, params.weight_hh, params.bias], framework
        )
        self._laid_out = jax.jit(_laid_out)(*self.weights) if fits else None

    def forward(self, x: jax.Array, h0: jax.Array, c0: jax.Array, *lengths: jax.Array) -> Any:
        if self._laid_out is None:
            return super().forward(x, h0, c0, *lengths)
        return _infer(self._laid_out, x, h0, c0, *lengths)
