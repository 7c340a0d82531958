"""The steps of a sequence in PyTorch: what those ways to compute them share, and PyTorch's own
operations as one.

Every way has the methods of ``Products``, and ``forward`` and ``backward`` besides, which go from
step to step:

- ``forward(h, c, steps)`` fills the gates, h and c of all steps, from those before the first;
- ``backward(c0, steps, dy, dh, dc)`` returns dz of all steps, and turns dh and dc, of the last
  step, into dh0 and dc0. dz may lie where the gates were.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Steps(NamedTuple):
    """All that has a value at each step.

    Attributes:
        gates: (T, B, 4H), W_ih x + b before the forward pass, i, f, g, o after it; what the
            backward pass leaves there is its own.
        h, c: (T, B, H).
    """

    gates: Tensor
    h: Tensor
    c: Tensor


def _gates(z: Tensor, H: int) -> tuple[Tensor, ...]:
    """Turn pre-activations (N, 4H) into the gates, and return these, i, f, g, o (N, H)."""
    z[:, : 2 * H].sigmoid_()
    z[:, 2 * H : 3 * H].tanh_()
    z[:, 3 * H :].sigmoid_()
    return z.split(H, dim=1)


class Products:
    """The weights, and what is one product over many steps."""

    def __init__(self, W_ih: Tensor, W_hh: Tensor, b: Tensor) -> None:
        self.W_ih, self.W_hh, self.b = W_ih, W_hh, b
        self.pack()

    def pack(self) -> None:
        """Lay the weights out anew."""
        self.U = self.W_hh.t().contiguous()  # (H, 4H)

    def inputs(self, x: Tensor, gates: Tensor) -> None:
        """Put what x (T, B, I) adds to the pre-activations into ``gates`` (T, B, 4H)."""
        flat = gates.flatten(0, 1)
        if gates.dtype == x.dtype:
            torch.addmm(self.b, x.flatten(0, 1), self.W_ih.t(), out=flat)
        else:
            flat.copy_(torch.addmm(self.b, x.flatten(0, 1), self.W_ih.t()))

    def again(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        """Fill the gates and c of all steps where every h is known: h (T, B, H) before each, c
        before the first.
        """
        H = h.shape[2]
        flat = steps.gates.flatten(0, 1)
        if flat.dtype == h.dtype:
            flat.addmm_(h.flatten(0, 1), self.U)
        else:
            flat += h.flatten(0, 1) @ self.U
        _gates(flat, H)
        for z, c_next in zip(steps.gates.unbind(), steps.c.unbind(), strict=True):
            i, f, g, _ = z.split(H, dim=1)
            c = torch.mul(f, c, out=c_next).addcmul_(i, g)

    def add_gradients(self, x: Tensor, h: Tensor, dz: Tensor, dx: Tensor, *weights: Tensor) -> None:
        """Fill dx, and add to dW_ih, dW_hh and db, from x and h before each step and dz, all (T, B,
        ...).
        """
        dW_ih, dW_hh, db = weights
        db += dz.sum((0, 1)).to(db.dtype)
        flat = dz.to(x.dtype).flatten(0, 1)  # (TB, 4H)
        dW_ih.addmm_(flat.t(), x.flatten(0, 1))
        dW_hh.addmm_(flat.t(), h.flatten(0, 1))
        torch.mm(flat, self.W_ih, out=dx.flatten(0, 1))


class EagerSteps(Products):
    """The steps in PyTorch's own operations."""

    def forward(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        H = h.shape[1]
        for z, h_next, c_next in zip(*(each.unbind() for each in steps), strict=True):
            if z.dtype == h.dtype:
                z.addmm_(h, self.U)
            else:
                z += h @ self.U
            i, f, g, o = _gates(z, H)
            torch.mul(f, c, out=c_next).addcmul_(i, g)
            h_next.copy_(o * c_next.tanh())
            h, c = h_next, c_next

    def backward(self, c0: Tensor, steps: Steps, dy: Tensor, dh: Tensor, dc: Tensor) -> Tensor:
        H = dh.shape[1]
        for t in range(len(dy) - 1, -1, -1):
            z = steps.gates[t]
            i, f, g, o = z.split(H, dim=1)
            tanh_c = steps.c[t].tanh()
            dh += dy[t]
            dc.addcmul_(dh * o, 1 - tanh_c * tanh_c)
            d_i, d_f, d_g = dc * g, dc * (steps.c[t - 1] if t else c0), dc * i
            dc *= f
            z[:, : 2 * H] *= 1 - z[:, : 2 * H]
            i *= d_i
            f *= d_f
            torch.mul(d_g, 1 - g * g, out=g)
            o *= (1 - o) * dh * tanh_c
            dh.copy_(z.to(self.W_hh.dtype) @ self.W_hh)
        return steps.gates
