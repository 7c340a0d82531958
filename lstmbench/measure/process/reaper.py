"""No process outlives the run: a keeper stands between the run and each zygote, and ends whatever
is left below it.

The kernel kills a zygote with its keeper and a worker with its zygote, but nothing kills with a
worker what an implementation has started there. So each of them adopts the orphans below it,
however far they have gone: what a worker leaves behind is its zygote's, what a zygote leaves behind
its keeper's. And a keeper is told when the run dies, also if that is killed, and ends all of them
before it goes.

It is run by its path, and has the standard library alone: it must be on its guard before the first
import that takes long. On a busy machine, or a slow disk, importing this package alone may take
seconds.
"""

import ctypes
import os
import runpy
import signal
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""What prctl is asked for: PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER."""
END: int = getattr(signal, "SIGRTMIN", signal.SIGUSR1)
"""What ends a keeper, and nothing else sends. What a terminal or a batch system sends to a whole
group ends the run and the zygote, unless the run was told to ignore it. A keeper goes with either,
and so heeds none of it."""


def set_parent_death_signal(parent: int, number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when its parent ends (Linux; elsewhere a closed
    socket ends it).
    """
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it has ended already, and of that the kernel sends no word
        os._exit(1)


def become_subreaper() -> None:
    """Become the parent of every process below this one whose own parent ends (Linux)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def children(pid: int) -> set[int]:
    """Return the processes that a process is the parent of; none where the system does not tell."""
    found: set[int] = set()
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that ended just now
            found.update(map(int, listed.read_bytes().split()))
    return found


def descendants(pid: int) -> set[int]:
    """Return the children of a process, and theirs, and so on."""
    found: set[int] = set()
    new = {pid}
    while new := set().union(*map(children, new)) - found:
        found |= new
    return found


def kill_children(kept: Collection[int] = ()) -> None:
    """Kill this process's children but some; what they leave becomes its own where it adopts, and
    is killed too.
    """
    while left := children(os.getpid()).difference(kept):
        for pid in left:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def main() -> None:
    """Fork the zygote, whose arguments these are; when it ends, or the run does, end all that is
    left.
    """
    descriptor, parent, own = int(sys.argv[1]), int(sys.argv[3]), os.getpid()
    signal.signal(
        signal.SIGCHLD, lambda *_: None
    )  # by default it may be dropped, though it is awaited
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    set_parent_death_signal(parent, END)
    become_subreaper()
    zygote = os.fork()
    if zygote == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)
        set_parent_death_signal(own)
        runpy.run_module(
            "lstmbench.measure.process.forkserver", run_name="__main__", alter_sys=True
        )
        return
    os.close(descriptor)  # which is the zygote's alone: its end must be seen there
    while signal.sigwait({signal.SIGCHLD, END}) == signal.SIGCHLD:
        if os.waitpid(zygote, os.WNOHANG) != (0, 0):
            break
    else:
        os.kill(zygote, signal.SIGKILL)
    kill_children()


def _prctl(option: int, value: int) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
