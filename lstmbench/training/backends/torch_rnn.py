"""The plain RNN in PyTorch: a loop over time steps, gradients by autograd."""

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.training.plain_rnn import PlainRNNParams
from lstmbench.variants._torch_layers import Outputs, TwoPassAutogradLayer


class TorchPlainRNN(TwoPassAutogradLayer):
    """What people write first in PyTorch."""

    def __init__(self, params: PlainRNNParams, framework: TorchBackend) -> None:
        super().__init__([framework.from_numpy(array) for array in params])

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> Outputs:
        W, U, b = self.weights
        y, h = [], h0
        for z in (x @ W.t() + b).unbind():
            h = torch.tanh(z + h @ U.t())
            y.append(h)
        return torch.stack(y), h, c0
