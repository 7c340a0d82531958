"""``torch.nn``: the peer, ``torch.nn.LSTM`` itself (oneDNN on the CPU where it applies, cuDNN on CUDA)."""

from typing import Any

import torch
from torch import Tensor

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.torch_framework import TorchFramework


@register("torch.nn", framework="torch", peer=True)
class TorchNN:
    """nn.LSTM keeps two biases that are added: the first holds ours, the second zeros."""

    def __init__(self, params: LSTMParams, framework: TorchFramework) -> None:
        dtype = getattr(torch, framework.dtype)
        self.lstm = torch.nn.LSTM(params.input_size, params.hidden_size, device=framework.device, dtype=dtype)
        with torch.no_grad():
            self.lstm.weight_ih_l0.copy_(framework.from_numpy(params.weight_ih))
            self.lstm.weight_hh_l0.copy_(framework.from_numpy(params.weight_hh))
            self.lstm.bias_ih_l0.copy_(framework.from_numpy(params.bias))
            self.lstm.bias_hh_l0.zero_()

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = self.lstm(x, (h0[None], c0[None]))
        return y, h[0], c[0]

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode():
            return self._run(x, h0, c0)

    def forward_backward(self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = self._run(x, h0, c0)
        lstm = self.lstm
        # Both biases are asked for, as an optimiser would; they are equal, and the first is reported
        inputs = (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0, x, h0, c0)
        dW_ih, dW_hh, db, _, *rest = torch.autograd.grad(outputs, inputs, (dy, dh, dc))
        return outputs, (dW_ih, dW_hh, db, *rest)
