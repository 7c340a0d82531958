"""What one case may take of the machine: beyond it, its process is ended, so that the machine and the run live on.

Looked at from outside, while an answer is waited for: a limit of the kernel's own on address space (RLIMIT_AS) would
stop frameworks that reserve far more than they use, and one on processes counts all of a user's.
"""

import os
from pathlib import Path

import psutil

EVERY_S = 0.1
"""How often is looked; answers that come sooner, as those of all timed turns of a usual budget, are not disturbed."""
MOST_BYTES = int(0.9 * psutil.virtual_memory().total)
"""Most resident memory of a case's process."""
LEAST_LEFT_BYTES = int(0.03 * psutil.virtual_memory().total)
"""So much memory must be left on the machine."""
MOST_THREADS = 512 + 8 * (os.cpu_count() or 1)
"""Most threads of a case's process, far more than any framework starts."""


def too_much(pid: int) -> str | None:
    """Return what a process takes too much of, or None if it is within bounds, or the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    resident, threads = (int(found[name][0]) if name in found else 0 for name in ("VmRSS", "Threads"))
    resident *= 1024
    if resident > MOST_BYTES:
        return f"out of memory: its process held {_gib(resident)}, and {_gib(MOST_BYTES)} are allowed here"
    if threads > MOST_THREADS:
        return f"its process had {threads} threads, and {MOST_THREADS} are allowed"
    left = psutil.virtual_memory().available
    if left < LEAST_LEFT_BYTES:
        return f"out of memory: its process held {_gib(resident)}, and the machine had {_gib(left)} left"
    return None


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
