"""``torch.loop``: the equations as one writes them in PyTorch, a loop over time steps and autograd
for the rest.
"""

from typing import Any

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register


@register("torch.loop", framework="torch", peephole=True)
class TorchLoop:
    """One ``linear`` over [x_t, h] stacked gates per step; what people write first."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        self.W_ih = framework.from_numpy(params.weight_ih).requires_grad_()  # (4H, I)
        self.W_hh = framework.from_numpy(params.weight_hh).requires_grad_()  # (4H, H)
        self.b = framework.from_numpy(params.bias).requires_grad_()  # (4H,)
        self.p = None
        if params.peephole is not None:
            self.p = framework.from_numpy(params.peephole).requires_grad_()  # (3, H)

    def _run(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = []
        p_i, p_f, p_o = (None, None, None) if self.p is None else self.p.unbind()
        for x_t in (
            x.unbind()
        ):  # unbind, not x[t]: the gradient of an index is a whole zero array at each step
            z = torch.nn.functional.linear(x_t, self.W_ih, self.b) + torch.nn.functional.linear(
                h, self.W_hh
            )
            i, f, g, o = z.chunk(4, dim=1)
            if p_i is not None:
                i, f = i + p_i * c, f + p_f * c
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            if p_o is not None:
                o = o + p_o * c
            h = torch.sigmoid(o) * torch.tanh(c)
            y.append(h)
        return torch.stack(y), h, c

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode():
            return self._run(x, h0, c0)

    def _graph(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = self._run(x, h0, c0)
        peepholes = () if self.p is None else (self.p,)
        inputs = (self.W_ih, self.W_hh, self.b, x, h0, c0, *peepholes)
        return outputs, inputs

    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        outputs, inputs = self._graph(x, h0, c0)
        return tuple(output.detach() for output in outputs), (outputs, inputs)

    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        return torch.autograd.grad(*saved, (dy, dh, dc))

    def forward_backward(
        self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor
    ) -> Any:
        saved = self._graph(x, h0, c0)
        return saved[0], self.backward(saved, dy, dh, dc)
