"""What one case may take of the machine: beyond it, its process is ended, so that the machine and
the run live on.

Looked at from outside, while an answer is waited for: a limit of the kernel's own on address space
(RLIMIT_AS) would stop frameworks that reserve far more than they use, and one on processes counts
all of a user's.
"""

import os
from pathlib import Path

import psutil

from lstmbench.measure.process.available_resources import available_memory
from lstmbench.measure.process.reaper import descendants

POLL_INTERVAL_S = 0.1
"""How often is looked; answers that come sooner, as those of all timed turns of a usual budget, are
not disturbed.
"""
MAX_BYTES = int(0.9 * available_memory())
"""Most resident memory of a case's process, and of those that it starts."""
MIN_FREE_BYTES = int(0.03 * psutil.virtual_memory().total)
"""So much memory must be left on the machine."""
MAX_THREADS = 512 + 8 * (os.cpu_count() or 1)
"""Most threads of these, far more than any framework starts. A process has at least one."""


def exceeded_limit(pid: int) -> str | None:
    """Return what a process and those below it take too much of.

    None if they are within bounds, or the system does not tell.
    """
    taken = [found for each in (pid, *descendants(pid)) if (found := _taken(each))]
    if not taken:
        return None
    resident, threads = (sum(each) for each in zip(*taken, strict=True))
    who = "its process" if len(taken) == 1 else f"its {len(taken)} processes"
    if resident > MAX_BYTES:
        return f"out of memory: {who} held {_gib(resident)}, and {_gib(MAX_BYTES)} are allowed here"
    if threads > MAX_THREADS:
        return f"{who} had {threads} threads, and {MAX_THREADS} are allowed"
    left = psutil.virtual_memory().available
    if left < MIN_FREE_BYTES:
        return f"out of memory: {who} held {_gib(resident)}, and the machine had {_gib(left)} left"
    return None


def ended(pid: int) -> bool:
    """Return whether a process has ended, though nobody has waited for it yet; False where the
    system does not tell.
    """
    return _status(pid).get("State", [""])[0] == "Z"


def _taken(pid: int) -> tuple[int, int] | None:
    """Return the resident bytes and the threads of a process, None where the system does not tell."""
    found = _status(pid)
    if not found:
        return None
    resident, threads = (
        int(found[name][0]) if name in found else 0 for name in ("VmRSS", "Threads")
    )
    return resident * 1024, threads


def _status(pid: int) -> dict[str, list[str]]:
    try:
        lines = (
            Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        )
    except OSError:
        return {}
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
