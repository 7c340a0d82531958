"""The plain RNN in PyTorch: a loop over time steps, gradients by autograd."""

from typing import Any

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.training.plain_rnn import PlainRNNParams


class TorchPlainRNN:
    """What people write first in PyTorch."""

    def __init__(self, params: PlainRNNParams, framework: TorchBackend) -> None:
        self.weights = [framework.from_numpy(array).requires_grad_() for array in params]

    def _run(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        W, U, b = self.weights
        y = []
        for z in (x @ W.t() + b).unbind():
            h = torch.tanh(z + h @ U.t())
            y.append(h)
        return torch.stack(y), h

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode():
            return *self._run(x, h0), c0

    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        x, h0 = (tensor.detach().requires_grad_() for tensor in (x, h0))
        y, h = self._run(x, h0)
        return (y.detach(), h.detach(), c0), ((y, h), (*self.weights, x, h0))

    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        return *torch.autograd.grad(*saved, (dy, dh)), dc
