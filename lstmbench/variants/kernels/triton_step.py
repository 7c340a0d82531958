"""One time step as a product by cuBLAS and one Triton kernel for the elementwise work.

See ``torch_fused``.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lstmbench.variants.kernels.eager_steps import StepProducts, Steps
from lstmbench.variants.kernels.triton_cell import cell, cell_backward, load_gates, store_gates

BLOCK = 256
"""Units for each program of a kernel. Chosen, not tuned."""


@triton.jit
def forward_cells(z, product, c, h_next, c_next, count, H, BLOCK: tl.constexpr):
    """Turn z + product (B, 4H) into the gates, in z, and c (B, H) into the next c and h."""
    k = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # of B * H units
    inside = k < count
    at = k + 3 * H * (k // H)  # of its input gate
    z_i, z_f, z_g, z_o = load_gates(z + at, H, inside)
    p_i, p_f, p_g, p_o = load_gates(product + at, H, inside)
    c_now = tl.load(c + k, inside, other=0.0)
    i, f, g, o, c_new, h_new = cell(z_i + p_i, z_f + p_f, z_g + p_g, z_o + p_o, c_now)
    store_gates(z + at, H, inside, i, f, g, o)
    tl.store(c_next + k, c_new, inside)
    tl.store(h_next + k, h_new, inside)


@triton.jit
def backward_cells(gates, c, c_before, dy, dh, dc, dz, count, H, BLOCK: tl.constexpr):
    """Fill dz (B, 4H), and turn dc (B, H) into that of the step before; dz may be ``gates``."""
    k = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = k < count
    at = k + 3 * H * (k // H)
    i, f, g, o = load_gates(gates + at, H, inside)
    dy_now = tl.load(dy + k, inside, other=0.0).to(tl.float32)
    dh_now = dy_now + tl.load(dh + k, inside, other=0.0).to(tl.float32)
    c_now = tl.load(c + k, inside, other=0.0)
    before = tl.load(c_before + k, inside, other=0.0)
    dc_now = tl.load(dc + k, inside, other=0.0)
    dz_i, dz_f, dz_g, dz_o, dc_before = cell_backward(i, f, g, o, c_now, before, dh_now, dc_now)
    store_gates(dz + at, H, inside, dz_i, dz_f, dz_g, dz_o)
    tl.store(dc + k, dc_before, inside)


def dz_output(steps: Steps, dy: Tensor) -> Tensor:
    """Return memory for dz (T, B, 4H) in the dtype of dy: that of the gates, if they have it."""
    if steps.gates.dtype == dy.dtype:
        return steps.gates
    return torch.empty_like(steps.gates, dtype=dy.dtype)


class TritonSteps(StepProducts):
    """The step kernel as two kernels for each step.

    Gates, c and dc are float32; h, dh and dz are of the weights' dtype.
    """

    def forward(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        B, H = h.shape
        product, grid = h.new_empty(B, 4 * H), (triton.cdiv(B * H, BLOCK),)
        for z, h_next, c_next in zip(*(array.unbind() for array in steps), strict=True):
            torch.mm(h, self.U, out=product)
            forward_cells[grid](z, product, c, h_next, c_next, B * H, H, BLOCK=BLOCK)
            h, c = h_next, c_next

    def backward(self, c0: Tensor, steps: Steps, dy: Tensor, dh: Tensor, dc: Tensor) -> Tensor:
        T, B, H = dy.shape
        dz, dy = dz_output(steps, dy), dy.contiguous()
        dh_t, grid = dh.to(dy.dtype), (triton.cdiv(B * H, BLOCK),)
        for t in range(T - 1, -1, -1):
            states = steps.c[t], steps.c[t - 1] if t else c0, dy[t], dh_t, dc
            backward_cells[grid](steps.gates[t], *states, dz[t], B * H, H, BLOCK=BLOCK)
            torch.mm(dz[t], self.W_hh, out=dh_t)
        dh.copy_(dh_t)
        return dz
