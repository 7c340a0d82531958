"""The steps of a sequence in PyTorch's own operations, and the products that step kernels share.

A step kernel is made from W_ih, W_hh and b. It has the methods of ``StepProducts``, and two more,
which go from step to step:

- ``forward(h, c, steps)`` fills the gates, h and c of all steps, from those before the first;
- ``backward(c0, steps, dy, dh, dc)`` returns dz of all steps, and turns dh and dc of the last step
  into dh0 and dc0. dz may overwrite the gates.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Steps(NamedTuple):
    """The values of every step.

    Attributes:
        gates: (T, B, 4H), W_ih x + b before the forward pass, i, f, g, o after it. The backward
            pass may overwrite them.
        h, c: (T, B, H).
    """

    gates: Tensor
    h: Tensor
    c: Tensor


def _activate(z: Tensor, H: int) -> tuple[Tensor, ...]:
    """Turn pre-activations (N, 4H) into the gates in place, and return i, f, g, o (N, H)."""
    z[:, : 2 * H].sigmoid_()
    z[:, 2 * H : 3 * H].tanh_()
    z[:, 3 * H :].sigmoid_()
    return z.split(H, dim=1)


def _add_product(z: Tensor, h: Tensor, U: Tensor) -> None:
    """Add h U to z, whose dtype may be wider."""
    if z.dtype == h.dtype:
        z.addmm_(h, U)
    else:
        z += h @ U


class StepProducts:
    """The weights, and all that is one product over many steps."""

    def __init__(self, W_ih: Tensor, W_hh: Tensor, b: Tensor) -> None:
        self.W_ih, self.W_hh, self.b = W_ih, W_hh, b
        self.pack()

    def pack(self) -> None:
        """Bring the current weights into the layout of the products."""
        self.U = self.W_hh.t().contiguous()  # (H, 4H)

    def inputs(self, x: Tensor, gates: Tensor) -> None:
        """Write W_ih x + b to ``gates`` (T, B, 4H), for x (T, B, I)."""
        flat = gates.flatten(0, 1)
        if gates.dtype == x.dtype:
            torch.addmm(self.b, x.flatten(0, 1), self.W_ih.t(), out=flat)
        else:
            flat.copy_(torch.addmm(self.b, x.flatten(0, 1), self.W_ih.t()))

    def recompute_gates(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        """Fill the gates and c of all steps from h (T, B, H) before each and c before the first."""
        H = h.shape[2]
        flat = steps.gates.flatten(0, 1)
        _add_product(flat, h.flatten(0, 1), self.U)
        _activate(flat, H)
        for z, c_next in zip(steps.gates.unbind(), steps.c.unbind(), strict=True):
            i, f, g, _ = z.split(H, dim=1)
            c = torch.mul(f, c, out=c_next).addcmul_(i, g)

    def add_gradients(
        self, x: Tensor, h: Tensor, dz: Tensor, dx: Tensor, dW_ih: Tensor, dW_hh: Tensor, db: Tensor
    ) -> None:
        """Fill dx, and add to dW_ih, dW_hh and db, from x and h before each step and dz.

        x, h, dz and dx are (T, B, ...).
        """
        db += dz.sum((0, 1)).to(db.dtype)
        flat = dz.to(x.dtype).flatten(0, 1)  # (TB, 4H)
        dW_ih.addmm_(flat.t(), x.flatten(0, 1))
        dW_hh.addmm_(flat.t(), h.flatten(0, 1))
        torch.mm(flat, self.W_ih, out=dx.flatten(0, 1))


class EagerSteps(StepProducts):
    """The step kernel in PyTorch's own operations."""

    def forward(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        H = h.shape[1]
        for z, h_next, c_next in zip(*(array.unbind() for array in steps), strict=True):
            _add_product(z, h, self.U)
            i, f, g, o = _activate(z, H)
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
