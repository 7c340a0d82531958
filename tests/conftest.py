"""Settings of the whole suite: they come before any framework is imported."""

import hashlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from lstmbench.variants.kernels import cpp_library  # it imports no framework

ROOT = Path(__file__).resolve().parents[1]
LONGEST = {"notebooks", "variants", "measure", "stack"}
BY_PARAMETER = (
    "test_conformance.py",
    "test_mathematics.py",
    "test_split.py",
    "test_committed_results.py",
)
"""Files whose tests are shared out by their first parameter: an implementation, or a run."""

# Two test processes with a thread pool each would wait for each other
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
threadpool_limits(1)  # of what a plug-in of pytest has imported before

# What XLA has compiled serves all test processes, those that they start, and the next session on
# the same processor
_processor_id = hashlib.sha256(repr([sys.version, cpp_library._processor()]).encode()).hexdigest()[
    :12
]
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / f"xla-{_processor_id}")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# A hook of git's names its repository to all that it starts, and tests make their own
for _variable in [
    name for name in os.environ if name.startswith("GIT_") and not name.startswith("GIT_CONFIG")
]:
    del os.environ[_variable]

# A shell that runs the tests in the background lets them ignore Ctrl-C, and so would the programs
# that they start
signal.signal(signal.SIGINT, signal.default_int_handler)

# Runs of two test processes must not wait for each other, nor for one that is being timed on this
# machine
_locks = tempfile.TemporaryDirectory(prefix="lstmbench-tests-")
os.environ["LSTMBENCH_LOCK"] = os.path.join(_locks.name, "lock")

# The same examples in every run: a red test is red again
settings.register_profile("default", derandomize=True, deadline=None, max_examples=6)
settings.register_profile("all", settings.get_profile("default"), max_examples=20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all",
        action="store_true",
        help="run the slow tests too, and more examples of each property",
    )


def pytest_configure(config: pytest.Config) -> None:
    more = config.getoption("--all")
    settings.load_profile("all" if more else "default")
    if not config.option.markexpr:
        config.option.markexpr = f"not browser and not {'stand_in' if more else 'slow'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that have the longest tests, so that no process idles at the end."""
    items.sort(key=lambda item: LONGEST.isdisjoint(item.path.relative_to(ROOT).parts))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep in one process what shares something costly: the tests of a file, or of an
    implementation.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            return (
                test.partition("[")[2].partition("-")[0].rstrip("]")
                if Path(file).name in BY_PARAMETER
                else file
            )

    return Scheduling(config, log)


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[_names_before] = {path.name for path in ROOT.iterdir()}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where a test has left something in the checkout: each has a folder of its own to write
    to.
    """
    left = {
        path.name for path in ROOT.iterdir() if not path.name.startswith(".")
    } - session.config.stash[_names_before]
    if left and not hasattr(session.config, "workerinput"):  # the process that all others work for
        session.config.get_terminal_writer().line(
            f"\nERROR a test has left {', '.join(sorted(left))} in {ROOT}"
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_names_before: pytest.StashKey[set[str]] = pytest.StashKey()


@pytest.fixture
def own_registrations() -> Iterator[None]:
    """What a test registers goes with it."""
    from lstmbench.core import registry

    for name in registry.names():  # a module of ours registers once, when it is first imported
        registry.implementation_row(name)
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


@pytest.fixture(scope="module")
def unpainted() -> Iterator[None]:
    """Have figures made but not painted, which takes most of the time of writing a run's files: for
    a whole module.
    """
    from tiny import unpainted

    with unpainted():
        yield
