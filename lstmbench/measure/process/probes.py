"""What a process can tell of itself around a turn: how much it computed, how often it was pushed
off its core, and how fast a fixed piece of work went.

All is read outside the timed loop.
"""

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from lstmbench.measure.process.reaper import descendants

POLL_INTERVAL_S = 1e-3
IDLE_TIMEOUT_S = 1.0
"""How long a process may take to come to rest: five times as long as the longest default, that of
Intel's OpenMP.
"""


class Probe:
    """Taken before a turn; ``tell`` says what changed since. ``sentinel_s`` is what the sentinel
    took just before.
    """

    def __init__(self, sentinel_s: float) -> None:
        self.sentinel_s = sentinel_s
        self.switches, self.queued = _switches(), _queued_ns()
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def tell(self) -> dict[str, Any]:
        """Return ``loop_s``, ``cpu_s``, ``queued_s``, ``switches`` and ``sentinel_s``, as
        ``guard.Turn`` has them.
        """
        loop_s, cpu_s = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {
            "loop_s": loop_s,
            "cpu_s": cpu_s,
            "queued_s": (_queued_ns() - self.queued) / 1e9,
            "switches": _switches() - self.switches,
            "sentinel_s": max(self.sentinel_s, sentinel()),
        }


def sentinel() -> float:
    """Return the seconds of a small fixed piece of work, arithmetic on numbers that fit the
    first-level cache.
    """
    numbers = np.full(1024, 1.000001)
    start = time.perf_counter()
    for _ in range(50):
        numbers *= numbers
    return time.perf_counter() - start


def wait_until_idle(within_s: float = IDLE_TIMEOUT_S) -> bool:
    """Wait until no thread of this process computes; return False if one still does at the end of
    the time.

    The threads of a pool that has nothing more to do spin for a while, in case that there is more:
    OpenMP's for milliseconds, Intel's for 200. That is each library's own choice, and must not take
    a core from the next turn.
    """
    end = time.perf_counter() + within_s
    while True:
        time.sleep(POLL_INTERVAL_S)
        if not _another_thread_runs():
            return True
        if time.perf_counter() > end:
            return False


def _another_thread_runs() -> bool:
    """Return whether a thread beside this one computes, or waits for a core to do so; False where
    it is not known.
    """
    own = str(threading.get_native_id())
    for stat in Path("/proc/self/task").glob("*/stat"):
        with suppress(OSError):  # a thread that ended just now
            state = (
                stat.read_bytes().rpartition(b")")[2].split()[0]
            )  # after the name, which may hold anything
            if state == b"R" and stat.parent.name != own:
                return True
    return False


def cpu_time_by_thread() -> dict[str, int]:
    """Return the nanoseconds that each thread of this process has computed; {} where the system
    does not tell.
    """
    return {thread: computed for thread, computed, _ in _schedules()}


def descendants_cpu_time() -> int:
    """Return the nanoseconds that the processes below this one have computed, those that have ended
    among them.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(computed for pid in descendants(os.getpid()) for _, computed, _ in _schedules(pid))
    return int((ended.ru_utime + ended.ru_stime) * 1e9) + living


def cpu_shares(before: dict[str, int], after: dict[str, int]) -> list[float]:
    """Return each thread's share of what the process computed in between, the largest first."""
    spent = sorted((now - before.get(thread, 0) for thread, now in after.items()), reverse=True)
    return [each / sum(spent) for each in spent] if sum(spent) else []


def _queued_ns() -> int:
    """Return the nanoseconds that threads of this process could have computed, but had no core; 0
    if unknown.
    """
    return sum(queued for *_, queued in _schedules())


def _schedules(pid: int | str = "self") -> Iterator[tuple[str, int, int]]:
    """Yield each thread of a process with the nanoseconds that it has computed, and that it has
    waited for a core.
    """
    for schedule in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, ValueError):  # a thread that ended just now
            computed, queued, _ = schedule.read_bytes().split()
            yield schedule.parent.name, int(computed), int(queued)


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
