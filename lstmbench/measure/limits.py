"""The machine's own limits, measured in the run: matrix products, large and in a workload's shapes, and a copy."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.measure.case import Workload

N = 1024
COPIED_BYTES = 2**27
REPEATS = 7
SLICE_FLOPS = 5e8
"""A long product is timed on some of its rows, of about so many FLOP: its rate does not depend on how many more."""
SHORTEST_S = 2e-3
"""A short product is repeated in a loop for at least this long."""


def measure(dtype: str) -> dict[str, float]:
    """Return ``flops_per_s`` of an N x N product and ``bytes_per_s`` of a copy, read plus written.

    Medians over a few repeats, on the threads that this process may use. bfloat16 is held against float32's rate,
    since NumPy has no product in bfloat16.
    """
    generator = np.random.default_rng(0)
    a, b = (_draw(generator, (N, N), dtype) for _ in range(2))
    product = np.empty_like(a)
    source = generator.integers(0, 255, COPIED_BYTES, dtype=np.uint8)
    target = np.empty_like(source)
    return {
        "flops_per_s": 2 * N**3 / _median_s(lambda: np.matmul(a, b, out=product)),
        "bytes_per_s": 2 * COPIED_BYTES / _median_s(lambda: np.copyto(target, source)),
    }


def products_s(workload: Workload) -> float:
    """Return the seconds that the matrix products of one call take by themselves, in NumPy, in the shapes they have.

    Those are, for each layer and direction, forward: x W_ih for all steps at once, (T B, I) by (I, 4H), and T times
    h W_hh, (B, H) by (H, 4H). In training as well: T times dz W_hh^T, (B, 4H) by (4H, H), and once, over all steps,
    dz W_ih^T, (T B, 4H) by (4H, I), and the weights' gradients x^T dz and h^T dz, (I, T B) and (H, T B) by (T B, 4H).
    Where sequences have lengths, it is their share of the padded steps.
    """
    share = workload.steps / (workload.seq_len * workload.batch_size)
    distinct = {features: _layer_products_s(workload, features) for features in set(workload.layer_inputs)}
    return share * sum(distinct[features] for features in workload.layer_inputs)


def _layer_products_s(workload: Workload, features: int) -> float:
    """Return the seconds of the products of one layer in one direction, with so many features as its input."""
    T, B, H = workload.seq_len, workload.batch_size, workload.hidden_size
    tall = [(T * B, features, 4 * H)]
    steps = [(B, H, 4 * H)]
    wide: list[tuple[int, int, int]] = []
    if workload.mode == "training":
        tall.append((T * B, 4 * H, features))
        steps.append((B, 4 * H, H))
        wide = [(features, T * B, 4 * H), (H, T * B, 4 * H)]
    dtype = workload.dtype
    long = sum(_product_s(m, k, n, dtype, cut="m") for m, k, n in tall)
    long += sum(_product_s(m, k, n, dtype, cut="k") for m, k, n in wide)
    return long + T * sum(_product_s(m, k, n, dtype) for m, k, n in steps)


def _product_s(m: int, k: int, n: int, dtype: str, cut: str = "") -> float:
    """Return the seconds of an (m, k) by (k, n) product; the long side ``cut`` may be timed on a part of it."""
    share = min(1.0, SLICE_FLOPS / (2.0 * m * k * n))
    if cut == "m":
        whole, m = m, max(1, round(m * share))
        scale = whole / m
    elif cut == "k":
        whole, k = k, max(1, round(k * share))
        scale = whole / k
    else:
        scale = 1.0
    generator = np.random.default_rng(0)
    a, b = _draw(generator, (m, k), dtype), _draw(generator, (k, n), dtype)
    product = np.empty((m, n), a.dtype)
    return scale * _median_s(lambda: np.matmul(a, b, out=product), repeats=3, shortest_s=SHORTEST_S)


def _draw(generator: np.random.Generator, shape: tuple[int, int], dtype: str) -> NDArray[Any]:
    kind = np.float64 if dtype == "float64" else np.float32
    return generator.standard_normal(shape, dtype=kind)


def _median_s(call: Callable[[], Any], repeats: int = REPEATS, shortest_s: float = 0.0) -> float:
    """Return the median seconds of a call, each the mean over so many in a row that they last ``shortest_s``."""
    call()
    start = time.perf_counter()
    call()
    calls = 1 + int(shortest_s / (time.perf_counter() - start + 1e-9))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        seconds.append((time.perf_counter() - start) / calls)
    return float(np.median(seconds))
