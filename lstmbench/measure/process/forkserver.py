"""Cheap fresh processes: a zygote imports one backend once, and is forked for every case of that
backend.

The zygote holds the framework's modules, but has run nothing and started no thread, so a fork of it
is what a new process is right after its imports, a hundred times cheaper. No two backends share a
zygote. Several zygotes of one backend, each started with another hash seed and another size of its
environment, stand for the several processes that a case is measured in.

Parent and worker talk in JSON over a socket pair. Nothing of this outlives the parent, also if that
is killed, nor does
what an implementation started outlive its worker: see ``keeper``.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.measure.process import reaper
from lstmbench.measure.process.resource_limits import POLL_INTERVAL_S, ended, exceeded_limit
from lstmbench.measure.process.worker_environment import worker_environment

START_TIMEOUT_S = 120.0
"""How long an import may take."""
KILL_TIMEOUT_S = 2.0
"""How long killing may take."""

HARNESS_FAILED = "the harness failed"
"""How a reason begins that is no case's own; the row is measured again by the next call."""

NO_IMPORTS = "nothing"
"""In place of a backend: nothing is imported before the fork, so that a worker has what it needs
itself alone.
"""
ORACLE = "the-oracle"
"""In place of a backend: no implementation, and so no plug-in, is imported there; it computes
answers and limits.
"""


class WorkerDied(Exception):
    """A worker ended before it answered; the message says how."""


class WorkerTimeout(Exception):
    """A worker did not answer in time, and was killed."""


class Worker:
    """The parent's hand on one worker process."""

    def __init__(self, zygote: "ForkServer", pid: int, connection: Connection) -> None:
        self.fork_server, self.pid, self.connection = zygote, pid, connection
        self._end: str | None = None

    def request(self, command: str, timeout: float, **arguments: Any) -> Any:
        """Send a command and wait for its answer.

        Raises:
            WorkerTimeout: if there is none within ``timeout`` seconds; the worker is killed.
            WorkerDied: if the process ended, or was ended since it took too much, see ``watch``.
            LstmbenchError: if the worker reports that the command failed; it lives on.
        """
        try:
            self.connection.send_bytes(json.dumps({"command": command, **arguments}).encode())
            self._wait(command, timeout)
            answer = json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            raise WorkerDied(self.kill()) from None  # hanging up without ending does not help it
        if "error" in answer:
            raise LstmbenchError(answer["error"])
        return answer["answer"]

    def _wait(self, command: str, timeout: float) -> None:
        """Wait until there is an answer, or the connection's end."""
        end = time.monotonic() + timeout
        while not self.connection.poll(max(0.0, min(POLL_INTERVAL_S, end - time.monotonic()))):
            if ended(self.pid) and not self.connection.poll(
                0
            ):  # what it started may hold its end of the connection
                raise EOFError
            if excess := exceeded_limit(self.pid):
                self.kill()
                raise WorkerDied(excess)
            if time.monotonic() >= end:
                self.kill()
                raise WorkerTimeout(f"no answer to {command!r} within {timeout:.0f} s")

    def kill(self) -> str:
        """End the process, whatever it does, and say how it ended."""
        if self._end is None:  # reaped once only: then its number may belong to another process
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.connection.close()
            self._end = self.fork_server.reap(self.pid)
        return self._end


class ForkServer:
    """A process that has imported one backend, and is forked at request."""

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
        """Start it.

        Args:
            backend: whose implementations it imports; or the name of a single one.
            threads, device, layout: as ``worker_environment.worker_environment`` takes them.
            log: where what it prints goes.
            python: the interpreter, this one if None.
            code: the folder that this package is imported from, if not from where it is imported
                here.
        """
        self.backend, self.log, self.ready = backend, log, False
        here, there = socket.socketpair()
        environment = worker_environment(threads, device, layout)
        if code is not None:  # another interpreter has packages of its own, and must not find ours
            behind = [] if python else [environment["PYTHONPATH"]]
            environment["PYTHONPATH"] = os.pathsep.join([str(code), *behind])
        # -P: what a worker can import follows from the parent's sys.path, not from where the parent
        # stands
        arguments = [
            python or sys.executable,
            "-P",
            reaper.__file__,
            str(there.fileno()),
            backend,
            str(os.getpid()),
        ]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                arguments,
                env=environment,
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        there.close()
        here.settimeout(START_TIMEOUT_S)
        self.socket = here

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def fork(self) -> Worker:
        """Return a new worker.

        Raises:
            WorkerDied: if the zygote itself has ended, or does not become ready; then it is ended.
        """
        here, there = socket.socketpair()
        try:
            with there:
                socket.send_fds(self.socket, [b"f"], [there.fileno()])
            pid = int(self._answer())
        except (OSError, ValueError) as error:
            here.close()
            self.close()
            how = (
                f"was not ready in {START_TIMEOUT_S:.0f} s"
                if isinstance(error, TimeoutError)
                else "has ended"
            )
            how = f"the process that imports {self.backend} {how}; {self.log_tail()}"
            raise WorkerDied(f"{HARNESS_FAILED}: {how}" if self.ready else how) from None
        self.ready = True  # what it imports did not end it
        return Worker(self, pid, Connection(here.detach()))

    def reap(self, pid: int) -> str:
        """Wait for a forked process that has ended, and say how."""
        try:
            self.socket.sendall(b"r" + str(pid).encode().ljust(16))
            status = int(self._answer())
        except (OSError, ValueError):
            # Or its keeper might live on for a moment, and the zygote seem to be there
            self.close()
            return f"{HARNESS_FAILED}: its zygote has ended"
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            name = signal.Signals(number).name if number in {*signal.Signals} else "without a name"
            return f"the process was killed by signal {number} ({name})"
        return f"the process ended with exit code {os.WEXITSTATUS(status)}"

    def log_tail(self) -> str:
        """Return the last line that the zygote or one of its workers printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"it last said: {lines[-1][:300]}" if lines else "it said nothing"

    def disconnect(self) -> None:
        """Tell the zygote to end, once it has imported what it is importing."""
        self.socket.close()

    def close(self, within_s: float = 2.0) -> None:
        """End the zygote and all that is below it; what does not end by itself within the time is
        killed.
        """
        self.disconnect()
        for number in (
            reaper.END,
            signal.SIGKILL,
        ):  # the keeper is asked to kill all, and then killed
            try:
                self.process.wait(timeout=within_s)
            except subprocess.TimeoutExpired:
                self.process.send_signal(number)
                within_s = KILL_TIMEOUT_S
        self.process.wait()

    def _answer(self) -> bytes:
        answer = self.socket.recv(32)
        if not answer:
            raise OSError("the zygote has ended")
        return answer


def _raise_oom_score() -> None:
    """Where memory runs out, have the kernel end this process, and no other program of the machine
    (Linux).
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def preload(backend: str) -> None:
    """Import every implementation of a backend; one that cannot be imported is found out when it is
    asked for.
    """
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
    """Serve: ``f`` with a file descriptor forks a worker; ``r`` with its id waits for it, and ends
    what it left.
    """
    descriptor, backend = int(sys.argv[1]), sys.argv[2]
    reaper.become_subreaper()
    control = socket.socket(fileno=descriptor)
    preload(backend)
    gc.collect()
    gc.freeze()  # what is imported is never collected, in no worker
    kept = reaper.children(os.getpid())  # as the imports started them
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 17, 1)
        if not request:
            return
        if request == b"f":
            own = os.getpid()
            pid = os.fork()
            if pid == 0:
                control.close()
                reaper.set_parent_death_signal(own)
                reaper.become_subreaper()
                _raise_oom_score()
                _work(descriptors[0])
            os.close(descriptors[0])
            kept.add(pid)
            control.sendall(str(pid).encode())
        else:
            pid, status = os.waitpid(int(request[1:]), 0)
            kept.discard(pid)
            reaper.kill_children(kept)
            control.sendall(str(status).encode())


def _work(descriptor: int) -> None:
    """Be a worker until the parent hangs up; never return into the zygote's loop."""
    from lstmbench.measure.process.worker import serve

    code = 1
    try:
        serve(Connection(descriptor))
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
