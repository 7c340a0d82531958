"""``keras.lstm``: the peer, ``keras.layers.LSTM`` of Keras 3 on the backend PyTorch.

Keras is batch-major, so that x is turned to (B, T, I) and y back to (T, B, H); on this backend both
are views. On the CPU, Keras runs a loop over time with one product for all inputs before it; on
CUDA it takes cuDNN by itself.

Timed is a call of the layer, with Keras' checks of its arguments, and PyTorch's autograd for
training. The gradients of the kernels (I, 4H) and (H, 4H) are returned transposed, as views.
"""

from typing import Any

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._keras import import_keras, lstm_layer


@register("keras.lstm", framework="torch", peer=True)
class KerasLSTM:
    """The layer with ``return_sequences`` and ``return_state``, called with ``initial_state``."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        self.keras, self.device = import_keras("torch", "keras.lstm"), framework.device
        with self.keras.device(self.device):
            self.layer = lstm_layer(
                self.keras, params.input_size, params.hidden_size, framework.storage_dtype
            )
            self.layer.set_weights([params.weight_ih.T, params.weight_hh.T, params.bias])
        self.weights = [weight.value for weight in self.layer.trainable_weights]

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with self.keras.device(
            self.device
        ):  # without it, Keras moves all to a GPU where there is one
            y, h, c = self.layer(x.transpose(0, 1), initial_state=[h0, c0])
        return y.transpose(0, 1), h, c

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode():
            return self._run(x, h0, c0)

    def forward_backward(
        self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor
    ) -> Any:
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = self._run(x, h0, c0)
        dW, dU, *rest = torch.autograd.grad(outputs, (*self.weights, x, h0, c0), (dy, dh, dc))
        return outputs, (dW.t(), dU.t(), *rest)
