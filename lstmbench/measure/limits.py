"""The machine's own limits, measured in the run: the rate of a large matrix product, and the copy bandwidth."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

N = 1024
COPIED_BYTES = 2**27
REPEATS = 7


def measure(dtype: str) -> dict[str, float]:
    """Return ``flops_per_s`` of an N x N product and ``bytes_per_s`` of a copy, read plus written.

    Medians over a few repeats, on the threads that this process may use. bfloat16 is held against float32's rate,
    since NumPy has no product in bfloat16.
    """
    kind = np.dtype("float64" if dtype == "float64" else "float32")
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal((N, N)).astype(kind) for _ in range(2))
    product = np.empty_like(a)
    source = generator.integers(0, 255, COPIED_BYTES, dtype=np.uint8)
    target = np.empty_like(source)
    return {
        "flops_per_s": 2 * N**3 / _median_s(lambda: np.matmul(a, b, out=product)),
        "bytes_per_s": 2 * COPIED_BYTES / _median_s(lambda: np.copyto(target, source)),
    }


def _median_s(call: Callable[[], Any]) -> float:
    call()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
