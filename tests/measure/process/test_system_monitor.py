"""What is read around a round: where the system tells, and where it does not."""

import os
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from lstmbench.measure.process import system_monitor
from lstmbench.measure.process.system_monitor import SystemState, throttle_reasons, watched


def pretend_gpu(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def reasons(handle: Any) -> int:
        return answer() if callable(answer) else answer

    nvml = SimpleNamespace(nvmlDeviceGetCurrentClocksEventReasons=reasons)
    monkeypatch.setattr(system_monitor, "_gpu", lambda: (nvml, "the first"))


def test_the_clock_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=2600.0))
    with watched("cpu") as seen:
        pass
    assert seen().mhz == 2600.0
    assert 0 <= seen().stolen <= 1


@pytest.mark.parametrize("answer", [None, SimpleNamespace(current=0.0), OSError("not here")])
def test_a_clock_that_is_not_told_is_missing_and_not_0(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    def ask() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(psutil, "cpu_freq", ask)
    with watched("cpu") as seen:
        pass
    assert seen().mhz is None


def test_a_throttled_gpu_says_why_and_an_idle_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpu(monkeypatch, 0x20 | 0x80)
    assert throttle_reasons() == "software thermal slowdown, hardware power brake"
    with watched("cuda") as seen:
        pass
    assert seen().throttled
    pretend_gpu(monkeypatch, 0x1)  # idle
    assert throttle_reasons() == ""


def test_the_gpu_is_not_asked_for_what_runs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpu(monkeypatch, 0x20)
    with watched("cpu") as seen:
        pass
    assert seen().throttled == ""


def test_a_gpu_that_does_not_answer_is_not_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise RuntimeError("not supported")

    pretend_gpu(monkeypatch, fail)
    assert throttle_reasons() == ""
    monkeypatch.setattr(system_monitor, "_gpu", lambda: None)
    assert throttle_reasons() == ""
    assert SystemState() == (0.0, None, "")


# What NVML tells besides


def pretend_nvml(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> None:
    """Let NVML answer these questions of a GPU, and no others."""
    functions = {name: (lambda *_, answer=answer: answer) for name, answer in answers.items()}
    monkeypatch.setattr(system_monitor, "_gpu", lambda: (SimpleNamespace(**functions), "the first"))


def test_the_clock_of_what_runs_on_a_gpu_is_the_gpu_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=2600.0))
    pretend_nvml(monkeypatch, nvmlDeviceGetClockInfo=1980)
    with watched("cuda") as seen:
        pass
    assert seen().mhz == 1980.0
    pretend_nvml(monkeypatch)
    with watched("cuda") as seen:
        pass
    assert seen().mhz is None


def test_the_device_s_memory_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    others = SimpleNamespace(pid=os.getpid() + 1, usedGpuMemory=7)
    own = SimpleNamespace(pid=os.getpid(), usedGpuMemory=5)
    pretend_nvml(monkeypatch, nvmlDeviceGetComputeRunningProcesses=[others, own])
    assert system_monitor.device_bytes() == 5
    pretend_nvml(monkeypatch, nvmlDeviceGetComputeRunningProcesses=[others])
    assert system_monitor.device_bytes() is None
    monkeypatch.setattr(system_monitor, "_gpu", lambda: None)
    assert system_monitor.device_bytes() is None


def test_gpus_are_described_as_far_as_nvml_tells(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert system_monitor.gpus() == {"gpu": [one, one]}
    pretend_nvml(monkeypatch, nvmlDeviceGetCount=1)
    assert system_monitor.gpus() == {}
    monkeypatch.setattr(system_monitor, "_gpu", lambda: None)
    assert system_monitor.gpus() == {}
