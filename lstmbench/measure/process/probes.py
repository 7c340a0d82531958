"""Probes: what a process can measure about itself around a turn, outside the timed loop.

They tell how much the process computed, and how often it lost its core. ``disturbance`` judges a
turn by them.
"""

import os
import resource
import threading
import time
from collections.abc import Iterator
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.measure.process.reaper import descendants, thread_files

IDLE_CHECK_INTERVAL_S = 1e-3
"""Time between looks at the threads' states; short against a turn."""
IDLE_TIMEOUT_S = 1.0
"""Maximum wait for a process to become idle: five times the longest default spin time, the 200 ms
of Intel's OpenMP (KMP_BLOCKTIME)."""


class ProcessCounters:
    """Counters of this process, read at the start of a turn and compared at its end."""

    def __init__(self) -> None:
        self.switches, self.queued_ns = _involuntary_switches(), _queued_ns()
        self.cpu_s, self.wall_s = time.process_time(), time.perf_counter()

    def changes(self) -> dict[str, Any]:
        """Return the changes since the start, named as the attributes of ``Measurement``."""
        loop_s, cpu_s = time.perf_counter() - self.wall_s, time.process_time() - self.cpu_s
        return {
            "loop_s": loop_s,
            "cpu_s": cpu_s,
            "queued_s": (_queued_ns() - self.queued_ns) / 1e9,
            "switches": _involuntary_switches() - self.switches,
        }


def wait_until_idle() -> None:
    """Wait until no other thread of this process computes.

    The threads of a pool without work spin for a while in case more work comes: OpenMP's for
    milliseconds, Intel's for 200. Each library chooses that itself, but it must not take a core
    from the next turn.

    Raises:
        LstmbenchError: if it takes longer than ``IDLE_TIMEOUT_S``.
    """
    end = time.perf_counter() + IDLE_TIMEOUT_S
    while True:
        if not _another_thread_runs():
            return
        if time.perf_counter() > end:
            problem = f"its threads still computed {IDLE_TIMEOUT_S:g} s after it had answered"
            raise LstmbenchError(problem)
        time.sleep(IDLE_CHECK_INTERVAL_S)


def _another_thread_runs() -> bool:
    """Return whether another thread computes or waits for a core; False where it is not known."""
    own = str(threading.get_native_id())
    # The state follows the name, which may itself contain spaces and parentheses: proc(5)
    return any(
        stat.rpartition(b")")[2].split()[0] == b"R" and thread != own
        for thread, stat in thread_files("self", "stat")
    )


class CpuUsage:
    """CPU time of this process's threads and descendants, from the creation of this object on."""

    def __init__(self) -> None:
        self.by_thread, self.below_ns = _cpu_ns_by_thread(), _descendants_cpu_ns()

    def shares(self) -> dict[str, Any]:
        """Return who computed, for ``CaseRun.check_threads``.

        Returns:
            ``thread_shares``: each thread's share of this process's CPU time, the largest first; []
            where it is not known. ``descendants_share``: that of the descendants, of all CPU time.
        """
        spent = sorted(
            (
                cpu_ns - self.by_thread.get(thread, 0)
                for thread, cpu_ns in _cpu_ns_by_thread().items()
            ),
            reverse=True,
        )
        own, below = sum(spent), _descendants_cpu_ns() - self.below_ns
        return {
            "thread_shares": [cpu_ns / own for cpu_ns in spent] if own else [],
            "descendants_share": below / max(1, below + own),
        }


def _cpu_ns_by_thread() -> dict[str, int]:
    return {thread: cpu_ns for thread, cpu_ns, _ in _schedules()}


def _descendants_cpu_ns() -> int:
    """Return the CPU time of all processes below this one, including those that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(cpu_ns for pid in descendants(os.getpid()) for _, cpu_ns, _ in _schedules(pid))
    return int((ended.ru_utime + ended.ru_stime) * 1e9) + living


def _queued_ns() -> int:
    """Return how long threads of this process waited for a core, in ns; 0 where it is not known."""
    return sum(queued_ns for *_, queued_ns in _schedules())


def _schedules(pid: int | str = "self") -> Iterator[tuple[str, int, int]]:
    """Yield each thread of a process, its CPU time and its time in the run queue, in ns.

    psutil has CPU times in clock ticks of 10 ms only: too coarse for a turn.
    """
    for thread, schedstat in thread_files(pid, "schedstat"):
        match [int(word) for word in schedstat.split()]:
            case [cpu_ns, queued_ns, _]:  # other than where a kernel writes less, or nothing
                yield thread, cpu_ns, queued_ns


def _involuntary_switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
