"""The plain RNN in PyTorch: a loop, derivatives by autograd."""

from typing import Any

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.training.plain_rnn import PlainRNNParams


class TorchPlainRNN:
    """What people write first in PyTorch."""

    def __init__(self, params: PlainRNNParams, framework: TorchBackend) -> None:
        arrays = (params.weight_ih, params.weight_hh, params.bias)
        self.weights = [framework.from_numpy(array).requires_grad_() for array in arrays]

    def _run(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        W, U, b = self.weights
        hs = []
        for z in (x @ W.t() + b).unbind():
            h = torch.tanh(z + h @ U.t())
            hs.append(h)
        return torch.stack(hs), h

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode():
            return *self._run(x, h0), c0.clone()

    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        x, h0 = (array.detach().requires_grad_() for array in (x, h0))
        y, h = self._run(x, h0)
        return (y.detach(), h.detach(), c0.clone()), ((y, h), (*self.weights, x, h0))

    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        return *torch.autograd.grad(*saved, (dy, dh)), dc.clone()

    def forward_backward(
        self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor
    ) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)
