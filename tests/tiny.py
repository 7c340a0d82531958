"""Suites that take no time to measure, and plug-ins that misbehave while they are measured."""

import math
import os
import re
import select
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from lstmbench.core import registry
from lstmbench.errors import LstmbenchError
from lstmbench.measure import case_run, environment
from lstmbench.measure.process import worker, worker_pool
from lstmbench.measure.process.worker_pool import WorkerPool

PLUGINS = Path(__file__).parent / "measure" / "plugins"
GRID = {"seq_len": 4, "batch_size": 2, "hidden_size": 3, "input_size": 5, "mode": "inference"}
BUDGET = {
    "processes": 1,
    "min_rounds": 2,
    "seconds_per_case": 0.001,
    "turn_s": 0.001,
    "timeout_s": 120,
}
PEAKS = {"machine_flops_per_s": 1e10, "machine_bytes_per_s": 1e10, "products_s": 1e-5}


def given_limits(pool: Any, workload: Any) -> Any:
    """In place of the process that measures the machine's limits, which takes a second, and matters
    to few tests.
    """
    return SimpleNamespace(request=lambda *_, **__: PEAKS, kill=lambda: None)


class InProcessWorker:
    """A worker that is this process: for what is asked of workers, where it does not matter that
    they are others.
    """

    pid = os.getpid()

    def __init__(self) -> None:
        self.server = worker.WorkerServer()

    def request(self, command: str, timeout: float, **arguments: Any) -> Any:
        result, error = worker.respond(self.server, command, arguments)
        if error is not None:
            raise LstmbenchError(error)
        return result

    def kill(self) -> str:
        self.server.scope.close()
        return "it is this process, and goes on"


_packages = cache(environment.packages)


def measure_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no process started where a suite is measured, and the machine's limits given."""
    monkeypatch.setattr(WorkerPool, "worker", lambda *_, **__: InProcessWorker())
    monkeypatch.setattr(WorkerPool, "preload", lambda *_: None)
    monkeypatch.setattr(WorkerPool, "machine_worker", given_limits)
    monkeypatch.setattr(
        worker_pool, "ForkServer", lambda *_, **__: pytest.fail("a process was started")
    )
    monkeypatch.setattr(environment, "packages", _packages)
    # A worker changes its own process for good, and this one goes on
    monkeypatch.setattr(worker.denormals, "flush", lambda: "kept")
    monkeypatch.setattr(worker.WorkerServer, "bind", lambda self, cores: None)
    monkeypatch.setattr(
        worker, "untimeable_reason", lambda: ""
    )  # the tests themselves may be traced, for coverage
    # This process has threads of its own that compute
    monkeypatch.setattr(worker, "wait_until_idle", lambda: None)
    monkeypatch.setattr(case_run, "MAX_BUSY_CORES", math.inf)
    monkeypatch.setattr(worker, "gc", SimpleNamespace(collect=lambda: None, disable=lambda: None))


@contextmanager
def unpainted() -> Iterator[None]:
    """Have figures made but not painted; what stands in their files tells one from another all the
    same.
    """
    from lstmbench.report.figures.figure import Figure

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(
            Figure, "svg", lambda self: f"<svg role='img'>{self.caption} {self.alt}</svg>"
        )
        monkeypatch.setattr(
            Figure, "png", lambda self, dpi=200: f"PNG {self.caption} {dpi}".encode()
        )
        monkeypatch.setattr(Figure, "pdf", lambda self: f"%PDF {self.caption}".encode())
        yield


def content(
    implementations: Any, grid: Any = None, budget: Any = None, **top: Any
) -> dict[str, Any]:
    """A tiny suite; ``grid`` (a mapping, or a list of them), ``budget`` and the rest say what is to
    be otherwise.
    """
    grids = [GRID | each for each in (grid if isinstance(grid, list) else [grid or {}])]
    reference = implementations[0] if isinstance(implementations, list) else "numpy.fused"
    suite = {"implementations": implementations, "reference": reference, "grids": grids}
    return suite | {"budget": BUDGET | (budget or {})} | top


def write_suite(path: Path, *arguments: Any, **top: Any) -> Path:
    """Write ``content(*arguments, **top)`` as a suite's file."""
    path.write_text(yaml.safe_dump(content(*arguments, **top)), encoding="utf-8")
    return path


def skipped(run: Any) -> dict[str, str]:
    """Return why the skipped cases of a run were skipped, by implementation; they have no numbers,
    and none failed.
    """
    records = run.records
    assert not run.failed
    missing = records.loc[
        records["status"] == "skipped", ["time_median_s", "samples", "flops", "peak_host_bytes"]
    ]
    assert missing.isna().all(axis=None)
    return records[records["status"] == "skipped"].set_index("implementation")["error"].to_dict()


def mutants() -> dict[str, str]:
    """The implementations in ``plugins/mutants.py``, found without importing it here."""
    source = (PLUGINS / "mutants.py").read_text(encoding="utf-8")
    return dict.fromkeys(re.findall(r'@register\("([^"]+)"', source), "mutants")


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, points: Mapping[str, str]) -> None:
    """Make a distribution whose entry points are ``{name: module}``; this process finds it, and
    those it starts do.
    """
    info = folder / "lstmbench_mutants-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lstmbench-mutants\nVersion: 1.0\n")
    lines = [f"{name} = {module}" for name, module in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{registry.ENTRY_POINTS}]", *lines]) + "\n")
    for path in (PLUGINS, folder):
        monkeypatch.syspath_prepend(str(path))
    earlier = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PLUGINS), str(folder), *earlier]))
    registry._plugins.cache_clear()


def uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was installed."""
    monkeypatch.undo()
    registry._plugins.cache_clear()


@contextmanager
def all_end(pids: Iterable[int], deadline_s: float = 60) -> Iterator[None]:
    """Hold that these processes, which are there now, end after the block; one that does not is
    ended here.
    """
    ends = {os.pidfd_open(pid): pid for pid in pids}
    poll = select.poll()
    for end in ends:
        poll.register(end, select.POLLIN)
    try:
        yield
        while ends:
            ended = poll.poll(deadline_s * 1000)
            assert ended, f"still there: {list(ends.values())}"
            for end, _ in ended:
                poll.unregister(end)
                os.close(end)
                del ends[end]
    finally:
        for end, pid in ends.items():
            os.kill(pid, signal.SIGKILL)
            os.close(end)
