"""Settings of the whole suite: they come before any framework is imported."""

import os
import signal
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Two test processes with a thread pool each would wait for each other
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# A shell that runs the tests in the background lets them ignore Ctrl-C, and so would the programs that they start
signal.signal(signal.SIGINT, signal.default_int_handler)

# Runs of two test processes must not wait for each other, nor for one that is being timed on this machine
_locks = tempfile.TemporaryDirectory(prefix="lstmbench-tests-")
os.environ["LSTMBENCH_LOCK"] = os.path.join(_locks.name, "lock")

# The same examples in every run: a red test is red again
settings.register_profile("lstmbench", derandomize=True, deadline=None, max_examples=20)
settings.load_profile("lstmbench")


@pytest.fixture
def own_registrations() -> Iterator[None]:
    """What a test registers goes with it."""
    from lstmbench.cell import registry

    for name in registry.names():  # a module of ours registers once, when it is first imported
        registry.describe(name)
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)
