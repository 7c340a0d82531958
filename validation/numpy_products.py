"""Measure what the products and the elementwise work of a step cost in NumPy.

    OPENBLAS_NUM_THREADS=1 python validation/numpy_products.py

One core, float32, CPU time, minimum of several, by shapes (B, H). In GFLOP/s: h W_hh^T as one
product (``whole``), and ``cut`` into small ones as ``numpy.fused`` does (0: it does not cut); by
``Numba``, as ``numpy.numba`` does; and the ``gradient`` dz^T h over 50 steps. In nanoseconds for
each number of the four gates: NumPy's ``tanh``, and any other ``pass`` over them.
"""

import time
from collections.abc import Callable

import numpy as np

from lstmbench.variants import numpy_numba
from lstmbench.variants.kernels.blocked_matmul import BlockedMatmul

SHAPES = [(16, 64), (16, 256), (32, 512), (64, 1024), (128, 128)]


def seconds(call: Callable[[], object], least: float = 0.3) -> float:
    """Return the seconds of a call, in the fastest of some runs of five."""
    call()
    best, end = float("inf"), time.process_time() + least
    while time.process_time() < end:
        start = time.process_time_ns()
        for _ in range(5):
            call()
        best = min(best, (time.process_time_ns() - start) / 5e9)
    return best


def row(B: int, H: int) -> list[float]:
    """Measure one shape."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    work = 8 * B * H * H / 1e9
    matrices, h, z, a = normal(4, H, H), normal(B, H), normal(4, B, H), normal(4, B, H)
    weight = BlockedMatmul((4, H, H), "float32", lambda g, matrices=matrices: matrices[g])
    dz, hs = normal(50 * B, 4 * H), normal(50 * B, H)
    blocks, rows = numpy_numba._pack(normal(H, 4 * H)), z.reshape(B, 4 * H)
    return [
        work / seconds(lambda: np.matmul(h, matrices, out=z)),
        work / seconds(lambda: weight.multiply(h, z)) if weight.rows_at_once(B) else 0,
        work / seconds(lambda: numpy_numba._add_product(rows, h, blocks)),
        50 * work / seconds(lambda: dz.T @ hs),
        1e9 * seconds(lambda: np.tanh(a, out=z)) / z.size,
        1e9 * seconds(lambda: np.multiply(a, 0.5, out=z)) / z.size,
    ]


def main() -> None:
    """Print one row for each shape."""
    print("|  B |    H | whole | cut | Numba | gradient | tanh | pass |")
    print("| --: | --: | --: | --: | --: | --: | --: | --: |")
    for B, H in SHAPES:
        *rates, tanh, one_pass = row(B, H)
        print(
            f"| {B} | {H} | {' | '.join(f'{rate:.0f}' for rate in rates)} "
            f"| {tanh:.2f} | {one_pass:.2f} |"
        )


if __name__ == "__main__":
    main()
