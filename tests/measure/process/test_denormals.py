"""Denormals count as zero in the process that flushes them, and in its new threads."""

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


def test_flushing_holds_in_the_calling_thread_and_in_threads_that_it_starts():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["kept", "flushed", "flushed", "flushed"]
