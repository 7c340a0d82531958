"""How many cores and how much memory this process may use, which may be less than the machine has.

A process may be bound to some cores (``taskset``, a batch system), and a control group may limit
the processor time and the memory of all processes in it (containers; cgroups(7), version 1 and 2).
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

CGROUP_ROOT = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the cores that this process may keep busy: those it is bound to, or what a quota of
    time allows.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return min([cores, *(max(1, math.ceil(quota)) for quota in _quotas())])


def available_memory() -> int:
    """Return the bytes of memory that this process and those beside it in its control groups may
    hold.
    """
    return min([psutil.virtual_memory().total, *_memory_limits()])


def _quotas() -> Iterator[float]:
    """Yield how many cores each control group's quota is worth."""
    for group in _groups("cpu"):
        with suppress(
            OSError, ValueError, ZeroDivisionError
        ):  # version 2: "max 100000" where there is no limit
            quota, period = (group / "cpu.max").read_text().split()
            yield int(quota) / int(period)
        with suppress(OSError, ValueError, ZeroDivisionError):  # version 1: -1 where there is none
            quota, period = (
                (group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
            if int(quota) > 0:
                yield int(quota) / int(period)


def _memory_limits() -> Iterator[int]:
    for group in _groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # "max" where there is no limit
                yield int((group / name).read_text())


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups, from its own to the root; none where
    there are none.
    """
    with suppress(OSError, ValueError):
        for line in OWN_CGROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:  # version 2 has one tree
                root = CGROUP_ROOT
            elif controller in controllers.split(","):
                root = CGROUP_ROOT / controllers
            else:
                continue
            own = root / path.lstrip("/")
            yield from (group for group in (own, *own.parents) if group.is_relative_to(root))
