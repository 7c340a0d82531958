"""Processes that several of these scripts start: busy neighbours, and commands to be measured."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

BUSY = "while True: sum(range(10**6))"
BUSY_IN_BURSTS = """
import random, time
while True:
    end = time.perf_counter() + random.uniform(0.2, 0.6)
    while time.perf_counter() < end: pass
    time.sleep(random.uniform(0.2, 0.6))
"""


class Usage(NamedTuple):
    """What a process took: wall time in seconds, peak resident memory in bytes; and its end."""

    seconds: float
    peak_bytes: int
    exit_code: int


def run_measured(*arguments: str) -> Usage:
    """Run Python with these arguments; its output is discarded."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return Usage(seconds, usage.ru_maxrss * unit, process.returncode)


@contextmanager
def busy_neighbours(count: int, code: str = BUSY) -> Iterator[None]:
    """Keep so many processes busy with this code within the block."""
    neighbours = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
