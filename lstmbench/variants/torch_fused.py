"""``torch.fused``: one autograd Function for the whole sequence, with a hand-written backward.

Autograd sees one node instead of some fifteen per time step. The forward pass hoists the product of all inputs out
of the loop and computes the four gates from one product per step, kept in the order i, f, o, g so that one sigmoid
covers three of them. It keeps the gates and c. The backward pass turns the gates of a step into dz in place and
leaves the gradients of weights, bias and inputs to one product each over all steps.

In bfloat16 the products are bfloat16, and all elementwise work and the carried states are float32: c sums over
time, and would lose what it adds.
"""

from typing import Any

import torch
from torch import Tensor

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import register
from lstmbench.frameworks.torch_framework import TorchFramework


def _forward(x: Tensor, h0: Tensor, c0: Tensor, W_ih: Tensor, W_hh: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """Weights and bias in the order i, f, o, g. Return y, c of each step (T, B, H) and the gates (T, B, 4H)."""
    T, B, _ = x.shape
    H = h0.shape[1]
    wide = torch.float32 if x.dtype == torch.bfloat16 else x.dtype
    gates = torch.addmm(b, x.flatten(0, 1), W_ih.t()).to(wide).view(T, B, 4 * H)
    y, cs = x.new_empty(T, B, H), x.new_empty(T, B, H, dtype=wide)
    U = W_hh.t().contiguous()  # (H, 4H)
    h, c = h0, c0.to(wide)
    for z, h_next, c_next in zip(gates.unbind(), y.unbind(), cs.unbind(), strict=True):
        if wide == x.dtype:
            z.addmm_(h, U)
        else:
            z += h @ U
        z[:, : 3 * H].sigmoid_()
        i, f, o, g = z.split(H, dim=1)
        g.tanh_()
        torch.mul(f, c, out=c_next).addcmul_(i, g)
        h_next.copy_(o * c_next.tanh())
        h, c = h_next, c_next
    return y, cs, gates


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h0: Tensor, c0: Tensor, W_ih: Tensor, W_hh: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        y, cs, gates = _forward(x, h0, c0, W_ih, W_hh, b)
        ctx.save_for_backward(x, h0, c0, W_ih, W_hh, y, cs, gates)
        return y, y[-1].clone(), cs[-1].to(x.dtype, copy=True)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> tuple[Tensor, ...]:
        x, h0, c0, W_ih, W_hh, y, cs, gates = ctx.saved_tensors
        T, B, H = y.shape
        wide = cs.dtype
        dzs = torch.empty_like(gates)  # the saved gates stay as they are: a graph may be run twice
        dh, dc = dh.to(wide), dc.to(wide)
        c_prevs = (c0.to(wide), *cs.unbind()[:-1])
        for t in range(T - 1, -1, -1):
            i, f, o, g = gates[t].split(H, dim=1)
            dz = dzs[t]
            di, df, do, dg = dz.split(H, dim=1)
            tanh_c = cs[t].tanh()
            dh = dh + dy[t]
            torch.mul(dh, tanh_c, out=do)
            dc = torch.addcmul(dc, dh * o, 1 - tanh_c * tanh_c)
            torch.mul(dc, g, out=di)
            torch.mul(dc, c_prevs[t], out=df)
            torch.mul(dc, i, out=dg)
            dc = dc * f
            sigmoids = gates[t, :, : 3 * H]
            dz[:, : 3 * H] *= sigmoids * (1 - sigmoids)
            dg *= 1 - g * g
            dh = (dz.to(x.dtype) @ W_hh).to(wide)
        dz = dzs.to(x.dtype).view(T * B, 4 * H)
        h_prev = torch.cat([h0[None], y[:-1]]).view(T * B, H)
        dx = (dz @ W_ih).view_as(x)
        db = dzs.view(T * B, 4 * H).sum(0).to(x.dtype)
        return dx, dh.to(x.dtype), dc.to(x.dtype), dz.t() @ x.flatten(0, 1), dz.t() @ h_prev, db


@register("torch.fused", framework="torch")
class TorchFused:
    """The whole sequence as one autograd Function."""

    def __init__(self, params: LSTMParams, framework: TorchFramework) -> None:
        H = params.hidden_size
        self.order = torch.cat([torch.arange(2 * H), torch.arange(3 * H, 4 * H), torch.arange(2 * H, 3 * H)])
        self.inverse = self.order.argsort().to(framework.device)
        rows = self.order.numpy()
        self.W_ih = framework.from_numpy(params.weight_ih[rows]).requires_grad_()  # (4H, I)
        self.W_hh = framework.from_numpy(params.weight_hh[rows]).requires_grad_()  # (4H, H)
        self.b = framework.from_numpy(params.bias[rows]).requires_grad_()  # (4H,)

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode():
            y, cs, _ = _forward(x, h0, c0, self.W_ih, self.W_hh, self.b)
            return y, y[-1].clone(), cs[-1].to(x.dtype, copy=True)

    def _graph(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        x, h0, c0 = (array.detach().requires_grad_() for array in (x, h0, c0))
        outputs = _Sequence.apply(x, h0, c0, self.W_ih, self.W_hh, self.b)
        inputs = (self.W_ih, self.W_hh, self.b, x, h0, c0)
        return outputs, inputs

    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        outputs, inputs = self._graph(x, h0, c0)
        return tuple(output.detach() for output in outputs), (outputs, inputs)

    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        dW_ih, dW_hh, db, *rest = torch.autograd.grad(*saved, (dy, dh, dc))
        rows = self.inverse  # back to i, f, g, o
        return (dW_ih[rows], dW_hh[rows], db[rows], *rest)

    def forward_backward(self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        saved = self._graph(x, h0, c0)
        return saved[0], self.backward(saved, dy, dh, dc)
