"""Fork servers are started once for all workers that share them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lstmbench.measure.process import worker_pool
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.case import Workload


def test_each_fork_server_is_started_and_awaited_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, forks, killed = [], [], []

    class StartedServer:
        alive, ready = True, False

        def __init__(self, *arguments: Any, **_: Any) -> None:
            started.append(arguments)
            self.arguments = arguments

        def fork(self) -> Any:
            forks.append(self.arguments)
            assert len(started) == 2 * 2  # all start before the first is awaited
            self.ready = True
            return SimpleNamespace(kill=lambda: killed.append(self.arguments))

    monkeypatch.setattr(worker_pool, "ForkServer", StartedServer)
    pool, workload = WorkerPool(tmp_path), Workload("inference", 1, 2, 3, 4)
    names = ["numpy.fused", "torch.nn", "torch.fused", "numpy.reference"]
    for _ in range(2):
        pool.preload(names, workload, range(2))
    backends = {("numpy", 1, "cpu", 0), ("numpy", 1, "cpu", 1)}
    backends |= {("torch", 1, "cpu", 0), ("torch", 1, "cpu", 1)}
    assert set(started) == set(forks) == backends
    assert len(started) == len(forks) == 4
    assert killed == forks
