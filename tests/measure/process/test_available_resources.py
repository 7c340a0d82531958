"""Cores and memory that are available to this process."""

import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from lstmbench.measure import environment
from lstmbench.measure.process import available_resources, worker_pool
from lstmbench.measure.process.available_resources import (
    available_cores,
    available_memory,
    binding_cores,
)
from lstmbench.measure.suites.case import Workload
from lstmbench.results import machine_identity

FILES = {
    "version 2, own group": (
        "0::/a/b\n",
        {"a/b/cpu.max": "150000 100000\n", "a/b/memory.max": "1000000\n"},
    ),
    "version 2, a group above": (
        "0::/a/b\n",
        {"a/cpu.max": "200000 100000\n", "a/memory.max": "1000000\n"},
    ),
    "version 2, the root of a container": (
        "0::/\n",
        {"cpu.max": "110000 100000\n", "memory.max": "1000000\n"},
    ),
    "version 2, of several the smallest": (
        "0::/a/b\n",
        {
            "a/cpu.max": "400000 100000",
            "a/b/cpu.max": "200000 100000",
            "a/memory.max": "1000000",
            "memory.max": "max",
        },
    ),
    "version 1": (
        "5:cpu,cpuacct:/d\n4:memory:/d\n1:name=systemd:/d\n",
        {
            "cpu,cpuacct/d/cpu.cfs_quota_us": "200000\n",
            "cpu,cpuacct/d/cpu.cfs_period_us": "100000\n",
            "memory/d/memory.limit_in_bytes": "1000000\n",
        },
    ),
}
UNLIMITED = {
    "no groups": ("", {}),
    "nothing that can be read": ("0::/a\nnonsense\n", {}),
    "version 2": ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}),
    "version 1": (
        "2:cpu:/\n",
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ),
    "a number of too many digits": ("0::/\n", {"cpu.max": "9" * 5000, "memory.max": "9" * 5000}),
    "no period": ("0::/\n", {"cpu.max": "100000 0\n", "memory.max": "\n"}),
}


def pretend(
    folder: Path, groups: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "own": groups,
        **{f"tree/{name}": text for name, text in files.items()},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(available_resources, "OWN_CGROUPS", folder / "own")
    monkeypatch.setattr(available_resources, "CGROUP_ROOT", folder / "tree")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)


@pytest.mark.parametrize("kind", FILES)
def test_a_control_group_limits_cores_and_memory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, *FILES[kind], monkeypatch)
    assert (available_cores(), available_memory()) == (2, 1_000_000)


@pytest.mark.parametrize("kind", UNLIMITED)
def test_without_a_limit_all_resources_are_available(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, *UNLIMITED[kind], monkeypatch)
    assert (available_cores(), available_memory()) == (64, psutil.virtual_memory().total)


def test_without_affinity_and_control_groups_all_cores_are_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(available_resources, "OWN_CGROUPS", tmp_path / "nowhere")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert available_cores() == 3


@pytest.mark.parametrize(("threads", "cores"), [(1, [5]), (2, [3, 5]), (3, []), (4, [])])
def test_workers_are_bound_to_the_last_cores_if_one_is_left_for_the_parent(
    threads: int, cores: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 1, 3}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None, raising=False)
    monkeypatch.setattr(available_resources, "available_cores", lambda: 3)
    assert binding_cores(threads) == cores
    monkeypatch.delattr(os, "sched_setaffinity")
    assert binding_cores(threads) == []  # as on macOS


def test_a_quota_of_one_core_binds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available_resources, "available_cores", lambda: 1)
    assert binding_cores(1) == []


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may use one core of four."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)


@pytest.mark.usefixtures("bound")
def test_more_threads_than_available_cores_are_refused_with_both_numbers() -> None:
    known = {
        "name": "a.b",
        "available": True,
        "devices": ["cpu"],
        "dtypes": ["float32"],
        "modes": ["inference"],
    }
    workload = Workload("inference", 1, 1, 1, 1, threads=2)
    assert worker_pool.skip_reason(known, workload) == (
        "2 threads were requested, and this machine has 4 cores, of which 1 may be used"
    )
    assert worker_pool.skip_reason(known, Workload("inference", 1, 1, 1, 1)) is None


@pytest.mark.usefixtures("bound")
def test_the_machine_is_described_by_its_available_cores() -> None:
    machine = environment.machine()
    assert (machine["cores"], machine["available_cores"]) == (4, 1)
    assert machine_identity.describe_cores(machine) == "1 of 4 cores"
    whole: dict[str, Any] = {
        name: value for name, value in machine.items() if name != "available_cores"
    }
    assert machine_identity.machines_differ(
        machine, whole
    ) and not machine_identity.machines_differ(machine, machine | {"cores": 8})
