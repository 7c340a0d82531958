"""``torch.nn``: the peer, ``torch.nn.LSTM`` itself.

It uses oneDNN on the CPU where that applies, and cuDNN on CUDA. It keeps two biases that are added:
the first holds ours, the second zeros. In training both are differentiated, as for an optimiser;
their gradients are equal, and the first is returned.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.core.stack.stack_parameters import StackParams
from lstmbench.errors import LstmbenchError
from lstmbench.interop.torch_weights import write
from lstmbench.interop.weight_checks import Layers
from lstmbench.variants._torch_layers import Outputs, TwoPassAutogradLayer


def _lstm(layers: Layers, framework: TorchBackend) -> tuple[Any, list[Tensor], list[Tensor]]:
    """Return nn.LSTM with our weights, its weights in our order, and its second biases."""
    lstm = write(layers, framework.storage_dtype, module=True).to(framework.device)
    weights: list[Tensor] = []
    second_biases: list[Tensor] = []
    for name, weight in lstm.named_parameters():
        (second_biases if name.startswith("bias_hh") else weights).append(weight)
    return lstm, weights, second_biases


class TorchNNStack:
    """nn.LSTM with its own layers, directions and projections.

    Sequences of different lengths are given to it as a PackedSequence.
    """

    def __init__(self, params: StackParams, framework: TorchBackend) -> None:
        if params.proj_size >= params.hidden_size:
            raise LstmbenchError(
                f"torch.nn: proj_size must be smaller than hidden_size, {params.hidden_size}, "
                f"but it is {params.proj_size}."
            )
        self.lstm, self.weights, self.second_biases = _lstm(params.layers, framework)

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor, lengths: NDArray[Any] | None) -> Outputs:
        if lengths is None:
            y, (h, c) = self.lstm(x, (h0, c0))
            return y, h, c
        host_lengths = torch.from_numpy(np.array(lengths, dtype=np.int64, order="C"))
        packed = pack_padded_sequence(x, host_lengths, enforce_sorted=False)
        packed_y, (h, c) = self.lstm(packed, (h0, c0))
        y, _ = pad_packed_sequence(packed_y, total_length=len(x))
        return y, h, c

    def forward(
        self, x: Tensor, h0: Tensor, c0: Tensor, lengths: NDArray[Any] | None = None
    ) -> Outputs:
        with torch.inference_mode():
            return self._run(x, h0, c0, lengths)

    def forward_backward(
        self,
        x: Tensor,
        h0: Tensor,
        c0: Tensor,
        dy: Tensor,
        dh: Tensor,
        dc: Tensor,
        lengths: NDArray[Any] | None = None,
    ) -> Any:
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = self._run(x, h0, c0, lengths)
        inputs = (*self.weights, x, h0, c0, *self.second_biases)
        gradients = torch.autograd.grad(outputs, inputs, (dy, dh, dc))
        n = len(self.weights)
        outputs = tuple(output.detach() for output in outputs)
        return outputs, (gradients[:n], *gradients[n : n + 3])


@register("torch.nn", framework="torch", peer=True, stack=TorchNNStack)
class TorchNN(TwoPassAutogradLayer):
    """nn.LSTM with one layer in one direction."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        layer = LSTMParams(params.weight_ih, params.weight_hh, params.bias)  # always with a bias
        self.lstm, weights, second_bias = _lstm(((layer,),), framework)
        super().__init__(weights + second_bias, lambda gradients: gradients[:6])  # not its own

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> Outputs:
        y, (h, c) = self.lstm(x, (h0[None], c0[None]))
        return y, h[0], c[0]
