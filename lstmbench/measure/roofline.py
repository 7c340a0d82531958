"""The machine's own limits: matrix products, large and in a workload's shapes, and a copy.

They are measured in each round, in turn with the implementations, since a machine that is shared
has no one rate: a core was seen to multiply at 83 GFLOP/s in one second and at 66 in the next. A
share of the limit is a ratio within rounds.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.measure.suites.case import Workload

LIMITS = ("products_s", "machine_flops_per_s", "machine_bytes_per_s")
"""What is measured: columns of the samples, one value a round, and of the records, their median."""
N = 1024
COPIED_BYTES = 2**24
COPIES = 8
"""Each turn copies another part of so many: what was copied so long ago is in no cache."""
SLICE = 512
"""A long product is timed on so many of its rows, or more: from there on its rate is that of the
whole, within 5 %; on 60 rows, 1024 by 4096 had 0.77 of it, since a BLAS lays out all of the matrix
for those as
well."""
SLICE_FLOPS = 5e8
"""... and on so many that it has about so many FLOP."""
SHORTEST_S = 2e-3
"""A short product is repeated in a loop for at least this long."""

Seconds = Callable[[], float]
"""Takes a time, in seconds."""


class MachinePeaks:
    """What the machine could do at a workload, in its dtype and on the threads that this process
    may use.
    """

    def __init__(self, workload: Workload) -> None:
        self.large = _product(N, N, N, workload.dtype)
        self.products = products(workload)
        self.source, self.target = (np.ones((COPIES, COPIED_BYTES), np.uint8) for _ in range(2))
        self.turns = 0

    def measure(self) -> dict[str, float]:
        """Take one turn.

        Returns:
            ``products_s``, the seconds that the products of one call take by themselves,
            ``machine_flops_per_s`` of an N x N product, and ``machine_bytes_per_s`` of a copy, read
            plus written. bfloat16 is held against float32, since NumPy has no product in bfloat16.
        """
        part = self.turns % COPIES
        self.turns += 1
        start = time.perf_counter()
        np.copyto(self.target[part], self.source[part])
        copy_s = time.perf_counter() - start
        products_s = sum(times * seconds() for times, seconds in self.products)
        return dict(
            zip(
                LIMITS,
                (products_s, 2 * N**3 / self.large(), 2 * COPIED_BYTES / copy_s),
                strict=True,
            )
        )


def products(workload: Workload) -> list[tuple[float, Seconds]]:
    """Return the matrix products of one call in NumPy: how often each is done, and what times it in
    its own shape.

    Those are, for each layer and direction, forward: x W_ih for all steps at once, (T B, I) by (I,
    4H), and T times h W_hh, (B, H) by (H, 4H). In training as well: T times dz W_hh^T, (B, 4H) by
    (4H, H), and once, over all steps, dz W_ih^T, (T B, 4H) by (4H, I), and the weights' gradients
    x^T dz and h^T dz, (I, T B) and (H, T B) by (T B, 4H). Where sequences have lengths, it is their
    share of the padded steps.
    """
    T, B, H, dtype = workload.seq_len, workload.batch_size, workload.hidden_size, workload.dtype
    share = workload.steps / (T * B)
    training = workload.mode == "training"
    layers = len(workload.layer_inputs)
    found = [(share * layers * T, _product(B, H, 4 * H, dtype))]
    if training:
        found += [
            (share * layers * T, _product(B, 4 * H, H, dtype)),
            (share * layers, _product(H, T * B, 4 * H, dtype, cut="k")),
        ]
    for features in set(workload.layer_inputs):
        times = share * workload.layer_inputs.count(features)
        found.append((times, _product(T * B, features, 4 * H, dtype, cut="m")))
        if training:
            found += [
                (times, _product(T * B, 4 * H, features, dtype, cut="m")),
                (times, _product(features, T * B, 4 * H, dtype, cut="k")),
            ]
    return found


def _product(m: int, k: int, n: int, dtype: str, cut: str = "") -> Seconds:
    """Return what times an (m, k) by (k, n) product; the long side ``cut`` may be timed on a part
    of it.
    """
    whole = {"m": m, "k": k}.get(cut, 1)
    part = min(whole, max(SLICE, round(whole * SLICE_FLOPS / (2.0 * m * k * n))))
    m, k = (part if cut == "m" else m), (part if cut == "k" else k)
    generator = np.random.default_rng(0)
    a, b = _draw(generator, (m, k), dtype), _draw(generator, (k, n), dtype)
    product = np.empty((m, n), a.dtype)
    seconds = _repeated(lambda: np.matmul(a, b, out=product))
    return lambda: whole / part * seconds()


def _draw(generator: np.random.Generator, shape: tuple[int, int], dtype: str) -> NDArray[Any]:
    kind = np.float64 if dtype == "float64" else np.float32
    return generator.standard_normal(shape, dtype=kind)


def _repeated(call: Callable[[], Any]) -> Seconds:
    """Return what gives the mean seconds of a call, of so many in a row that they last
    ``SHORTEST_S``.
    """
    call()
    start = time.perf_counter()
    call()
    calls = 1 + int(SHORTEST_S / (time.perf_counter() - start + 1e-9))

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls

    return seconds
