"""``jax.cudnn``: the peer, cuDNN's LSTM as JAX offers it, ``jax.experimental.rnn``; on a GPU only,
in float32 or tf32.

cuDNN keeps all weights in one flat array: W_ih and W_hh with our orientation and our order of
gates, then two biases that are added; the first holds ours, the second zeros. It takes the batch
first, so that x and y are transposed within the timed function, where XLA chooses how. Unless told
``HIGHEST``, as it is for float32, it computes in TF32.

Timed is one jitted function, for training with cuDNN's own backward pass.
"""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import rnn

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register


@cache  # so that two of one shape are compiled once
def _compiled(input_size: int, H: int, precision: jax.lax.Precision) -> tuple[Any, Any]:
    ends = np.cumsum([4 * H * input_size, 4 * H * H, 4 * H])

    def run(
        flat: jax.Array, x: jax.Array, h0: jax.Array, c0: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        lengths = jnp.full(x.shape[1], x.shape[0], jnp.int32)
        lstm = partial(rnn.lstm, precision=precision)
        y, h, c = lstm(
            x.swapaxes(0, 1), h0[None], c0[None], flat, lengths, input_size, H, 1, 0.0, False
        )
        return y.swapaxes(0, 1), h[0], c[0]

    def run_and_differentiate(
        flat: jax.Array, x: jax.Array, h0: jax.Array, c0: jax.Array, *above: jax.Array
    ) -> Any:
        outputs, pullback = jax.vjp(run, flat, x, h0, c0)
        dflat, dx, dh0, dc0 = pullback(above)
        dW_ih, dW_hh, db, _ = jnp.split(dflat, ends)  # both biases have the same gradient
        return outputs, (
            dW_ih.reshape(4 * H, input_size),
            dW_hh.reshape(4 * H, H),
            db,
            dx,
            dh0,
            dc0,
        )

    return jax.jit(run), jax.jit(run_and_differentiate)


@register("jax.cudnn", framework="jax", devices=("cuda",), dtypes=("float32", "tf32"), peer=True)
class JaxCudnn:
    """``jax.experimental.rnn.lstm``, one layer, one direction, no dropout."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        arrays = (params.weight_ih, params.weight_hh, params.bias, np.zeros_like(params.bias))
        self.flat = framework.from_numpy(np.concatenate([array.ravel() for array in arrays]))
        precision = (
            jax.lax.Precision.DEFAULT if framework.dtype == "tf32" else jax.lax.Precision.HIGHEST
        )
        self._forward, self._forward_backward = _compiled(
            params.input_size, params.hidden_size, precision
        )

    def forward(self, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
        return self._forward(self.flat, x, h0, c0)

    def forward_backward(
        self,
        x: jax.Array,
        h0: jax.Array,
        c0: jax.Array,
        dy: jax.Array,
        dh: jax.Array,
        dc: jax.Array,
    ) -> Any:
        return self._forward_backward(self.flat, x, h0, c0, dy, dh, dc)
