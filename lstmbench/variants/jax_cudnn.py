"""``jax.cudnn``: the peer, cuDNN's LSTM as JAX offers it, ``jax.experimental.rnn``.

It runs on a GPU only, in float32 or tf32. cuDNN keeps all weights in one flat array: W_ih and W_hh
with our orientation and order of gates, then two biases that are added; the first holds ours, the
second zeros. It takes the batch first, so x and y are transposed within the timed function, where
XLA chooses how. At any precision but ``HIGHEST``, which float32 uses here, it computes in TF32.

Timed is one jitted function, for training with cuDNN's own backward pass.
"""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import rnn

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._jax_layers import JittedLayer


@cache
def _functions(input_size: int, H: int, precision: jax.lax.Precision) -> tuple[Any, Any]:
    """Return the ``Run`` of flat weights, and what turns their gradient into ours."""
    lstm = partial(rnn.lstm, precision=precision)

    def run(flat: Array, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        lengths = jnp.full(x.shape[1], x.shape[0], jnp.int32)
        y, h, c = lstm(
            x.swapaxes(0, 1), h0[None], c0[None], flat, lengths, input_size, H, 1, 0.0, False
        )
        return y.swapaxes(0, 1), h[0], c[0]

    def to_gradients(flat: Array) -> tuple[Array, Array, Array]:
        ends = np.cumsum([4 * H * input_size, 4 * H * H, 4 * H])
        dW_ih, dW_hh, db, _ = jnp.split(flat, ends)  # both biases have the same gradient
        return dW_ih.reshape(4 * H, input_size), dW_hh.reshape(4 * H, H), db

    return run, to_gradients


@register("jax.cudnn", framework="jax", devices=("cuda",), dtypes=("float32", "tf32"), peer=True)
class JaxCudnn(JittedLayer):
    """``jax.experimental.rnn.lstm``, one layer, one direction, no dropout."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        arrays = (params.weight_ih, params.weight_hh, params.bias, np.zeros_like(params.bias))
        flat = framework.from_numpy(np.concatenate([array.ravel() for array in arrays]))
        precision = jax.lax.Precision.HIGHEST
        if framework.dtype == "tf32":
            precision = jax.lax.Precision.DEFAULT
        run, to_gradients = _functions(params.input_size, params.hidden_size, precision)
        super().__init__(run, flat, to_gradients)
