"""Limits on what the processes of one case may use, so that the machine and the run survive it.

The parent checks them while it waits for an answer. The kernel's own limits do not fit: RLIMIT_AS
stops frameworks that reserve far more address space than they use, and RLIMIT_NPROC counts all
processes of the user.
"""

import os
from contextlib import suppress

import psutil

from lstmbench.measure.process.available_resources import available_memory
from lstmbench.measure.process.reaper import descendants

CHECK_INTERVAL_S = 0.1
"""Time between checks. Longer than a timed turn of a usual budget, so that no turn is disturbed."""
MAX_RESIDENT_BYTES = int(0.9 * available_memory())
"""Maximum resident memory of a case's processes together. Chosen: a tenth is for the parent."""
MIN_FREE_BYTES = int(0.03 * psutil.virtual_memory().total)
"""Minimum memory that stays free on the machine. Chosen: a margin before the OOM killer acts."""
MAX_THREADS = 512 + 8 * (os.cpu_count() or 1)
"""Maximum threads of a case's processes together. Chosen far above what any framework starts."""


def exceeded_limit(pid: int) -> str | None:
    """Return which limit a process and its descendants exceed together.

    None if they exceed none, or if the system does not tell.
    """
    usages = []
    for process_id in (pid, *descendants(pid)):
        with suppress(psutil.Error):  # it has ended, or cannot be read
            process = psutil.Process(process_id)
            usages.append((process.memory_info().rss, process.num_threads()))
    if not usages:
        return None
    resident, threads = map(sum, zip(*usages, strict=True))
    processes = "its process" if len(usages) == 1 else f"its {len(usages)} processes"
    if resident > MAX_RESIDENT_BYTES:
        allowed = f"{_gib(MAX_RESIDENT_BYTES)} are allowed here"
        return f"out of memory: {processes} held {_gib(resident)}, and {allowed}"
    if threads > MAX_THREADS:
        return f"{processes} had {threads} threads, and {MAX_THREADS} are allowed"
    if (free := psutil.virtual_memory().available) < MIN_FREE_BYTES:
        left = f"the machine had {_gib(free)} left"
        return f"out of memory: {processes} held {_gib(resident)}, and {left}"
    return None


def is_zombie(pid: int) -> bool:
    """Return whether a process has ended and its parent has not waited for it; False if unknown."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
