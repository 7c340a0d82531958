"""What went on around a round, as far as the system tells: stolen time, the clock's frequency, a
throttled GPU.

And what there is to be told of GPUs besides. All of it is only read, between turns; no setting is
changed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NamedTuple

import psutil

THROTTLE_REASONS = {
    "software power cap": 0x4,
    "hardware slowdown": 0x8,
    "software thermal slowdown": 0x20,
    "hardware thermal slowdown": 0x40,
    "hardware power brake": 0x80,
}
"""NVML's reasons for a lower clock that disturb a measurement, nvmlClocksEventReason...; being idle
is none of them.
"""
SM_CLOCK = 1
"""NVML's number of the clock of a GPU's processors, NVML_CLOCK_SM."""


class SystemState(NamedTuple):
    """What was seen during one round.

    Attributes:
        stolen: share of the machine's time that its host gave to others.
        mhz: clock frequency at the round's end, the mean of the cores', or the GPU's where that
            computes; None where the system does not tell.
        throttled: why the GPU ran below its clock at the round's end, "" if it did not or there is
            none.
    """

    stolen: float = 0.0
    mhz: float | None = None
    throttled: str = ""


@contextmanager
def watched(device: str) -> Iterator[Callable[[], SystemState]]:
    """Give a function that returns, after the block, what was seen during it."""
    before = psutil.cpu_times()
    after: list[SystemState] = []
    yield lambda: after[0]
    mhz, throttled = (gpu_mhz(), throttle_reasons()) if device == "cuda" else (_mhz(), "")
    after.append(SystemState(_stolen_share(before, psutil.cpu_times()), mhz, throttled))


def _stolen_share(before: Any, after: Any) -> float:
    total = sum(after) - sum(before)
    return (
        float((after.steal - before.steal) / total)
        if hasattr(after, "steal") and total > 0
        else 0.0
    )


def _mhz() -> float | None:
    with suppress(Exception):  # psutil raises what it pleases where there is nothing to read
        found = psutil.cpu_freq()
        return float(found.current) if found and found.current else None
    return None


def throttle_reasons() -> str:
    """Return why the first GPU runs below its clock now, or "" if it does not, or NVML is not there
    to ask.
    """
    mask = _ask("nvmlDeviceGetCurrentClocksEventReasons") or 0
    return ", ".join(reason for reason, bit in THROTTLE_REASONS.items() if mask & bit)


def gpu_mhz() -> float | None:
    """Return the frequency of the first GPU's processors now, None where NVML does not tell."""
    found = _ask("nvmlDeviceGetClockInfo", SM_CLOCK)
    return float(found) if found else None


def device_bytes() -> int | None:
    """Return the memory of the first GPU that this process holds now, None where NVML does not
    tell.

    In a container it may know the process by another number, or see no process at all.
    """
    for process in _ask("nvmlDeviceGetComputeRunningProcesses") or ():
        if process.pid == os.getpid() and process.usedGpuMemory:
            return int(process.usedGpuMemory)
    return None


def gpus() -> dict[str, Any]:
    """Return ``gpu``, what NVML tells of each, as ``environment.machine`` has it; {} where it tells
    nothing.
    """
    found = []
    with suppress(Exception):
        nvml: Any = (_gpu() or (None, None))[
            0
        ]  # without it, what follows fails, and nothing is told
        for index in range(nvml.nvmlDeviceGetCount()):
            gpu = nvml.nvmlDeviceGetHandleByIndex(index)
            found.append(
                {
                    "name": nvml.nvmlDeviceGetName(gpu),
                    "memory_bytes": nvml.nvmlDeviceGetMemoryInfo(gpu).total,
                    "most_mhz": nvml.nvmlDeviceGetMaxClockInfo(gpu, SM_CLOCK),
                    "power_limit_w": nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1000,
                    "driver": nvml.nvmlSystemGetDriverVersion(),
                }
            )
    return {"gpu": found} if found else {}


def _ask(question: str, *more: Any) -> Any:
    """Return what NVML answers of the first GPU, None if it does not, or is not there to ask."""
    handle = _gpu()
    with suppress(Exception):
        if handle is not None:
            nvml, gpu = handle
            return getattr(nvml, question)(gpu, *more)
    return None


@cache
def _gpu() -> tuple[Any, Any] | None:
    """Return NVML and its handle of the first GPU."""
    with suppress(Exception):  # not installed, no driver, no GPU
        import pynvml

        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    return None
