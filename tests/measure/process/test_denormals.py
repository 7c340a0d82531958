"""Denormals count as zero in the process that flushes them, and in its new threads."""

import platform

import pytest
from fresh import fresh

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="set through glibc's floating-point environment"
)

CODE = """
import threading, warnings
warnings.simplefilter("ignore")
from lstmbench.measure.process import denormals
modes = [denormals.mode(), denormals.flush(), denormals.mode()]
thread = threading.Thread(target=lambda: modes.append(denormals.mode()))
thread.start(); thread.join()
out = modes
"""


def test_flushing_holds_in_the_calling_thread_and_in_threads_that_it_starts():
    assert fresh(CODE) == ["kept", "flushed", "flushed", "flushed"]
