"""``jax.fused``: a ``custom_vjp`` over the whole sequence, with a hand-written backward.

Only the recurrence is computed step by step. The gradients of weights, bias and inputs are one
product each over all steps, where JAX's own derivative would add up a (4H, H) gradient at every
step. There are two step kernels:

- On a CPU in float32, if there is a C++ compiler: ``recurrence.cpp``, called through XLA's foreign
  function interface. It computes the elementwise work of a step while the step's product is still
  in registers. It needs packed weights: inference packs them when they are loaded, training in
  every call, since they change after each. It runs on one core, whatever ``threads``.
- Elsewhere, ``lax.scan``, compiled by XLA. The inputs' share of all pre-activations is one product
  before it. sigmoid(z) is written as (1 + tanh(z / 2)) / 2, which XLA turns into vector code. The
  error of a gate is then a rounding error of 1, not of the gate: a gate below 1e-7 in float32
  becomes 0.

Both keep the gates of every step and c for the backward pass.

In bfloat16 and float16 the products are of that dtype, and all elementwise work and the carried
states are float32: c sums over time, and would lose small addends.
"""

import ctypes
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.ffi import ffi_call

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import NOT_COMPILED, register
from lstmbench.variants._common import native_weights, steps_within
from lstmbench.variants._jax_layers import DifferentiableLayer, Run, Weights
from lstmbench.variants.kernels.cpp_library import library, with_argument_types

CHUNK_BYTES = 1 << 19
"""Inference with compiled steps keeps the gates of as many steps as stay in the second cache, or
of as many as take the memory of W_ih. Measured, see docs/performance.md.
"""
NO_LENGTHS = (np.zeros(0, np.int32),)
"""What the compiled functions take where all sequences have the same length."""
FFI_TARGETS = (
    "lstmbench_pack_forward",
    "lstmbench_pack_backward",
    "lstmbench_forward",
    "lstmbench_backward",
    "lstmbench_gradients",
)
"""The functions of ``recurrence_jax.cpp``, there and in XLA."""


class Steps(NamedTuple):
    """The values of every step, gates ordered i, f, g, o; inference may leave out all but h."""

    h: Array  # (T, B, H)
    c: Array  # (T, B, H)
    gates: Array  # (T, B, 4H)


def cell(z: Iterable[Array], c: Array) -> tuple[list[Array], Array, Array]:
    """Return the gates i, f, g, o, and the next c and h, from the pre-activations and c."""
    z_i, z_f, z_g, z_o = z
    i, f, o = (0.5 * jnp.tanh(0.5 * z_gate) + 0.5 for z_gate in (z_i, z_f, z_o))
    g = jnp.tanh(z_g)
    c = f * c + i * g
    return [i, f, g, o], c, o * jnp.tanh(c)


def cell_backward(
    gates: Iterable[Array], c: Array, c_before: Array, dh: Array, dc: Array
) -> tuple[list[Array], Array]:
    """Return dz of the four gates, and dc of the step before, from dh and dc of this step."""
    i, f, g, o = gates
    tanh_c = jnp.tanh(c)
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    dz = [
        dc * g * i * (1 - i),
        dc * c_before * f * (1 - f),
        dc * i * (1 - g * g),
        dh * tanh_c * o * (1 - o),
    ]
    return dz, dc * f


class ScanSteps:
    """The step kernel under ``lax.scan``."""

    @staticmethod
    def forward(
        weights: Weights, x: Array, h0: Array, c0: Array, keep: bool
    ) -> tuple[Steps, Array]:
        """Return the steps and the last c, in float32 where x is bfloat16 or float16."""
        W_ih, W_hh, b = weights
        state_dtype = jnp.promote_types(x.dtype, jnp.float32)
        U = W_hh.T  # (H, 4H)
        zs = (x @ W_ih.T + b).astype(state_dtype)  # (T, B, 4H)

        def step(carry: Any, z: Array) -> Any:
            h, c = carry
            gates, c, h = cell(jnp.split(z + h @ U, 4, axis=1), c)
            h = h.astype(x.dtype)
            return (h, c), Steps(h, c, jnp.concatenate(gates, axis=1))

        (_, c), steps = jax.lax.scan(step, (h0, c0.astype(state_dtype)), zs)
        return steps, c

    @staticmethod
    def backward(W_hh: Array, c0: Array, steps: Steps, dy: Array, dh: Array, dc: Array) -> Any:
        """Return dz (T, B, 4H), dh0 and dc0; the carried dh and dc have the dtype of c."""
        state_dtype = steps.c.dtype

        def step(carry: Any, at_t: Any) -> Any:
            dh, dc = carry
            dy_t, c, c_before, gates = at_t
            dz_gates, dc = cell_backward(jnp.split(gates, 4, axis=1), c, c_before, dh + dy_t, dc)
            dz = jnp.concatenate(dz_gates, axis=1).astype(dy.dtype)
            return ((dz @ W_hh).astype(state_dtype), dc), dz

        c_befores = jnp.concatenate([c0[None].astype(state_dtype), steps.c[:-1]])
        carry = (dh.astype(state_dtype), dc.astype(state_dtype))
        (dh0, dc0), dzs = jax.lax.scan(
            step, carry, (dy, steps.c, c_befores, steps.gates), reverse=True
        )
        return dzs, dh0, dc0

    @staticmethod
    def gradients(weights: Weights, x: Array, h0: Array, steps: Steps, dzs: Array) -> Any:
        """Return dW_ih, dW_hh, db and dx, from dz of every step."""
        T, B, H = steps.h.shape
        dz = dzs.reshape(T * B, 4 * H)
        h_befores = jnp.concatenate([h0[None], steps.h[:-1]])
        dW_ih, dW_hh = dz.T @ x.reshape(T * B, -1), dz.T @ h_befores.reshape(T * B, H)
        return dW_ih, dW_hh, dz.astype(steps.c.dtype).sum(axis=0).astype(x.dtype), dzs @ weights[0]


class CppSteps:
    """The step kernel in compiled code, with the methods of ``ScanSteps``."""

    @staticmethod
    def forward(
        weights: Weights, x: Array, h0: Array, c0: Array, keep: bool, *lengths: Array
    ) -> tuple[Steps, Array]:
        return CppSteps.packed_forward(_packed(*weights), x, h0, c0, keep, *lengths)

    @staticmethod
    def packed_forward(
        packed: Weights, x: Array, h0: Array, c0: Array, keep: bool, *lengths: Array
    ) -> tuple[Steps, Array]:
        """Return what ``forward`` returns, from packed weights."""
        T, B, features = x.shape
        H = h0.shape[1]
        chunk = T if keep else steps_within(max(CHUNK_BYTES, 16 * H * features), 16 * B * H, T)
        shapes = _floats(T, B, H), _floats(*([T] if keep else []), B, H), _floats(chunk, B, 4 * H)
        forward = ffi_call("lstmbench_forward", shapes)
        steps = Steps(*forward(*packed, x, h0, c0, *(lengths or NO_LENGTHS)))
        return steps, steps.c[-1] if keep else steps.c

    @staticmethod
    def backward(
        W_hh: Array, c0: Array, steps: Steps, dy: Array, dh: Array, dc: Array, *lengths: Array
    ) -> Any:
        shapes = tuple(_floats(*array.shape) for array in (steps.gates, dh, dc))
        backward = ffi_call("lstmbench_backward", shapes, input_output_aliases={4: 0, 5: 1, 6: 2})
        arrays = (_pack("backward", W_hh), c0, steps.c, dy, steps.gates, dh, dc)
        return backward(*arrays, *(lengths or NO_LENGTHS))

    @staticmethod
    def gradients(weights: Weights, x: Array, h0: Array, steps: Steps, dzs: Array) -> Any:
        shapes = tuple(_floats(*array.shape) for array in (*weights, x))
        call = ffi_call("lstmbench_gradients", shapes)
        return call(_pack("backward", weights[0]), x, h0, steps.h, dzs)


def _packed(W_ih: Array, W_hh: Array, b: Array) -> Weights:
    """Return W_ih and W_hh packed for the forward pass, and b."""
    return _pack("forward", W_ih), _pack("forward", W_hh), b


def _pack(direction: str, W: Array) -> Array:
    functions = _cpp_functions()
    assert isinstance(functions, ctypes.CDLL)
    sizes = W.shape[0] // 4, W.shape[1]
    size = functions.packed_size(*(sizes if direction == "forward" else reversed(sizes)))
    packed: Array = ffi_call(f"lstmbench_pack_{direction}", _floats(size))(W)
    return packed


def _floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@cache
def _cpp_functions() -> ctypes.CDLL | str:
    """Return the compiled functions, registered with XLA, or the reason why there are none."""
    headers, version = jax.ffi.include_dir(), jax.lib.__version__
    functions = library("recurrence_jax.cpp", headers=headers, version=version)
    if isinstance(functions, str):
        return functions
    for name in FFI_TARGETS:
        handler = jax.ffi.pycapsule(getattr(functions, name))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return with_argument_types(functions)


def code_path() -> str | None:
    """Return how the steps run on a CPU in float32, or None before the first instance.

    The answer needs the compiled functions, which the first instance builds.
    """
    if not _cpp_functions.cache_info().currsize:
        return None
    functions = _cpp_functions()
    if isinstance(functions, str):
        return f"{NOT_COMPILED}, lax.scan in its place: {functions}"
    return "compiled steps"


@cache
def sequence(kernel: Any) -> Run:
    """Return the whole sequence with its derivative; kernel has the methods of ``ScanSteps``."""

    @jax.custom_vjp
    def run(weights: Weights, x: Array, h0: Array, c0: Array, *lengths: Array) -> Any:
        steps, c = kernel.forward(weights, x, h0, c0, False, *lengths)
        return steps.h, _last(steps.h, *lengths), c.astype(x.dtype)

    def forward(weights: Weights, x: Array, h0: Array, c0: Array, *lengths: Array) -> Any:
        steps, c = kernel.forward(weights, x, h0, c0, True, *lengths)
        outputs = steps.h, _last(steps.h, *lengths), c.astype(x.dtype)
        return outputs, (weights, x, h0, c0, steps, lengths)

    def backward(saved: Any, cotangents: Any) -> Any:
        weights, x, h0, c0, steps, lengths = saved
        dzs, dh0, dc0 = kernel.backward(weights[1], c0, steps, *cotangents, *lengths)
        *dweights, dx = kernel.gradients(weights, x, h0, steps, dzs)
        dstate = dh0.astype(x.dtype), dc0.astype(x.dtype)
        return (tuple(dweights), dx, *dstate, *(None for _ in lengths))

    run.defvjp(forward, backward)
    return run


@jax.jit
def _infer(packed: Weights, x: Array, h0: Array, c0: Array, *lengths: Array) -> Any:
    """Return what ``sequence(CppSteps)`` does, from packed weights."""
    steps, c = CppSteps.packed_forward(packed, x, h0, c0, False, *lengths)
    return steps.h, _last(steps.h, *lengths), c


def _last(y: Array, *lengths: Array) -> Array:
    """Return the output of each sequence's last step."""
    return y[lengths[0] - 1, jnp.arange(y.shape[1])] if lengths else y[-1]


@register("jax.fused", framework="jax")
class JaxFused(DifferentiableLayer):
    """Forward and backward as two passes over the steps, all products over many steps outside."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        is_float32_cpu = framework.device == "cpu" and framework.dtype == "float32"
        self.takes_lengths = is_float32_cpu and isinstance(_cpp_functions(), ctypes.CDLL)
        kernel = CppSteps if self.takes_lengths else ScanSteps
        super().__init__(sequence(kernel), native_weights(params, framework))
        if self.takes_lengths:
            self._forward, self._inference_weights = _infer, jax.jit(_packed)(*self.weights)
