"""``torch.recompute``: ``torch.fused`` that trains in less memory by recomputing gates.

The backward pass needs the gates and c of a step: five (B, H) besides h, which is the output. But
given all h, the only sequential part, the pre-activations of many steps are one product,

    z_t = W_ih x_t + W_hh h_{t-1} + b    for all t of a chunk at once,

and c follows from the gates elementwise. So h is kept, and c where a chunk begins; the backward
pass goes from chunk to chunk, the last first, recomputes the gates and c of one, and adds its share
to the gradients. That is a third more products than training takes otherwise, all of them large.
(To store less and recompute is Griewank and Walther's checkpointing, for recurrent networks Gruslys
et al. 2016; here h alone is enough because it is the output.)
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lstmbench.backends.torch_backend import TorchBackend
from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import register
from lstmbench.variants._common import TwoPass
from lstmbench.variants.kernels.eager_steps import Steps
from lstmbench.variants.torch_fused import TorchFused

MIN_ROWS = 256
"""A chunk has about the root of T steps, but at least this many rows, sequences times steps, so
that its products are large. Chosen, not tuned.
"""


@register("torch.recompute", framework="torch")
class TorchRecompute(TwoPass):
    """Keeps h of every step, and c of some."""

    def __init__(self, params: LSTMParams, framework: TorchBackend) -> None:
        self.fused = TorchFused(params, framework)

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.fused.forward(x, h0, c0)

    @torch.no_grad()
    def forward_saving(self, x: Tensor, h0: Tensor, c0: Tensor) -> Any:
        T, B, _ = x.shape
        H = h0.shape[1]
        chunk = min(T, max(round(T**0.5), MIN_ROWS // B, 1))
        self.fused.kernel.pack()
        hs = x.new_empty(T + 1, B, H)
        hs[0] = h0
        c = self.fused.state_copy(c0)
        first_cs = c.new_empty(-(-T // chunk), B, H)
        self.fused.forward_chunks(x, h0, c, hs[1:], chunk, first_cs=first_cs)
        return (hs[1:], hs[-1].clone(), c.to(x.dtype)), (x, hs, first_cs, chunk)

    @torch.no_grad()
    def backward(self, saved: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> Any:
        x, hs, first_cs, chunk = saved
        chunks = self._recomputed(x, hs, first_cs, chunk)
        return self.fused.backward_chunks(x, hs[:-1], dy, dh, dc, chunks)

    def _recomputed(
        self, x: Tensor, hs: Tensor, first_cs: Tensor, chunk: int
    ) -> Iterator[tuple[slice, Tensor, Steps]]:
        """Yield the chunks, the last first, each with its slice of the time and c before it."""
        _, B, H = first_cs.shape
        gates, cs = first_cs.new_empty(chunk, B, 4 * H), first_cs.new_empty(chunk, B, H)
        for n in range(len(first_cs) - 1, -1, -1):
            part = slice(n * chunk, min((n + 1) * chunk, len(x)))
            count = part.stop - part.start
            steps = Steps(gates[:count], hs[1:][part], cs[:count])
            self.fused.kernel.inputs(x[part], steps.gates)
            self.fused.kernel.recompute_gates(hs[:-1][part], first_cs[n], steps)
            yield part, first_cs[n], steps
