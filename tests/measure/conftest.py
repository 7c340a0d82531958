"""What measuring is tested with: a way to run a tiny suite, plug-ins, and a look at the processes
left over.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiny
from tiny import install, uninstall, write_suite

import lstmbench as lb
from lstmbench.measure.process.worker_pool import WorkerPool


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Install plug-ins, given as ``{name: module}``, for one test."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield lambda points: install(monkeypatch, tmp_path / "site", points)
        uninstall(monkeypatch)


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., lb.Run]:
    """Write a tiny suite and measure it; arguments as of ``tiny.content``."""

    def run(*arguments: Any, **top: Any) -> lb.Run:
        path = write_suite(tmp_path / "tiny.yaml", *arguments, **top)
        return lb.run(path, tmp_path / "out", progress=False, seed=0)

    return run


@pytest.fixture(scope="session")
def given_limits() -> Iterator[None]:
    """Have the machine's limits given, not measured."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(WorkerPool, "machine_worker", tiny.given_limits)
        yield


@pytest.fixture(scope="module")
def in_process() -> Iterator[None]:
    """Have suites measured in this process, and the machine's limits given."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        tiny.measure_in_process(monkeypatch)
        yield


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Hold that the test ends without a process that it has started."""
    before = set(psutil.Process().children(recursive=True))
    yield
    left = set(psutil.Process().children(recursive=True)) - before
    assert not left, left
