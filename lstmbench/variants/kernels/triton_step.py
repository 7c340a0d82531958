"""One time step as a product by cuBLAS and one Triton kernel for all that is elementwise; see
``torch_fused``.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lstmbench.variants.kernels.torch_steps import Products, Steps
from lstmbench.variants.kernels.triton_cell import cell, cell_back

BLOCK = 256
"""Units for each program of a kernel."""


@triton.jit
def forward_cells(z, product, c, h_next, c_next, count, H, BLOCK: tl.constexpr):
    """Turn z (B, 4H), to which the product is added, into the gates, and c (B, H) into the next c
    and h.
    """
    k = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # of B * H units
    inside = k < count
    at = k + 3 * H * (k // H)  # of its input gate
    z_i = tl.load(z + at, inside, other=0.0) + tl.load(product + at, inside, other=0.0)
    z_f = tl.load(z + at + H, inside, other=0.0) + tl.load(product + at + H, inside, other=0.0)
    z_g = tl.load(z + at + 2 * H, inside, other=0.0) + tl.load(
        product + at + 2 * H, inside, other=0.0
    )
    z_o = tl.load(z + at + 3 * H, inside, other=0.0) + tl.load(
        product + at + 3 * H, inside, other=0.0
    )
    i, f, g, o, c_new, h_new = cell(z_i, z_f, z_g, z_o, tl.load(c + k, inside, other=0.0))
    tl.store(z + at, i, inside)
    tl.store(z + at + H, f, inside)
    tl.store(z + at + 2 * H, g, inside)
    tl.store(z + at + 3 * H, o, inside)
    tl.store(c_next + k, c_new, inside)
    tl.store(h_next + k, h_new, inside)


@triton.jit
def backward_cells(gates, c, c_before, dy, dh, dc, dz, count, H, BLOCK: tl.constexpr):
    """Fill dz (B, 4H), and turn dc (B, H) into that of the step before; dz may lie where the gates
    are.
    """
    k = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = k < count
    at = k + 3 * H * (k // H)
    i = tl.load(gates + at, inside, other=0.0)
    f = tl.load(gates + at + H, inside, other=0.0)
    g = tl.load(gates + at + 2 * H, inside, other=0.0)
    o = tl.load(gates + at + 3 * H, inside, other=0.0)
    above = tl.load(dy + k, inside, other=0.0).to(tl.float32) + tl.load(
        dh + k, inside, other=0.0
    ).to(tl.float32)
    c_now = tl.load(c + k, inside, other=0.0)
    before = tl.load(c_before + k, inside, other=0.0)
    later = tl.load(dc + k, inside, other=0.0)
    dz_i, dz_f, dz_g, dz_o, dc_before = cell_back(i, f, g, o, c_now, before, above, later)
    tl.store(dz + at, dz_i, inside)
    tl.store(dz + at + H, dz_f, inside)
    tl.store(dz + at + 2 * H, dz_g, inside)
    tl.store(dz + at + 3 * H, dz_o, inside)
    tl.store(dc + k, dc_before, inside)


def forward_by_step(weights: Products, h: Tensor, c: Tensor, steps: Steps) -> None:
    """Fill the gates, h and c of all steps, from those before the first."""
    B, H = h.shape
    product, grid = h.new_empty(B, 4 * H), (triton.cdiv(B * H, BLOCK),)
    for z, h_next, c_next in zip(*(each.unbind() for each in steps), strict=True):
        torch.mm(h, weights.U, out=product)
        forward_cells[grid](z, product, c, h_next, c_next, B * H, H, BLOCK=BLOCK)
        h, c = h_next, c_next


def backward_by_step(
    weights: Products, c0: Tensor, steps: Steps, dy: Tensor, dh: Tensor, dc: Tensor
) -> Tensor:
    """Return dz of all steps, and turn dh and dc, of the last step, into dh0 and dc0."""
    T, B, H = dy.shape
    dz = room_for_dz(steps, dy)
    dy, above, grid = dy.contiguous(), dh.to(dy.dtype), (triton.cdiv(B * H, BLOCK),)
    for t in range(T - 1, -1, -1):
        c_before = steps.c[t - 1] if t else c0
        backward_cells[grid](
            steps.gates[t], steps.c[t], c_before, dy[t], above, dc, dz[t], B * H, H, BLOCK=BLOCK
        )
        torch.mm(dz[t], weights.W_hh, out=above)
    dh.copy_(above)
    return dz


def room_for_dz(steps: Steps, dy: Tensor) -> Tensor:
    """Return where dz (T, B, 4H) goes, in the dtype of its products: where the gates are, if they
    are of that dtype.
    """
    return (
        steps.gates
        if steps.gates.dtype == dy.dtype
        else torch.empty_like(steps.gates, dtype=dy.dtype)
    )


class Stepped(Products):
    """The steps as two kernels each. Gates, c and dc are float32; h, dh and dz are of the weights'
    dtype.
    """

    def forward(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        forward_by_step(self, h, c, steps)

    def backward(self, c0: Tensor, steps: Steps, dy: Tensor, dh: Tensor, dc: Tensor) -> Tensor:
        return backward_by_step(self, c0, steps, dy, dh, dc)
