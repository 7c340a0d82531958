"""How many cores and how much memory this process may use; the machine may have more.

A process may be bound to some cores (``taskset``, a batch system). A control group may limit the
processor time and the memory of its processes, as in containers: cgroups(7), versions 1 and 2.
"""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUP_ROOT = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return how many cores this process may keep busy: by its affinity and its CPU quota."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return min([cores, *(max(1, math.ceil(quota)) for quota in _cpu_quotas())])


def binding_cores(threads: int) -> list[int]:
    """Return the cores that workers with this many threads are bound to; [] to leave them free.

    They are the last ones, since most systems put interrupts on the first. The parent then has
    another core. Where none would be left, or the system binds no process, workers stay free.
    """
    if not hasattr(os, "sched_setaffinity") or threads >= available_cores():
        return []
    return sorted(os.sched_getaffinity(0))[-threads:]


def available_memory() -> int:
    """Return the bytes of memory that all processes in this one's control groups may hold."""
    limits = [
        limit
        for group in _cgroups("memory")
        for name in ("memory.max", "memory.limit_in_bytes")  # versions 2 and 1
        for limit in _numbers(group / name)
    ]
    return min([psutil.virtual_memory().total, *limits])


def _cpu_quotas() -> Iterator[float]:
    """Yield each control group's quota of processor time, in cores."""
    for group in _cgroups("cpu"):
        for numbers in (
            _numbers(group / "cpu.max"),  # version 2
            _numbers(group / "cpu.cfs_quota_us") + _numbers(group / "cpu.cfs_period_us"),
        ):
            match numbers:
                case [quota, period] if quota and period:
                    yield quota / period


def _numbers(path: Path) -> list[int]:
    """Return the unsigned integers in a file; "max" and -1 mean no limit and are left out."""
    try:
        return [int(word) for word in path.read_text().split() if word.isdecimal()]
    except (OSError, ValueError):  # no such file, or none that can be read
        return []


def _cgroups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups, from its own up to the root."""
    try:
        groups = OWN_CGROUPS.read_text()
    except (OSError, ValueError):
        return
    for controllers, path in re.findall(r"^\d+:([^:]*):/(.*)$", groups, re.MULTILINE):
        if not controllers or controller in controllers.split(","):  # version 2 names none
            root = CGROUP_ROOT / controllers
            own = root / path
            yield from (group for group in (own, *own.parents) if group.is_relative_to(root))
