"""``keras.jax``: the peer, ``keras.layers.LSTM`` of Keras 3 on the backend JAX.

Keras is batch-major: x is turned to (B, T, I) and y back to (T, B, H) within the jitted function,
as whoever has time-major data would do, and XLA may make views or copies of that. The same holds
for the gradients of the kernels, (I, 4H) and (H, 4H), which are turned to our orientation. Not in
float64: on this backend Keras rounds what goes into its ``tanh`` to float32.

Timed is ``stateless_call`` under ``jax.jit``, which is what Keras' own training step is made of,
and for training JAX's derivative of it. On CUDA Keras takes cuDNN by itself where it can.
"""

from functools import cache
from typing import Any

import jax

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._keras import import_keras, lstm_layer


@cache
def _compiled(input_size: int, hidden_size: int, dtype: str, device: str) -> tuple[Any, Any]:
    """Return forward and forward_backward of a layer, as functions of its weights, so that they are
    compiled once.
    """
    keras = import_keras("jax", "keras.jax")
    # Of the device of a call Keras knows nothing here: it would take cuDNN wherever there is a GPU
    cudnn = {"use_cudnn": False} if device == "cpu" else {}
    layer = lstm_layer(keras, input_size, hidden_size, dtype, **cudnn)
    others = [variable.value for variable in layer.non_trainable_variables]

    def run(
        weights: Any, x: jax.Array, h0: jax.Array, c0: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        (y, h, c), _ = layer.stateless_call(
            weights, others, x.swapaxes(0, 1), initial_state=[h0, c0]
        )
        return y.swapaxes(0, 1), h, c

    def run_and_differentiate(
        weights: Any, x: jax.Array, h0: jax.Array, c0: jax.Array, *above: jax.Array
    ) -> Any:
        outputs, pullback = jax.vjp(run, weights, x, h0, c0)
        (dW, dU, db), dx, dh0, dc0 = pullback(above)
        return outputs, (dW.T, dU.T, db, dx, dh0, dc0)

    return jax.jit(run), jax.jit(run_and_differentiate)


@register("keras.jax", framework="jax", dtypes=("float32", "bfloat16"), peer=True)
class KerasJax:
    """The layer with ``return_sequences`` and ``return_state``, called with ``initial_state``."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        sizes = (params.input_size, params.hidden_size)
        self._forward, self._forward_backward = _compiled(
            *sizes, framework.storage_dtype, framework.device
        )
        self.weights = [
            framework.from_numpy(a) for a in (params.weight_ih.T, params.weight_hh.T, params.bias)
        ]

    def forward(self, x: jax.Array, h0: jax.Array, c0: jax.Array) -> Any:
        return self._forward(self.weights, x, h0, c0)

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
