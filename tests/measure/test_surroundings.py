"""What is read around a round: where the system tells, and where it does not."""

from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from lstmbench.measure import surroundings
from lstmbench.measure.surroundings import Surroundings, throttle_reasons, watched


def pretend_gpu(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def reasons(handle: Any) -> int:
        return answer() if callable(answer) else answer

    nvml = SimpleNamespace(nvmlDeviceGetCurrentClocksEventReasons=reasons)
    monkeypatch.setattr(surroundings, "_gpu", lambda: (nvml, "the first"))


def test_the_clock_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=2600.0))
    with watched("cpu") as seen:
        pass
    assert seen().mhz == 2600.0
    assert 0 <= seen().stolen <= 1


@pytest.mark.parametrize("answer", [None, SimpleNamespace(current=0.0), OSError("not here")])
def test_a_clock_that_is_not_told_is_missing_and_not_0(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
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
    monkeypatch.setattr(surroundings, "_gpu", lambda: None)
    assert throttle_reasons() == ""
    assert Surroundings() == (0.0, None, "")
