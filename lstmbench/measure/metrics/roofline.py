"""How close a call is to the machine's peaks: the least possible time over the measured time.

    least time = max(FLOP / peak FLOP/s of a large matrix product, bytes / copy bandwidth)

FLOP are those of the matrix products (``Workload.flops``). Bytes are those that must cross memory
at least once: inputs and outputs, twice in training (also their gradients). Both peaks are measured
in the same rounds with the same threads and dtype, and the fraction is that within rounds, since a
shared machine has no constant peak. Weights count once, though each step reads them: they stay in
the caches, or the fraction is too low.

``products_fraction`` relates the time to that of the matrix products of these very shapes in NumPy,
``products_s``, which are far below the peak where B or H are small. It exceeds 1 where an
implementation has better or fewer products; ``lstmbench.measure.machine_peaks.products`` lists
them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmbench.measure.metrics import Evidence
from lstmbench.measure.statistics import process_interval
from lstmbench.results.schema import PEAK_COLUMNS

NEEDS = frozenset({"samples"})


def compute(evidence: Evidence) -> dict[str, Any]:
    """Return ``flops``, both fractions with their 95 % intervals, and the medians of the peaks."""
    workload, rounds, peaks = evidence.workload, evidence.rounds, evidence.machine_peaks
    columns: dict[str, Any] = {"flops": workload.flops}
    if not peaks or not all(values for process in peaks for values in process):
        return columns
    numbers = workload.seq_len * workload.batch_size * (workload.input_size + workload.hidden_size)
    moved = numbers * workload.item_bytes * (2 if workload.mode == "training" else 1)

    def by_process(name: str) -> list[NDArray[np.float64]]:
        return [np.array([values[name] for values in process]) for process in peaks]

    flops_per_s, bytes_per_s = by_process("machine_flops_per_s"), by_process("machine_bytes_per_s")
    least_s = [
        np.maximum(workload.flops / flops, moved / bytes_)
        for flops, bytes_ in zip(flops_per_s, bytes_per_s, strict=True)
    ]
    for name, limit_s in ("roofline", least_s), ("products", by_process("products_s")):
        fraction = process_interval(
            [least / own for least, own in zip(limit_s, rounds, strict=True)]
        )
        columns |= {
            f"{name}_fraction": fraction.estimate,
            f"{name}_low": fraction.low,
            f"{name}_high": fraction.high,
        }
    medians = {name: float(np.median(np.concatenate(by_process(name)))) for name in PEAK_COLUMNS}
    return columns | medians
