"""``keras.lstm``: the peer, ``keras.layers.LSTM`` of Keras 3 on the backend PyTorch.

Keras is batch-major, so x is transposed to (B, T, I) and y back to (T, B, H); on this backend both
are views. On the CPU, Keras runs a loop over time with one product for all inputs before it; on
CUDA it chooses cuDNN by itself.

Timed is a call of the layer, with Keras' checks of its arguments, and PyTorch's autograd for
training. The gradients of the kernels (I, 4H) and (H, 4H) are returned transposed, as views.
"""

from typing import Any

from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._keras_layers import import_keras, keras_weights, lstm_layer
from lstmbench.variants._torch_layers import AutogradLayer, Outputs


def _transposed(gradients: tuple[Tensor, ...]) -> Any:
    dW, dU, *others = gradients
    return (dW.t(), dU.t(), *others)


@register("keras.lstm", framework="torch", peer=True)
class KerasLSTM(AutogradLayer):
    """The layer with ``return_sequences`` and ``return_state``, called with ``initial_state``."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        self.keras, self.device = import_keras("torch", "keras.lstm"), framework.device
        sizes = params.input_size, params.hidden_size
        with self.keras.device(self.device):
            self.layer = lstm_layer(self.keras, *sizes, framework.storage_dtype)
            self.layer.set_weights(keras_weights(params))
        super().__init__([w.value for w in self.layer.trainable_weights], _transposed)

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> Outputs:
        with self.keras.device(self.device):  # else Keras moves all to a GPU where there is one
            y, h, c = self.layer(x.transpose(0, 1), initial_state=[h0, c0])
        return y.transpose(0, 1), h, c
