"""One at a time: two runs that are timed at once on one machine would disturb each other, and two
in one folder mix.

Both locks are the kernel's: a process that dies, however it does, holds none any more, and nothing
has to be tidied up.
"""

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psutil

from lstmbench.errors import LstmbenchError

VARIABLE = "LSTMBENCH_LOCK"
"""The environment variable that names another file for the machine's lock."""


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Be the only run in a folder of results, for the block.

    Raises:
        LstmbenchError: if another one is at work in it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not _taken(descriptor, wait=False):
            other = (
                f"Another run is at work in {folder}; wait for its end, or choose another folder."
            )
            raise LstmbenchError(f"{other}{_holder(descriptor)}")
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_machine(wait: bool = True) -> Iterator[None]:
    """Be the only run that is timed on this machine, for the block; wait for the end of another
    one, and say so.

    Raises:
        LstmbenchError: if there is another one, and it is not to be waited for.
    """
    descriptor = _machine()
    try:
        if descriptor is not None and not _taken(descriptor, wait=False):
            other, which = "nother run is being timed on this machine", _holder(descriptor)
            if not wait:
                raise LstmbenchError(f"A{other}, and two at once disturb each other.{which}")
            sys.stderr.write(f"lstmbench: a{other}; this one waits for its end.{which}\n")
            _taken(descriptor, wait=True)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _taken(descriptor: int, wait: bool) -> bool:
    """Take the lock of an open file; return whether it is ours. A file system that has no locks
    gives it to all.
    """
    import fcntl  # POSIX only, as are the workers

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _holder(descriptor: int) -> str:
    """Return a sentence on the process that holds the lock of an open file; empty if nothing tells."""
    with suppress(OSError, psutil.Error):
        file = os.fstat(descriptor)
        place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
        for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines():  # Linux
            _, kind, _, _, pid, where, *_ = line.split()
            if (kind, where) == ("FLOCK", place):
                process = psutil.Process(int(pid))
                since = datetime.fromtimestamp(process.create_time()).astimezone()
                command = shlex.join(process.cmdline())[:300]
                return f" It is process {pid}, begun on {since:%Y-%m-%d at %H:%M:%S}: {command}"
    return ""


def _machine() -> int | None:
    """Open the machine's lock, which all its users share; None where there is no place for it.

    Not in TMPDIR, which may be another one for each user or job. It is only read: in such a folder
    nobody may write to the file of another.
    """
    shared = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    path = os.environ.get(VARIABLE) or shared / "lstmbench.lock"
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CREAT):
        try:
            return os.open(path, flags, 0o644)
        except OSError:
            continue
    return None
