"""What of the Triton kernels runs without a GPU, for a process in which TRITON_INTERPRET was 1 from
the start.

The interpreter runs one program of a kernel after another, so that programs cannot wait for each
other: whole sequences are computed by kernels with one program for each part of the batch, and
single steps by many.
"""

from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from conformance import draw, expected_results, relative_error, results

import lstmbench as lb
from lstmbench.variants.kernels import triton_cell as cells
from lstmbench.variants.kernels import triton_persistent as persistent
from lstmbench.variants.kernels.triton_step import TritonSteps

ROOMY = persistent.Chip(processors=1 << 20, shared_bytes=1 << 40)
FULL = persistent.Chip(processors=0, shared_bytes=0)


def errors(steps: Any, *shape: int, dtype: str = "float32", seed: int = 0) -> dict[str, float]:
    """Return the relative errors against the oracle of ``torch.fused`` with its steps made by
    ``steps``.
    """
    problem = draw(*shape, seed)
    lstm = lb.load("torch.fused", problem.params, dtype=dtype)
    fused = lstm.implementation
    fused.kernel = steps(*fused.weights)
    wanted = expected_results(problem)
    return {
        name: relative_error(found, wanted[name]) for name, found in results(lstm, problem).items()
    }


def stepped(*shape: int, **options: Any) -> dict[str, float]:
    return errors(TritonSteps, *shape, **options)


def whole(*shape: int, **options: Any) -> dict[str, float]:
    """With one program for all units."""
    units = max(16, triton.next_power_of_2(shape[3]))
    return errors(
        lambda *weights: persistent.PersistentSteps(*weights, chip=ROOMY, units=units),
        *shape,
        **options,
    )


def slices(B: int, I: int, H: int, **options: Any) -> dict[str, float]:  # noqa: E741
    """Of one step with a program for every 16 units."""
    return errors(
        lambda *weights: persistent.PersistentSteps(*weights, chip=ROOMY, units=16),
        1,
        B,
        I,
        H,
        **options,
    )


def too_large(*shape: int, **options: Any) -> dict[str, float]:
    """Where the chip holds nothing."""
    return errors(
        lambda *weights: persistent.PersistentSteps(*weights, chip=FULL), *shape, **options
    )


@triton.jit
def _functions_kernel(x, sigmoid, tanh, N: tl.constexpr):
    k = tl.arange(0, N)
    tl.store(sigmoid + k, cells.sigmoid(tl.load(x + k)))
    tl.store(tanh + k, cells.tanh(tl.load(x + k)))


def digits() -> dict[str, float]:
    """Return how far sigmoid and tanh are from NumPy's, at most, as a share of the value."""
    parts = (
        np.linspace(-80, 20, 1 << 14),
        -np.logspace(-30, 0, 1 << 13),
        np.linspace(-0.3, 0.3, 1 << 13),
    )
    x = torch.tensor(np.concatenate(parts), dtype=torch.float32)
    found = torch.empty_like(x), torch.empty_like(x)
    _functions_kernel[(1,)](x, *found, N=len(x))
    exact = x.double().numpy()
    wanted = 1 / (1 + np.exp(-exact)), np.tanh(exact)
    pairs = zip(found, wanted, strict=True)
    far = [np.abs(one.numpy() / other - 1).max(where=other != 0, initial=0) for one, other in pairs]
    return {"sigmoid": float(far[0]), "tanh": float(far[1])}


@triton.jit
def _product_kernel(
    dz,
    W,
    dh,
    B,
    H,
    S: tl.constexpr,
    U: tl.constexpr,
    R: tl.constexpr,
    K1: tl.constexpr,
    K2: tl.constexpr,
):
    units = tl.program_id(0) * U + tl.arange(0, U)
    rows = tl.program_id(1) * R + tl.arange(0, R)
    columns = persistent.columns_of_W(W, units, 0, H, S, K1)
    total = tl.zeros((S, U, R), dtype=tl.float32)
    total = persistent.add_product(total, columns, dz, rows, 0, B, H, S, K1, "interpreted")
    if K2 > 0:
        columns = persistent.columns_of_W(W, units, K1, H, S, K2)
        total = persistent.add_product(total, columns, dz, rows, K1, B, H, S, K2, "interpreted")
    part = tl.sum(total, axis=0)
    inside = (units < H)[:, None] & (rows < B)[None, :]
    tl.store(dh + rows[None, :] * H + units[:, None], part, inside)


def product(B: int, H: int) -> float:
    """Return the relative error of dz W_hh, computed by many programs, each for 16 units and 16
    sequences.
    """
    random = np.random.default_rng([B, H])
    dz, W = (
        torch.tensor(random.normal(size=shape), dtype=torch.float32)
        for shape in ((B, 4 * H), (4 * H, H))
    )
    dh = torch.zeros(B, H)
    K1, K2 = persistent.split(H)
    grid = triton.cdiv(H, 16), triton.cdiv(B, 16)
    _product_kernel[grid](dz, W, dh, B, H, S=persistent.SPLIT, U=16, R=16, K1=K1, K2=K2)
    return relative_error(dh.numpy(), (dz.double() @ W.double()).numpy())


@triton.jit
def _waiting_kernel(counter, times, programs):
    for k in range(times):
        persistent.wait_for_all(counter, (k + 1) * programs)


def waited(times: int) -> int:
    """Return what the counter says after one program has waited so often for itself alone."""
    counter = torch.zeros(1, dtype=torch.int32)
    _waiting_kernel[(1,)](counter, times, 1)
    return int(counter)
