"""The machine's peaks: rates of matrix products, large and in a workload's shapes, and a copy.

They are measured in each round, alternating with the implementations, since a shared machine has no
constant peak: a core was seen to multiply at 83 GFLOP/s in one second and at 66 in the next. The
fraction of the peak is a ratio within rounds.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.measure.suites.case import Workload

N = 1024
"""Rows and columns of the large product, far above the block sizes of a BLAS."""
COPIED_BYTES = 2**24
COPIES = 8
"""Each measurement copies another block of 16 MiB. Eight of them, read and written, are more than
the last-level cache of most processors: a block has left it when its turn comes again."""
MIN_ROWS = 512
"""A long product is timed on this many of its rows or more, where its rate was within 5 % of the
whole. On 60 rows, 1024 by 4096 had 0.77 of it: a BLAS packs the whole matrix for those as well."""
MIN_FLOPS = 5e8
"""... and on so many rows that it has about this many FLOP, a few milliseconds of a core."""
MIN_LOOP_S = 2e-3
"""Short products are repeated in a loop of this length, as long as a sample of a case."""

Timer = Callable[[], float]
"""Measures and returns the seconds of a product."""


class MachinePeaks:
    """What the machine can do at a workload, with its dtype, on the threads of this process."""

    def __init__(self, workload: Workload) -> None:
        self.large = _product_timer(N, N, N, workload.dtype)
        self.products = products(workload)
        self.source, self.target = (np.ones((COPIES, COPIED_BYTES), np.uint8) for _ in range(2))
        self.copies = 0

    def measure(self) -> dict[str, float]:
        """Measure the peaks once.

        Returns:
            ``products_s``, the seconds of the matrix products of one call;
            ``machine_flops_per_s`` of an N x N product; ``machine_bytes_per_s`` of a copy, read
            plus written. With dtype bfloat16 the products are in float32: NumPy has no bfloat16.
        """
        block = self.copies % COPIES
        self.copies += 1
        start = time.perf_counter()
        np.copyto(self.target[block], self.source[block])
        copy_s = time.perf_counter() - start
        products_s = sum(count * seconds() for count, seconds in self.products)
        return {
            "products_s": products_s,
            "machine_flops_per_s": 2 * N**3 / self.large(),
            "machine_bytes_per_s": 2 * COPIED_BYTES / copy_s,
        }


def products(workload: Workload) -> list[tuple[float, Timer]]:
    """Return the matrix products of one call: how often each is done, and its timer.

    For each layer and direction, forward: x W_ih for all steps at once, (T B, I) by (I, 4H), and
    T times h W_hh, (B, H) by (H, 4H). Training adds T times dz W_hh^T, (B, 4H) by (4H, H), and once
    for all steps dz W_ih^T, (T B, 4H) by (4H, I), and the gradients of the weights, x^T dz and
    h^T dz, (I, T B) and (H, T B) by (T B, 4H). Counts are scaled by the share of steps that are not
    padding.
    """
    T, B, H, dtype = workload.seq_len, workload.batch_size, workload.hidden_size, workload.dtype
    inputs = workload.layer_inputs
    forward, backward = (
        [(len(inputs) * T, B, H, 4 * H, "")],
        [(len(inputs) * T, B, 4 * H, H, ""), (len(inputs), H, T * B, 4 * H, "k")],
    )
    for features in set(inputs):
        count = inputs.count(features)
        forward += [(count, T * B, features, 4 * H, "m")]
        backward += [(count, T * B, 4 * H, features, "m"), (count, features, T * B, 4 * H, "k")]
    share = workload.steps / (T * B)
    return [
        (share * count, _product_timer(m, k, n, dtype, long_side))
        for count, m, k, n, long_side in forward + backward * (workload.mode == "training")
    ]


def _product_timer(m: int, k: int, n: int, dtype: str, long_side: str = "") -> Timer:
    """Return a timer of an (m, k) by (k, n) product, which may cut the long side, m or k."""
    whole = {"m": m, "k": k}.get(long_side, 1)
    part = min(whole, max(MIN_ROWS, round(whole * MIN_FLOPS / (2.0 * m * k * n))))
    m, k = (part if long_side == "m" else m), (part if long_side == "k" else k)
    generator, kind = np.random.default_rng(0), np.float64 if dtype == "float64" else np.float32
    shapes: tuple[tuple[int, int], ...] = ((m, k), (k, n))
    seconds = _loop_timer(*(generator.standard_normal(shape, dtype=kind) for shape in shapes))
    return lambda: whole / part * seconds()


def _loop_timer(a: NDArray[Any], b: NDArray[Any]) -> Timer:
    """Return a timer of a @ b: the mean seconds in a loop of at least ``MIN_LOOP_S``."""
    product = a @ b

    def loop(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            np.matmul(a, b, out=product)
        return (time.perf_counter() - start) / calls

    calls = 1 + int(MIN_LOOP_S / (loop(1) + 1e-9))
    return lambda: loop(calls)
