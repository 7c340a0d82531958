"""``keras.jax``: the peer, ``keras.layers.LSTM`` of Keras 3 on the backend JAX.

Keras is batch-major: x is transposed to (B, T, I) and y back to (T, B, H) within the jitted
function, as users with time-major data would do, and XLA may make views or copies of that. The
same holds for the gradients of the kernels, (I, 4H) and (H, 4H), which are transposed to our
orientation. Not in float64: on this backend Keras rounds the arguments of its ``tanh`` to float32.

Timed is ``stateless_call`` under ``jax.jit``, which Keras' own training step consists of, and for
training JAX's derivative of it. On CUDA Keras chooses cuDNN by itself where it can.
"""

from functools import cache
from typing import Any

from jax import Array

from lstmbench.backends.jax_backend import JaxBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._jax_layers import JittedLayer, Run
from lstmbench.variants._keras_layers import import_keras, keras_weights, lstm_layer


@cache  # so that layers of the same sizes are compiled once
def _run(input_size: int, hidden_size: int, dtype: str, device: str) -> Run:
    # Keras does not know the device of a call: it would choose cuDNN wherever there is a GPU
    cudnn = {"use_cudnn": False} if device == "cpu" else {}
    layer = lstm_layer(import_keras("jax", "keras.jax"), input_size, hidden_size, dtype, **cudnn)
    non_trainable = [variable.value for variable in layer.non_trainable_variables]

    def run(weights: Any, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        (y, h, c), _ = layer.stateless_call(
            weights, non_trainable, x.swapaxes(0, 1), initial_state=[h0, c0]
        )
        return y.swapaxes(0, 1), h, c

    return run


def _gradients(kernels: list[Array]) -> tuple[Array, Array, Array]:
    dW, dU, db = kernels
    return dW.T, dU.T, db


@register("keras.jax", framework="jax", dtypes=("float32", "bfloat16"), peer=True)
class KerasJax(JittedLayer):
    """The layer with ``return_sequences`` and ``return_state``, called with ``initial_state``."""

    def __init__(self, params: LSTMParams, framework: JaxBackend) -> None:
        run = _run(params.input_size, params.hidden_size, framework.storage_dtype, framework.device)
        weights = [framework.from_numpy(array) for array in keras_weights(params)]
        super().__init__(run, weights, _gradients)
