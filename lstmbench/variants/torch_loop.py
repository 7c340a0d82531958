"""``torch.loop``: the equations as a loop over time in PyTorch, differentiated by autograd."""

import torch
from torch import Tensor
from torch.nn.functional import linear

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._common import native_weights
from lstmbench.variants._torch_layers import Outputs, TwoPassAutogradLayer


@register("torch.loop", framework="torch", peephole=True)
class TorchLoop(TwoPassAutogradLayer):
    """Two ``linear`` for the stacked gates of a step; what people write first."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        super().__init__(native_weights(params, framework))

    def _run(self, x: Tensor, h0: Tensor, c0: Tensor) -> Outputs:
        W_ih, W_hh, b, *peepholes = self.weights
        p_i, p_f, p_o = peepholes[0].unbind() if peepholes else (None, None, None)
        y, h, c = [], h0, c0
        # unbind, not x[t]: the gradient of an index is an array of zeros as large as x at each step
        for x_t in x.unbind():
            z = linear(x_t, W_ih, b) + linear(h, W_hh)
            i, f, g, o = z.chunk(4, dim=1)
            if p_i is not None:
                i, f = i + p_i * c, f + p_f * c
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            if p_o is not None:
                o = o + p_o * c
            h = torch.sigmoid(o) * torch.tanh(c)
            y.append(h)
        return torch.stack(y), h, c
