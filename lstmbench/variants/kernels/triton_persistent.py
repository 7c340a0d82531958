"""All steps of a sequence in one Triton kernel that keeps W_hh on chip; see ``torch_persistent``.

Program (n, m) computes ``units`` of the H units for ``rows`` of the B sequences, at every step. It
loads its part of W_hh, all four gates of its units, once. After that, programs exchange h forward
and dz backward through global memory at each step. Between two steps the programs of the same
sequences wait for each other, so all programs must be on the GPU at once.

Blocks of Triton are powers of two. To keep H = 768 from costing as much as 1024, a product over H
is the sum of one over the ``K1`` first units, the largest power of two in H, and one over the
``K2`` others.
"""

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from lstmbench.variants.kernels.eager_steps import Steps
from lstmbench.variants.kernels.triton_cell import cell, cell_backward, load_gates, store_gates
from lstmbench.variants.kernels.triton_step import TritonSteps, dz_output

UNITS = 16
"""Units of a program: with four gates each, the 64 rows of a tensor core operation on Hopper."""
ROWS = (16, 32, 64, 128)
"""Sequences of a program, tried in this order: the fewer, the more programs share a step."""
SPLIT = 4
"""Partial sums of a product over 4H, one for each warp: it has too few results for the warps."""
MIN_K = 16 * SPLIT
"""Fewest units of a product: 16, the depth of a tensor core operation, for each partial sum."""
RESERVED_BYTES = 1 << 10
"""Shared memory that CUDA reserves in each block (CUDA C++ Programming Guide, technical data)."""


@triton.jit
def wait_for_all(counter, arrivals):
    """Wait until there have been ``arrivals``, and make what all programs wrote visible to all."""
    tl.debug_barrier()
    tl.atomic_add(counter, 1, sem="release")
    while tl.atomic_add(counter, 0, sem="acquire") < arrivals:
        pass
    tl.debug_barrier()


@triton.jit
def add_dot(total, a, b, PRECISION: tl.constexpr):
    """Return total + a b.

    The interpreter would read bfloat16 as integers here; in float32 its products are exact.
    """
    if PRECISION == "interpreted":
        total = tl.dot(a.to(tl.float32), b.to(tl.float32), acc=total)
    else:
        total = tl.dot(a, b, acc=total, input_precision=PRECISION)
    return total


@triton.jit
def rows_of_W(W, first_unit, first, H, U: tl.constexpr, K: tl.constexpr):
    """Return (4U, K) of W (4H, H): the four rows of each unit, and K columns."""
    row = tl.arange(0, 4 * U)
    unit = first_unit + row // 4
    row = (row % 4) * H + unit
    k = first + tl.arange(0, K)
    return tl.load(
        W + row[:, None] * H + k[None, :], (unit < H)[:, None] & (k < H)[None, :], other=0.0
    )


@triton.jit
def part_of_h(h, rows, first, B, H, K: tl.constexpr):
    """Return (K, rows) of h (B, H), past the first cache: other programs have written it."""
    k = first + tl.arange(0, K)
    inside = (k < H)[:, None] & (rows < B)[None, :]
    return tl.load(h + rows[None, :] * H + k[:, None], inside, other=0.0, cache_modifier=".cg")


@triton.jit
def four_gates(z, U: tl.constexpr, R: tl.constexpr):
    """Return i, f, g, o (U, R) from (4U, R)."""
    z = tl.reshape(tl.permute(tl.reshape(z, (U, 4, R)), (0, 2, 1)), (U, R, 2, 2))
    even, odd = tl.split(z)
    i, g = tl.split(even)
    f, o = tl.split(odd)
    return i, f, g, o


@triton.jit
def forward_kernel(
    z,
    h,
    h_next,
    c,
    c_next,
    W,
    counters,
    T,
    B,
    H,
    U: tl.constexpr,
    R: tl.constexpr,
    K1: tl.constexpr,
    K2: tl.constexpr,
    KEEP: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Compute T steps from h and c.

    z, h_next and, to KEEP it, c_next have a value for each step; else c_next is the last c.
    """
    first_unit = tl.program_id(0) * U
    units = first_unit + tl.arange(0, U)
    rows = tl.program_id(1) * R + tl.arange(0, R)
    inside = (units < H)[:, None] & (rows < B)[None, :]
    W1 = rows_of_W(W, first_unit, 0, H, U, K1)
    W2 = W1
    if K2 > 0:
        W2 = rows_of_W(W, first_unit, K1, H, U, K2)
    state = rows[None, :] * H + units[:, None]
    gates = rows[None, :] * (4 * H) + units[:, None]
    c_t = tl.load(c + state, inside, other=0.0)
    for t in range(T):
        z_i, z_f, z_g, z_o = load_gates(z + gates, H, inside)
        product = tl.zeros((4 * U, R), dtype=tl.float32)
        product = add_dot(product, W1, part_of_h(h, rows, 0, B, H, K1), PRECISION)
        if K2 > 0:
            product = add_dot(product, W2, part_of_h(h, rows, K1, B, H, K2), PRECISION)
        p_i, p_f, p_g, p_o = four_gates(product, U, R)
        i, f, g, o, c_t, h_t = cell(z_i + p_i, z_f + p_f, z_g + p_g, z_o + p_o, c_t)
        tl.store(h_next + state, h_t, inside)
        if KEEP:
            store_gates(z + gates, H, inside, i, f, g, o)
            tl.store(c_next + state, c_t, inside)
            c_next += B * H
        z += 4 * B * H
        h = h_next
        h_next += B * H
        if t < T - 1:
            wait_for_all(counters + tl.program_id(1), (t + 1) * tl.num_programs(0))
    if not KEEP:
        tl.store(c_next + state, c_t, inside)


@triton.jit
def gate_columns(W, units, gate: tl.constexpr, first, H, S: tl.constexpr, K: tl.constexpr):
    """Return (S, U, K / S) of W (4H, H): K rows of one gate, in S parts, and the units' columns."""
    k = first + tl.arange(0, S)[:, None, None] * (K // S) + tl.arange(0, K // S)[None, None, :]
    column = units[None, :, None]
    return tl.load(W + (gate * H + k) * H + column, (k < H) & (column < H), other=0.0)


@triton.jit
def columns_of_W(W, units, first, H, S: tl.constexpr, K: tl.constexpr):
    """Return ``gate_columns`` of the four gates."""
    i = gate_columns(W, units, 0, first, H, S, K)
    f = gate_columns(W, units, 1, first, H, S, K)
    g = gate_columns(W, units, 2, first, H, S, K)
    o = gate_columns(W, units, 3, first, H, S, K)
    return i, f, g, o


@triton.jit
def add_product(
    total,
    columns,
    dz,
    rows,
    first,
    B,
    H,
    S: tl.constexpr,
    K: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Add to dh, total (S, U, R), the share of K rows of each gate, from ``columns_of_W``."""
    k = first + tl.arange(0, S)[:, None, None] * (K // S) + tl.arange(0, K // S)[None, :, None]
    row = rows[None, None, :]
    inside = (k < H) & (row < B)
    for gate in tl.static_range(4):
        at = dz + row * (4 * H) + gate * H + k
        part = tl.load(at, inside, other=0.0, cache_modifier=".cg")
        total = add_dot(total, columns[gate], part, PRECISION)
    return total


@triton.jit
def step_backward(gates, dy, dz, dh, dc, c, c_before, units, rows, B, H):
    """Compute one step: store dz; return dc (U, R) and c (from ``c_before``) of the step before."""
    inside = (units < H)[:, None] & (rows < B)[None, :]
    at = rows[None, :] * (4 * H) + units[:, None]
    state = rows[None, :] * H + units[:, None]
    i, f, g, o = load_gates(gates + at, H, inside)
    before = tl.load(c_before + state, inside, other=0.0)
    dh = dh + tl.load(dy + state, inside, other=0.0)
    dz_i, dz_f, dz_g, dz_o, dc = cell_backward(i, f, g, o, c, before, dh, dc)
    store_gates(dz + at, H, inside, dz_i, dz_f, dz_g, dz_o)
    return dc, before


@triton.jit
def backward_kernel(
    gates,
    c,
    c0,
    dy,
    dz,
    dh,
    dc,
    W,
    counters,
    T,
    B,
    H,
    S: tl.constexpr,
    U: tl.constexpr,
    R: tl.constexpr,
    K1: tl.constexpr,
    K2: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Compute T steps backwards, without dh0; gates, c, dy and dz point to the last step."""
    units = tl.program_id(0) * U + tl.arange(0, U)
    rows = tl.program_id(1) * R + tl.arange(0, R)
    inside = (units < H)[:, None] & (rows < B)[None, :]
    state = rows[None, :] * H + units[:, None]
    W1 = columns_of_W(W, units, 0, H, S, K1)
    W2 = W1
    if K2 > 0:
        W2 = columns_of_W(W, units, K1, H, S, K2)
    c_t = tl.load(c + state, inside, other=0.0)
    dc_t = tl.load(dc + state, inside, other=0.0)
    dh_t = tl.load(dh + state, inside, other=0.0)
    c_before = c - B * H
    if T == 1:
        c_before = c0
    dc_t, c_t = step_backward(gates, dy, dz, dh_t, dc_t, c_t, c_before, units, rows, B, H)
    for back in range(1, T):
        wait_for_all(counters + tl.program_id(1), back * tl.num_programs(0))
        total = tl.zeros((S, U, R), dtype=tl.float32)
        total = add_product(total, W1, dz, rows, 0, B, H, S, K1, PRECISION)
        if K2 > 0:
            total = add_product(total, W2, dz, rows, K1, B, H, S, K2, PRECISION)
        dh_t = tl.sum(total, axis=0)
        gates -= 4 * B * H
        dy -= B * H
        dz -= 4 * B * H
        c_before -= B * H
        if back == T - 1:
            c_before = c0
        dc_t, c_t = step_backward(gates, dy, dz, dh_t, dc_t, c_t, c_before, units, rows, B, H)
    tl.store(dc + state, dc_t, inside)


class Chip(NamedTuple):
    """The properties of a GPU that decide whether W_hh can be kept on it.

    Attributes:
        processors: the number of its multiprocessors, each of which can hold one program.
        shared_bytes: the shared memory of a program.
    """

    processors: int
    shared_bytes: int

    @classmethod
    def of(cls, device: torch.device) -> "Chip":
        """Describe a GPU."""
        properties = torch.cuda.get_device_properties(device)
        return cls(properties.multi_processor_count, properties.shared_memory_per_block_optin)


def split(H: int) -> tuple[int, int]:
    """Return K1 and K2, powers of two with a sum of at least H; K2 may be 0."""
    first = max(MIN_K, 1 << (H.bit_length() - 1))
    return first, max(MIN_K, triton.next_power_of_2(H - first)) if first < H else 0


def rows_that_fit(B: int, H: int, item_bytes: int, units: int, chip: Chip) -> int | None:
    """Return how many sequences a program takes, or None where W_hh cannot be kept on chip."""
    K1, K2 = split(H)
    for rows in ROWS:
        programs = triton.cdiv(H, units) * triton.cdiv(B, rows)
        bytes_ = (4 * units * (K1 + K2) + K1 * rows) * item_bytes + RESERVED_BYTES
        if programs <= chip.processors and bytes_ <= chip.shared_bytes:
            return rows
    return None


class PersistentSteps(TritonSteps):
    """The step kernel as one kernel for all steps; as ``TritonSteps`` where W_hh does not fit."""

    def __init__(
        self, W_ih: Tensor, W_hh: Tensor, b: Tensor, chip: Chip | None = None, units: int = UNITS
    ) -> None:
        super().__init__(W_ih, W_hh, b)
        self.chip, self.units = chip or Chip.of(b.device), units

    def _rows(self, B: int) -> int | None:
        factors = 2 if self._precision() == "tf32x3" and self.W_hh.itemsize == 4 else 1
        item_bytes = factors * self.W_hh.itemsize
        return rows_that_fit(B, self.W_hh.shape[1], item_bytes, self.units, self.chip)

    def _precision(self) -> str:
        """Return how float32 is multiplied: in TF32 if PyTorch allows it, else by three."""
        if self.b.device.type == "cpu":
            return "interpreted"
        return "tf32" if torch.backends.cuda.matmul.allow_tf32 else "tf32x3"

    def _launch(
        self, kernel: Any, arrays: tuple[Tensor, ...], T: int, B: int, rows: int, **constants: int
    ) -> None:
        H = self.W_hh.shape[1]
        K1, K2 = split(H)
        grid = triton.cdiv(H, self.units), triton.cdiv(B, rows)
        counters = torch.zeros(grid[1], dtype=torch.int32, device=self.b.device)
        kernel[grid](
            *(*arrays, self.W_hh, counters, T, B, H),
            **constants,
            U=self.units,
            R=rows,
            K1=K1,
            K2=K2,
            PRECISION=self._precision(),
            num_warps=4,
            num_stages=1,  # loads of h and dz must not be moved to before the wait for all programs
            launch_cooperative_grid=True,  # all programs at once, or an error
        )

    def forward(self, h: Tensor, c: Tensor, steps: Steps) -> None:
        rows, (T, B, _) = self._rows(len(h)), steps.h.shape
        if rows is None:
            super().forward(h, c, steps)
        else:
            arrays = steps.gates, h.contiguous(), steps.h, c, steps.c
            self._launch(forward_kernel, arrays, T, B, rows, KEEP=int(steps.c.stride(0) > 0))

    def backward(self, c0: Tensor, steps: Steps, dy: Tensor, dh: Tensor, dc: Tensor) -> Tensor:
        rows, (T, B, _) = self._rows(len(dh)), dy.shape
        if rows is None:
            return super().backward(c0, steps, dy, dh, dc)
        dy, dz = dy.contiguous(), dz_output(steps, dy)
        arrays = steps.gates[-1], steps.c[-1], c0, dy[-1], dz[-1], dh, dc
        self._launch(backward_kernel, arrays, T, B, rows, S=SPLIT)
        dh.copy_(torch.mm(dz[0], self.W_hh))
        return dz
