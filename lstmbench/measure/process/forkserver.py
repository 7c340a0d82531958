"""Fork server: a process that imports one backend once and is forked for every worker.

A fork server holds a framework's modules, but has run nothing and started no thread. A fork of it
is therefore what a fresh process is right after its imports, a hundred times cheaper. Two backends
never share a fork server. A case is measured in several processes: forks of several fork servers of
its backend, each started with another hash seed and another size of the environment.

Parent and worker exchange pickled objects over a socket pair. No process outlives the parent, also
when the parent is killed, and nothing that an implementation starts outlives its worker: see
``reaper``.
"""

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.measure.process import reaper
from lstmbench.measure.process.resource_limits import (
    CHECK_INTERVAL_S,
    exceeded_limit,
    is_zombie,
)
from lstmbench.measure.process.worker_environment import worker_environment

START_TIMEOUT_S = 120.0
"""Maximum time of the imports. Chosen far above the seconds that a framework's import takes."""
CLOSE_TIMEOUT_S = 2.0
"""Time in which processes may end by themselves before they are killed. Chosen: idle ones need
milliseconds, and an import that hangs must not delay the end of a run."""
HARNESS_FAILED = "the harness failed"
"""Prefix of the reasons that are not the case's own fault; the next call measures such rows again.
"""
NO_IMPORTS = "nothing"
"""In place of a backend: nothing is imported before the fork, so a worker holds only its own."""
ORACLE = "the-oracle"
"""In place of a backend: no implementation is imported, and so no plug-in; for the oracle's answers
and the machine's peaks."""
FORK, WAIT = b"f", b"w"
"""Requests to a fork server: FORK comes with a file descriptor, WAIT ends with a process id."""
MAX_REQUEST_BYTES = 32
"""Size of a buffer for any request or response: a letter and a number."""


class WorkerDied(LstmbenchError):
    """A worker ended before it answered; the message says how."""


class WorkerTimeout(LstmbenchError):
    """A worker did not answer in time, and was killed."""


@dataclass(eq=False)
class Worker:
    """The parent's handle of a worker process; ``exit`` is how it ended, None while it lives."""

    fork_server: "ForkServer"
    pid: int
    connection: Connection
    exit: str | None = None

    def request(self, command: str, timeout: float, **arguments: Any) -> Any:
        """Send a command and return its result.

        Args:
            command: a method of ``WorkerServer``.
            timeout: the maximum wait, in seconds.
            arguments: numbers, texts and objects of lstmbench. Not paths: those that Python 3.13
                pickles cannot be read by the older interpreter of a variant.

        Raises:
            WorkerTimeout: if there is no answer within ``timeout`` seconds; the worker is killed.
            WorkerDied: if the process ended, or was killed because it exceeded a limit.
            LstmbenchError: of no subclass if the worker reports a failure of the command; it lives
                on.
        """
        try:
            self.connection.send((command, arguments))
            self._wait(command, timeout)
            result, error = self.connection.recv()
        except (EOFError, OSError):  # also where the process lives on without its connection
            raise WorkerDied(self.kill()) from None
        if error is not None:
            raise LstmbenchError(error)
        return result

    def _wait(self, command: str, timeout: float) -> None:
        """Wait until there is a response, or the end of the connection."""
        end = time.monotonic() + timeout
        while not self.connection.poll(max(0.0, min(CHECK_INTERVAL_S, end - time.monotonic()))):
            # A process that the worker has started may keep the connection open after its end
            if is_zombie(self.pid) and not self.connection.poll(0):
                raise EOFError
            if excess := exceeded_limit(self.pid):
                self.kill()
                raise WorkerDied(excess)
            if time.monotonic() >= end:
                self.kill()
                raise WorkerTimeout(f"no answer to {command!r} within {timeout:.0f} s")

    def kill(self) -> str:
        """Kill the process, and return how it ended."""
        if self.exit is None:  # only once: later its id may belong to another process
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.connection.close()
            self.exit = self.fork_server.wait(self.pid)
        return self.exit


class ForkServer:
    """The parent's handle of a process that has imported one backend and is forked on request."""

    def __init__(
        self,
        backend: str,
        threads: int,
        device: str,
        layout: int,
        log: Path,
        python: str | None = None,
        code: Path | None = None,
    ) -> None:
        """Start the process; it imports in the background.

        Args:
            backend: whose implementations it imports; or the name of a single implementation.
            threads: size of each thread pool, see ``worker_environment``.
            device: device of the workers, see ``worker_environment``.
            layout: number of the memory layout, see ``worker_environment``.
            log: file for the output of the process and its workers.
            python: the interpreter; None for the one of this process.
            code: folder to import this package from; None for where this process found it.
        """
        self.backend, self.log, self.ready = backend, log, False
        self._lock = threading.Lock()
        self.socket, other_end = socket.socketpair()
        self.socket.settimeout(START_TIMEOUT_S)
        environment = worker_environment(threads, device, layout)
        if code is not None:  # another interpreter must not find this one's packages
            inherited = [] if python else [environment["PYTHONPATH"]]
            environment["PYTHONPATH"] = os.pathsep.join([str(code), *inherited])
        descriptor = other_end.fileno()
        arguments = [str(descriptor), backend, str(os.getpid())]
        with log.open("ab") as output, other_end:
            self.process = subprocess.Popen(
                # -P: a worker imports from the parent's sys.path, not from its working folder
                [python or sys.executable, "-P", reaper.__file__, *arguments],
                env=environment,
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def fork(self) -> Worker:
        """Return a new worker.

        Raises:
            WorkerDied: if the fork server has ended or does not become ready; it is closed then.
        """
        connection, other_end = socket.socketpair()
        try:
            with other_end:
                pid = self._exchange(FORK, other_end.fileno())
        except (OSError, ValueError) as error:
            connection.close()
            self.close()
            late = isinstance(error, TimeoutError)
            end = f"was not ready in {START_TIMEOUT_S:.0f} s" if late else "has ended"
            reason = f"the process that imports {self.backend} {end}; {self._last_output()}"
            raise WorkerDied(f"{HARNESS_FAILED}: {reason}" if self.ready else reason) from None
        self.ready = True  # from here on its end is not the fault of what it imports
        return Worker(self, pid, Connection(connection.detach()))

    def wait(self, pid: int) -> str:
        """Wait for a worker that has ended, kill what it left, and return how it ended."""
        try:
            code = os.waitstatus_to_exitcode(self._exchange(WAIT + str(pid).encode()))
        except (OSError, ValueError):  # also where an interrupted request left its response
            self.close()  # its reaper may live on for a moment, and it would seem to be alive
            return f"{HARNESS_FAILED}: its fork server has ended"
        if code >= 0:
            return f"the process ended with exit code {code}"
        names = {int(number): number.name for number in signal.Signals}
        return f"the process was killed by signal {-code} ({names.get(-code, 'without a name')})"

    def _exchange(self, request: bytes, *descriptors: int) -> int:
        """Send a request, with file descriptors, and return the response."""
        with self._lock:  # or one thread might receive the response to another's request
            socket.send_fds(self.socket, [request], descriptors)
            response = self.socket.recv(MAX_REQUEST_BYTES)
        if not response:
            raise ConnectionError("the fork server has ended")
        return int(response)

    def _last_output(self) -> str:
        """Return the last line that the fork server or one of its workers printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"its last output was: {lines[-1][:300]}" if lines else "it printed nothing"

    def disconnect(self) -> None:
        """Have the fork server end, once it has imported what it is importing."""
        self.socket.close()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """End the fork server and all processes below it, by force after the timeout."""
        self.disconnect()
        for number in (reaper.STOP_SIGNAL, signal.SIGKILL):
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.send_signal(number)
                timeout_s = CLOSE_TIMEOUT_S
        self.process.wait()


def preload(backend: str) -> None:
    """Import all implementations of a backend; errors show when an implementation is requested."""
    if backend == NO_IMPORTS:
        return
    import lstmbench.measure.process.worker  # noqa: F401
    from lstmbench.core.registry import find, names

    if backend == ORACLE:
        return
    for name in names():
        if name == backend or name.startswith(f"{backend}."):
            with contextlib.suppress(Exception, SystemExit):
                find(name).framework.preload()


def main() -> None:
    """Import the backend, then answer the parent's requests until it disconnects."""
    descriptor, backend = int(sys.argv[1]), sys.argv[2]
    reaper.become_subreaper()
    control = socket.socket(fileno=descriptor)
    preload(backend)
    gc.collect()
    gc.freeze()  # no worker ever collects what is imported
    keep = reaper.children(os.getpid())  # started by the imports
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, MAX_REQUEST_BYTES, 1)
        if not request:
            return
        if request == FORK:
            response = _fork_worker(control, descriptors[0])
            keep.add(response)
        else:
            pid, response = os.waitpid(int(request.removeprefix(WAIT)), 0)
            keep.discard(pid)
            reaper.kill_children(keep)
        control.sendall(str(response).encode())


def _fork_worker(control: socket.socket, descriptor: int) -> int:
    """Return the id of a new process, which serves the connection and never returns from here."""
    fork_server = os.getpid()
    if pid := os.fork():
        os.close(descriptor)
        return pid
    code = 1
    try:
        control.close()
        reaper.set_parent_death_signal(fork_server)
        reaper.become_subreaper()
        with contextlib.suppress(OSError):  # the kernel must kill it, and no other program, if
            Path("/proc/self/oom_score_adj").write_text("1000")  # memory runs out (Linux)
        from lstmbench.measure.process.worker import serve

        serve(Connection(descriptor))
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
