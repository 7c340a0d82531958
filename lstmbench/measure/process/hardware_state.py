"""The system around a round: stolen time, clock frequency, GPU throttling; and its GPUs.

All values are only read, between turns; no setting is changed.
"""

import os
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
"""The nvmlClocksEventReason... bits (nvml.h) that disturb a measurement; being idle does not."""
SM_CLOCK = 1
"""NVML_CLOCK_SM (nvml.h): the clock of a GPU's processors."""


class HardwareState(NamedTuple):
    """What was seen during one round.

    Attributes:
        stolen: share of the machine's time that its host gave to other virtual machines.
        mhz: clock frequency at the round's end, of the GPU or the mean of the cores; None if
            unknown.
        throttled: why the GPU ran below its clock at the round's end; "" if it did not.
    """

    stolen: float = 0.0
    mhz: float | None = None
    throttled: str = ""


class HardwareMonitor:
    """Watches the system from its creation on, for a round on ``cpu`` or ``cuda``."""

    def __init__(self, device: str) -> None:
        self.device, self.times = device, psutil.cpu_times()

    def state(self) -> HardwareState:
        """Return what was seen until now."""
        stolen = _stolen_share(self.times, psutil.cpu_times())
        if self.device == "cuda":
            return HardwareState(stolen, gpu_mhz(), throttle_reasons())
        return HardwareState(stolen, _cpu_mhz())


def _stolen_share(before: Any, after: Any) -> float:
    total = sum(after) - sum(before)
    steal = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)  # Linux only
    return float(steal / total) if total > 0 else 0.0


def _cpu_mhz() -> float | None:
    try:
        return float(psutil.cpu_freq().current) or None
    except Exception:  # psutil raises errors of many types where there is nothing to read
        return None


def throttle_reasons() -> str:
    """Return why the first GPU runs below its clock now, "" if it does not or NVML is missing."""
    mask = _query("nvmlDeviceGetCurrentClocksEventReasons") or 0
    return ", ".join(reason for reason, bit in THROTTLE_REASONS.items() if mask & bit)


def gpu_mhz() -> float | None:
    """Return the frequency of the first GPU's processors now, None if unknown."""
    mhz = _query("nvmlDeviceGetClockInfo", SM_CLOCK)
    return float(mhz) if mhz else None


def device_bytes() -> int | None:
    """Return the memory that this process holds on the first GPU now, None if unknown.

    In a container, NVML may know the process by another id, or not at all.
    """
    for process in _query("nvmlDeviceGetComputeRunningProcesses") or ():
        if process.pid == os.getpid() and process.usedGpuMemory:
            return int(process.usedGpuMemory)
    return None


def gpus() -> dict[str, Any]:
    """Return ``gpu``: the properties of each GPU, for ``environment.machine``; {} if unknown."""
    try:
        nvml = _nvml()
        handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        properties = [
            {
                "name": nvml.nvmlDeviceGetName(gpu),
                "memory_bytes": nvml.nvmlDeviceGetMemoryInfo(gpu).total,
                "most_mhz": nvml.nvmlDeviceGetMaxClockInfo(gpu, SM_CLOCK),
                "power_limit_w": nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1000,
                "driver": nvml.nvmlSystemGetDriverVersion(),
            }
            for gpu in handles
        ]
    except Exception:  # no driver, no GPU, or a property that this GPU does not have
        return {}
    return {"gpu": properties} if properties else {}


def _query(function: str, *arguments: Any) -> Any:
    """Return NVML's answer about the first GPU, None if there is none."""
    try:
        nvml = _nvml()
        return getattr(nvml, function)(nvml.nvmlDeviceGetHandleByIndex(0), *arguments)
    except Exception:  # NVML is not installed, or finds no driver or no GPU, or does not support it
        return None


@cache
def _nvml() -> Any:
    """Return the NVML library, ready for use."""
    import pynvml

    pynvml.nvmlInit()
    return pynvml
