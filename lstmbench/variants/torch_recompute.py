"""``torch.recompute``: ``torch.fused`` that trains in a fraction of the memory, by computing the
gates a second time.

What the backward pass needs of a step are its gates and c: five (B, H) beside the one, h, which is
the output anyway. But given all h, which is what takes one step after the other, the
pre-activations of many steps are one product,

    z_t = W_ih x_t + W_hh h_{t-1} + b    for all t of a chunk at once,

and c follows from the gates elementwise. So h is kept, and c where a chunk begins; the backward
pass goes from chunk to chunk, the last first, brings back the gates and c of one, and adds its
share to the gradients. That is a third more products than training takes otherwise, all of them
large. (To store less and compute again is Griewank and Walther's checkpointing, for recurrent
networks Gruslys et al. 2016; that h alone is enough here is because it is the output.)
"""

from typing import Any

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants.kernels.torch_steps import Steps
from lstmbench.variants.torch_fused import WITHOUT_GAPS, TorchFused

MIN_ROWS = 256
"""A chunk has at least so many sequences times steps, that its products are worth it; else the root
of T steps.
"""


@register("torch.recompute", framework="torch")
class TorchRecompute:
    """Keeps h of every step, and c of some."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        self.fused = TorchFused(params, framework)

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.fused.forward(x, h0, c0)

    @torch.no_grad()
    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        """Return (y, h, c) and what ``backward`` needs."""
        T, B, _ = x.shape
        H = h0.shape[1]
        longest = min(T, max(round(T**0.5), MIN_ROWS // B, 1))
        self.fused.steps.pack()
        hs = x.new_empty(T + 1, B, H)
        hs[0] = h0
        c = c0.to(self.fused.wide, copy=True, memory_format=WITHOUT_GAPS)
        room = c.new_empty(longest, B, 4 * H)
        firsts = c.new_empty(-(-T // longest), B, H)  # c before each chunk
        for first, x_some, h_before, h_some in zip(
            firsts, x.split(longest), hs[:-1].split(longest), hs[1:].split(longest), strict=True
        ):
            first.copy_(c)
            gates = room[: len(x_some)]
            self.fused.steps.inputs(x_some, gates)
            self.fused.steps.forward(
                h_before[0], c, Steps(gates, h_some, c.expand(len(x_some), B, H))
            )
        return (hs[1:], hs[-1].clone(), c.to(x.dtype)), (x, hs, firsts, longest)

    @torch.no_grad()
    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        x, hs, firsts, longest = saved
        _, B, H = dy.shape
        fused, steps = self.fused, self.fused.steps
        dh, dc = (each.to(fused.wide, copy=True, memory_format=WITHOUT_GAPS) for each in (dh, dc))
        dx = torch.empty_like(x, memory_format=WITHOUT_GAPS)
        weights = [torch.zeros_like(weight) for weight in (fused.W_ih, fused.W_hh, fused.b)]
        gates, cs = firsts.new_empty(longest, B, 4 * H), firsts.new_empty(longest, B, H)
        for k in range(len(firsts) - 1, -1, -1):
            chunk = slice(k * longest, min((k + 1) * longest, len(x)))
            some = Steps(
                gates[: chunk.stop - chunk.start], hs[1:][chunk], cs[: chunk.stop - chunk.start]
            )
            steps.inputs(x[chunk], some.gates)
            steps.again(hs[:-1][chunk], firsts[k], some)
            dz = steps.backward(firsts[k], some, dy[chunk], dh, dc)
            steps.add_gradients(x[chunk], hs[:-1][chunk], dz, dx[chunk], *weights)
        return *weights, dx, dh.to(x.dtype), dc.to(x.dtype)

    def forward_backward(
        self, x: Tensor, h0: Tensor, c0: Tensor, dy: Tensor, dh: Tensor, dc: Tensor
    ) -> Any:
        outputs, saved = self.forward_saving(x, h0, c0)
        return outputs, self.backward(saved, dy, dh, dc)
