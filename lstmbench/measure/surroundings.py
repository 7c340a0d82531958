"""What went on around a round, as far as the system tells: stolen time, the clock's frequency, a throttled GPU.

All of it is only read, in the parent, between turns; no setting is changed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NamedTuple

import psutil

SLOWED_DOWN = {
    "software power cap": 0x4,
    "hardware slowdown": 0x8,
    "software thermal slowdown": 0x20,
    "hardware thermal slowdown": 0x40,
    "hardware power brake": 0x80,
}
"""NVML's reasons for a lower clock that disturb a measurement, nvmlClocksEventReason...; being idle is none of them."""


class Surroundings(NamedTuple):
    """What was seen during one round.

    Attributes:
        stolen: share of the machine's time that its host gave to others.
        mhz: mean clock frequency of the cores at the round's end; None where the system does not tell.
        throttled: why the GPU ran below its clock at the round's end, "" if it did not or there is none.
    """

    stolen: float = 0.0
    mhz: float | None = None
    throttled: str = ""


@contextmanager
def watched(device: str) -> Iterator[Callable[[], Surroundings]]:
    """Give a function that returns, after the block, what was seen during it."""
    before = psutil.cpu_times()
    after: list[Surroundings] = []
    yield lambda: after[0]
    throttled = throttle_reasons() if device == "cuda" else ""
    after.append(Surroundings(_stolen_share(before, psutil.cpu_times()), _mhz(), throttled))


def _stolen_share(before: Any, after: Any) -> float:
    total = sum(after) - sum(before)
    return float((after.steal - before.steal) / total) if hasattr(after, "steal") and total > 0 else 0.0


def _mhz() -> float | None:
    with suppress(Exception):  # psutil raises what it pleases where there is nothing to read
        found = psutil.cpu_freq()
        return float(found.current) if found and found.current else None
    return None


def throttle_reasons() -> str:
    """Return why the first GPU runs below its clock now, or "" if it does not, or NVML is not there to ask."""
    handle = _gpu()
    if handle is None:
        return ""
    nvml, gpu = handle
    with suppress(Exception):
        mask = nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)
        return ", ".join(reason for reason, bit in SLOWED_DOWN.items() if mask & bit)
    return ""


@cache
def _gpu() -> tuple[Any, Any] | None:
    """Return NVML and its handle of the first GPU."""
    with suppress(Exception):  # not installed, no driver, no GPU
        import pynvml

        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    return None
