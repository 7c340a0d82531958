"""Reaper: a process between the run and each fork server that kills whatever they leave behind.

The kernel kills a fork server when its reaper ends, and a worker when its fork server ends. It does
not kill what an implementation has started in a worker. Reapers, fork servers and workers are
therefore subreapers: an orphan below a worker becomes a child of that worker, then of its fork
server, then of the reaper. The kernel signals the reaper when the run ends, also when the run is
killed. The reaper then kills all its descendants and exits.

It is run by its path and imports the standard library only, because it must be in place before the
first slow import: on a busy machine, importing this package alone may take seconds.
"""

import ctypes
import os
import runpy
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""Options of prctl(2), from <linux/prctl.h>."""
STOP_SIGNAL: int = getattr(signal, "SIGRTMIN", signal.SIGUSR1)
"""The only signal that stops a reaper; nothing else sends it. Signals that a terminal or a batch
system sends to the whole process group end the run and the fork server, unless the run ignores
them. A reaper ends with either, so it ignores those signals itself."""


def set_parent_death_signal(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends (Linux only).

    Elsewhere a process ends when its socket is closed.
    """
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it ended before the call, so no signal will come
        os._exit(1)


def become_subreaper() -> None:
    """Adopt every descendant whose own parent ends (Linux only)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def thread_files(pid: int | str, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield each thread's id and its file of this name in /proc; nothing without such files."""
    for path in Path(f"/proc/{pid}/task").glob(f"*/{name}"):
        with suppress(OSError):  # the thread has just ended
            yield path.parent.name, path.read_bytes()


def children(pid: int) -> set[int]:
    """Return the child processes of a process; none where the system does not list them."""
    return {int(child) for _, pids in thread_files(pid, "children") for child in pids.split()}


def descendants(pid: int) -> set[int]:
    """Return the children of a process, their children, and so on."""
    pids: set[int] = set()
    new = {pid}
    while new := set().union(*map(children, new)) - pids:
        pids |= new
    return pids


def kill_children(keep: Collection[int] = ()) -> None:
    """Kill all children but those to keep, and the orphans that this process adopts meanwhile."""
    while remaining := children(os.getpid()).difference(keep):
        for pid in remaining:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def main() -> None:
    """Fork the fork server, which takes the same arguments; clean up when it or the run ends."""
    descriptor, parent, own = int(sys.argv[1]), int(sys.argv[3]), os.getpid()
    # With the default handler, SIGCHLD may be discarded although sigwait waits for it
    signal.signal(signal.SIGCHLD, lambda *_: None)
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    set_parent_death_signal(parent, STOP_SIGNAL)
    become_subreaper()
    fork_server = os.fork()
    if fork_server == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)
        set_parent_death_signal(own)
        module = "lstmbench.measure.process.forkserver"
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    os.close(descriptor)  # the fork server's alone: the run must see it closed when that ends
    while signal.sigwait({signal.SIGCHLD, STOP_SIGNAL}) == signal.SIGCHLD:
        if os.waitpid(fork_server, os.WNOHANG) != (0, 0):
            break
    else:
        os.kill(fork_server, signal.SIGKILL)
    kill_children()


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
