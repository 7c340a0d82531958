"""Denormals count as zero in a worker, and in the threads that it starts, and in nobody else's
process.
"""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="set through glibc's floating-point environment"
)

CODE = """
import threading
from lstmbench.measure.process import denormals
modes = [denormals.mode(), denormals.flush(), denormals.mode()]
thread = threading.Thread(target=lambda: modes.append(denormals.mode()))
thread.start(); thread.join()
print(*modes)
"""


def test_flushing_holds_in_the_thread_that_asked_and_in_those_that_it_starts():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["kept", "flushed", "flushed", "flushed"]
