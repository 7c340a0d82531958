"""Locks: timed runs on one machine would disturb each other, and runs in one folder would mix.

Both are locks of the kernel (flock). A process that ends in any way releases them, so there is
nothing to clean up.
"""

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path

import psutil

from lstmbench.errors import LstmbenchError

VARIABLE = "LSTMBENCH_LOCK"
"""The environment variable with the path of another file for the machine's lock."""


def lock_folder(folder: Path) -> AbstractContextManager[None]:
    """Be the only run in a folder of results, for the block.

    Raises:
        LstmbenchError: if another run holds the folder.
    """
    refusal = f"Another run is at work in {folder}; wait for its end, or choose another folder."
    return _lock(os.open(folder, os.O_RDONLY), refusal)


def lock_machine(wait: bool = True) -> AbstractContextManager[None]:
    """Be the only run that is timed on this machine, for the block.

    Args:
        wait: whether to wait for the end of another run, after a message on stderr.

    Raises:
        LstmbenchError: if there is another run, and ``wait`` is false.
    """
    refusal = "Another run is being timed on this machine, and two at once disturb each other."
    descriptor = _open_machine_lock()
    return nullcontext() if descriptor is None else _lock(descriptor, refusal, wait)


@contextmanager
def _lock(descriptor: int, refusal: str, wait: bool = False) -> Iterator[None]:
    """Hold the lock of an open file for the block, and close it; refuse if there is another run."""
    try:
        if not _acquire(descriptor, wait=False):
            holder = _holder(descriptor)
            if not wait:
                raise LstmbenchError(f"{refusal}{holder}")
            sys.stderr.write(
                "lstmbench: another run is being timed on this machine; this one waits for its "
                f"end.{holder}\n"
            )
            _acquire(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, wait: bool) -> bool:
    """Lock an open file; return False if another process holds the lock.

    A file system without locks gives it to everyone.
    """
    import fcntl  # POSIX only, as are the workers

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True


def _holder(descriptor: int) -> str:
    """Return a sentence about the process that holds a lock; "" where the system does not tell."""
    file = os.fstat(descriptor)
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}"
    with suppress(OSError, psutil.Error):
        for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines():  # Linux: proc(5)
            _, kind, _, _, pid, inode, *_ = line.split()
            if (kind, inode) == ("FLOCK", f"{device}:{file.st_ino}"):
                process = psutil.Process(int(pid))
                start = datetime.fromtimestamp(process.create_time()).astimezone()
                command = shlex.join(process.cmdline())[:300]
                return f" It is process {pid}, begun on {start:%Y-%m-%d at %H:%M:%S}: {command}"
    return ""


def _open_machine_lock() -> int | None:
    """Open the machine's lock, which all its users share; None where it cannot be created.

    It is not in TMPDIR, which may differ between users and jobs. It is opened for reading, since
    nobody may write to another user's file in such a folder.
    """
    shared = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    path = os.environ.get(VARIABLE) or shared / "lstmbench.lock"
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CREAT):
        with suppress(OSError):  # it does not exist yet, or cannot be created
            return os.open(path, flags, 0o644)
    return None
