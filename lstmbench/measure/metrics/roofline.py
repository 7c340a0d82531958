"""How near to the machine's limit: the least time that the arithmetic or the memory traffic takes, over the time taken.

    least time = max(FLOP / rate of a large matrix product, bytes / copy bandwidth)

FLOP are those of the matrix products (``Workload.flops``). Bytes are those that must cross memory at least once:
inputs and outputs, in training twice (forward, and as gradients). Both rates are measured in the same run, on the
same number of threads, in the same dtype. Weights that are read again at each step are counted once: they fit the
caches, or else the share of the limit that is shown is too low.

A second share says how near to what matrix products of these very shapes can do, which is far from the rate of a
large one where B or H are small: ``products_s`` is how long the products of a call took by themselves, in NumPy, and
``products_fraction`` that time over the time taken. It can exceed 1 where an implementation's products are better
than NumPy's, or are fewer (see ``lstmbench.measure.limits.products_s`` for which they are).
"""

from typing import Any

import numpy as np

from lstmbench.measure.metrics import Evidence

NEEDS = frozenset({"samples"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return ``flops`` of one call, ``roofline_fraction``, ``products_s`` and ``products_fraction``."""
    workload, limits = evidence.workload, evidence.limits
    columns: dict[str, Any] = {"flops": workload.flops}
    if limits:
        time_s = float(np.median(np.concatenate(evidence.rounds)))
        numbers = workload.seq_len * workload.batch_size * (workload.input_size + workload.hidden_size)
        moved = numbers * workload.item_bytes
        moved *= 2 if workload.mode == "training" else 1
        least_s = max(workload.flops / limits["flops_per_s"], moved / limits["bytes_per_s"])
        columns["roofline_fraction"] = least_s / time_s
    if "products_s" in limits:
        columns |= {"products_s": limits["products_s"], "products_fraction": limits["products_s"] / time_s}
    return columns
