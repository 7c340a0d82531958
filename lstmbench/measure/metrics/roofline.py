"""How near to the machine's limit: the least time that the arithmetic or the memory traffic takes,
over the time taken.

    least time = max(FLOP / rate of a large matrix product, bytes / copy bandwidth)

FLOP are those of the matrix products (``Workload.flops``). Bytes are those that must cross memory
at least once: inputs and outputs, in training twice (forward, and as gradients). Both rates are
measured in the same rounds, on the
same number of threads, in the same dtype, and the share is the median of the shares within rounds:
a machine that is shared has no one rate. Weights that are read again at each step are counted once:
they fit the caches, or else the share of the limit that is shown is too low.

A second share says how near to what matrix products of these very shapes can do, which is far from
the rate of a
large one where B or H are small: ``products_s`` is how long the products of a call took by
themselves, in NumPy, and ``products_fraction`` that time over the time taken. It can exceed 1 where
an implementation's products are better than NumPy's, or are fewer (see
``lstmbench.measure.roofline.products`` for which they are).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.measure.metrics import Evidence
from lstmbench.measure.roofline import LIMITS
from lstmbench.measure.statistics import median_interval

NEEDS = frozenset({"samples"})
Array = NDArray[np.float64]


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return ``flops`` of a call, both shares with their 95 % intervals, and the medians of what
    they are shares of.
    """
    workload, rounds = evidence.workload, evidence.rounds
    columns: dict[str, Any] = {"flops": workload.flops}
    if not evidence.limits or not all(limits for process in evidence.limits for limits in process):
        return columns
    numbers = workload.seq_len * workload.batch_size * (workload.input_size + workload.hidden_size)
    moved = numbers * workload.item_bytes * (2 if workload.mode == "training" else 1)

    def limit(name: str) -> list[Array]:
        return [np.array([limits[name] for limits in process]) for process in evidence.limits]

    rates = zip(limit("machine_flops_per_s"), limit("machine_bytes_per_s"), strict=True)
    least_s = [
        np.maximum(workload.flops / flops_per_s, moved / bytes_per_s)
        for flops_per_s, bytes_per_s in rates
    ]
    for name, limit_s in ("roofline", least_s), ("products", limit("products_s")):
        share = median_interval([own / taken for own, taken in zip(limit_s, rounds, strict=True)])
        columns |= {
            f"{name}_fraction": share.median,
            f"{name}_low": share.low,
            f"{name}_high": share.high,
        }
    return columns | {name: float(np.median(np.concatenate(limit(name)))) for name in LIMITS}
