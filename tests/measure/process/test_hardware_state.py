"""The state of the system around a round, where it is known and where it is not."""

import os
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from lstmbench.measure.process import hardware_state
from lstmbench.measure.process.hardware_state import (
    HardwareMonitor,
    HardwareState,
    throttle_reasons,
)


def pretend_functions(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """Let NVML have these functions, and no others."""
    nvml = SimpleNamespace(**{"nvmlDeviceGetHandleByIndex": lambda index: "a GPU"} | functions)
    monkeypatch.setattr(hardware_state, "_nvml", lambda: nvml)


def no_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'pynvml'")

    monkeypatch.setattr(hardware_state, "_nvml", missing)


def state(device: str) -> HardwareState:
    return HardwareMonitor(device).state()


def pretend_gpu(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def reasons(handle: Any) -> int:
        return answer() if callable(answer) else answer

    pretend_functions(monkeypatch, nvmlDeviceGetCurrentClocksEventReasons=reasons)


def test_the_clock_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=2600.0))
    assert state("cpu").mhz == 2600.0
    assert 0 <= state("cpu").stolen <= 1


@pytest.mark.parametrize("answer", [None, SimpleNamespace(current=0.0), OSError("not here")])
def test_an_unknown_clock_is_missing_and_not_0(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    def ask() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(psutil, "cpu_freq", ask)
    assert state("cpu").mhz is None


def test_a_throttled_gpu_has_its_reasons_and_an_idle_one_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend_gpu(monkeypatch, 0x20 | 0x80)
    assert throttle_reasons() == "software thermal slowdown, hardware power brake"
    assert state("cuda").throttled
    pretend_gpu(monkeypatch, 0x1)  # idle
    assert throttle_reasons() == ""


def test_gpu_throttling_does_not_count_for_a_cpu_round(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpu(monkeypatch, 0x20)
    assert state("cpu").throttled == ""


def test_a_gpu_that_does_not_answer_is_not_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise RuntimeError("not supported")

    pretend_gpu(monkeypatch, fail)
    assert throttle_reasons() == ""
    no_nvml(monkeypatch)
    assert throttle_reasons() == ""
    assert HardwareState() == (0.0, None, "")


# Other values from NVML


def pretend_nvml(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> None:
    """Let NVML have functions with these results, and no others."""
    functions = {name: (lambda *_, answer=answer: answer) for name, answer in answers.items()}
    pretend_functions(monkeypatch, **functions)


def test_the_clock_of_a_gpu_round_is_the_gpu_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=2600.0))
    pretend_nvml(monkeypatch, nvmlDeviceGetClockInfo=1980)
    assert state("cuda").mhz == 1980.0
    pretend_nvml(monkeypatch)
    assert state("cuda").mhz is None


def test_the_device_s_memory_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    others = SimpleNamespace(pid=os.getpid() + 1, usedGpuMemory=7)
    own = SimpleNamespace(pid=os.getpid(), usedGpuMemory=5)
    pretend_nvml(monkeypatch, nvmlDeviceGetComputeRunningProcesses=[others, own])
    assert hardware_state.device_bytes() == 5
    pretend_nvml(monkeypatch, nvmlDeviceGetComputeRunningProcesses=[others])
    assert hardware_state.device_bytes() is None
    no_nvml(monkeypatch)
    assert hardware_state.device_bytes() is None


def test_gpus_are_described_by_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "nvmlDeviceGetCount": 2,
        "nvmlDeviceGetHandleByIndex": "a GPU",
        "nvmlDeviceGetName": "H100",
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=80 << 30),
        "nvmlDeviceGetMaxClockInfo": 1980,
        "nvmlDeviceGetEnforcedPowerLimit": 700_000,
        "nvmlSystemGetDriverVersion": "580.1",
    }
    pretend_nvml(monkeypatch, **answers)
    one = {
        "name": "H100",
        "memory_bytes": 80 << 30,
        "most_mhz": 1980,
        "power_limit_w": 700.0,
        "driver": "580.1",
    }
    assert hardware_state.gpus() == {"gpu": [one, one]}
    pretend_nvml(monkeypatch, nvmlDeviceGetCount=1)
    assert hardware_state.gpus() == {}
    no_nvml(monkeypatch)
    assert hardware_state.gpus() == {}
