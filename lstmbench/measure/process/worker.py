"""The worker process: it holds one implementation and answers the parent's commands, one by one.

A case that is timed: ``prepare``, ``check_accuracy``, ``warm_up``, then ``measure`` once per round,
then ``thread_usage``; its memory in another process: ``memory``. Several implementations in one
process, to show what that costs: ``alternate``. A training run:
``start_training``, ``train_epoch`` until that says why training ended, ``finish_training``.
Workers for the oracle answer ``write_inputs``, ``machine_peaks`` and ``baselines``.
"""

import gc
import os
import re
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmbench.core.registry import implementation_row
from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.inputs import write_inputs
from lstmbench.measure.machine_peaks import MachinePeaks
from lstmbench.measure.process import denormals
from lstmbench.measure.process.hardware_state import device_bytes
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.process.probes import (
    CpuUsage,
    ProcessCounters,
    wait_until_idle,
)
from lstmbench.measure.process.reaper import thread_files
from lstmbench.measure.suites.case import Workload

if TYPE_CHECKING:
    from lstmbench.training.task import Task
    from lstmbench.training.trainer import Trainer

WARM_UP_TURNS = 10
"""Maximum warm-up, in turns. Chosen: a fraction of the time that a case is measured."""
STEADY_CALLS, STEADY_WITHIN = 3, 1.05
"""The warm-up ends when the last three samples differ by 5 % at most. Chosen above timer noise."""
CACHE_WARM_UP = 0.2
"""Untimed calls before a turn, as a fraction of it. Measured: the first milliseconds after other
cases' turns were 3 to 10 % slower."""
ALTERNATE_WARM_UP = 3
"""Untimed calls of each implementation that shares this process with others."""
FREE_TURNS = 5
"""Duration of the calls that show how many cores an implementation uses, in turns. Chosen: 20 ms,
so that one thread that hands a call to another does not look like two."""
CLEAR_REFS = Path("/proc/self/clear_refs")
"""Writing 5 to it resets the peak of resident memory, VmHWM: proc(5)."""


class WorkerServer:
    """Answers commands, one method each."""

    def __init__(self) -> None:
        self.scope = ExitStack()
        self._case: PreparedCase | None = None
        self.usage = CpuUsage()
        self._trainer: Trainer | None = None
        self.peaks: MachinePeaks | None = None

    @property
    def case(self) -> PreparedCase:
        """The case that ``prepare`` loaded."""
        if self._case is None:
            raise LstmbenchError("the worker was asked to measure before it was prepared")
        return self._case

    @property
    def trainer(self) -> "Trainer":
        """The training run that ``start_training`` began."""
        if self._trainer is None:
            raise LstmbenchError("the worker was asked to train before training was started")
        return self._trainer

    def describe(self, names: list[str]) -> list[dict[str, Any]]:
        """Return the rows of ``lstmbench.implementations()`` for these implementations."""
        return [implementation_row(name) for name in names]

    def write_inputs(self, workload: Workload, seed: int, path: str) -> None:
        """Draw a workload's inputs, compute the oracle's answers, and write both to a file."""
        write_inputs(workload, seed, Path(path))

    def machine_peaks(self, workload: Workload) -> dict[str, float]:
        """Measure the machine's peak rates for one turn; the workload is the same at every call."""
        self.peaks = self.peaks or MachinePeaks(workload)
        return self.peaks.measure()

    def prepare(
        self, implementation: str, workload: Workload, inputs: str, repeat: float = 0.0
    ) -> dict[str, Any]:
        """Load the implementation and its inputs, and return the state of the frameworks.

        From here on the garbage collector is off and denormals count as zero.
        """
        if reason := untimeable_reason():
            raise LstmbenchError(reason)
        mode = denormals.flush()
        self._case = PreparedCase(implementation, workload, Path(inputs), self.scope, repeat)
        gc.collect()
        gc.disable()
        return environment.frameworks() | {"denormals": mode}

    def check_accuracy(self) -> dict[str, Any]:
        """Make three calls, the first one timed as such, and compare their outputs with the oracle.

        The second call has other inputs, the third those of the first again. So a result or a state
        that is kept between calls shows, and so does an input that is written to.
        """
        seconds, checks = [], []
        for k in (0, 1, 0):
            start = time.perf_counter()
            outputs = self.case.call(k)
            seconds.append(time.perf_counter() - start)
            checks.append(self.case.check(outputs, k))
        self.case.seconds = seconds[-1]
        gradients = [check["grad_rel_error"] for check in checks]
        return {
            "first_call_s": seconds[0],
            "invalid_outputs": next(filter(None, (c["invalid_outputs"] for c in checks)), ""),
            "output_rel_error": max(check["output_rel_error"] for check in checks),
            "grad_rel_error": None if None in gradients else max(gradients),
        }

    def warm_up(self, turn_s: float, whole_calls: bool | None = None) -> dict[str, Any]:
        """Call until the times are steady, then calibrate as ``PreparedCase.calibrate``.

        Returns:
            What that returns, and ``cores_busy``: the mean number of cores that computed in calls
            that could use them all.
        """
        times = [self.case.seconds]  # of the accuracy check: a long call is warm by then
        end = time.perf_counter() + WARM_UP_TURNS * turn_s - self.case.seconds
        while time.perf_counter() < end:
            times.append(self.case.samples(0.0)[0])
            last = times[-STEADY_CALLS:]
            if len(times) > STEADY_CALLS and max(last) <= STEADY_WITHIN * min(last):
                break
        calibration = self.case.calibrate(min(times), turn_s, whole_calls)
        self.usage, probe = CpuUsage(), ProcessCounters()
        self.case.samples(FREE_TURNS * turn_s)
        changes = probe.changes()
        return calibration | {"cores_busy": changes["cpu_s"] / changes["loop_s"]}

    def bind(self, cores: list[int]) -> None:
        """Bind all threads of this process to these cores, and so those that they start later."""
        for thread, _ in thread_files("self", "stat"):
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread), cores)

    def thread_usage(self) -> dict[str, Any]:
        """Return who computed since the warm-up, see ``CpuUsage.shares``."""
        return self.usage.shares()

    def measure(self, turn_s: float) -> dict[str, Any]:
        """Take samples for one turn, at least one; return them and the probe's changes.

        Untimed calls first bring the data back into the caches. A call of half a turn or more
        evicts its own data anyway, so it gets none.
        """
        case = self.case
        end = time.perf_counter() + CACHE_WARM_UP * turn_s
        while case.seconds < turn_s / 2 and time.perf_counter() < end:
            case.run(1)
        probe = ProcessCounters()
        seconds = case.samples(turn_s)
        return probe.changes() | {"seconds": seconds, "calls": case.calls}

    def alternate(
        self, names: list[str], workload: Workload, inputs: str, calls: int
    ) -> dict[str, tuple[float, ...]]:
        """Time calls of several implementations in turn; return the seconds of each, by name."""
        cases = {name: PreparedCase(name, workload, Path(inputs), self.scope) for name in names}
        for case in cases.values():
            case.run(ALTERNATE_WARM_UP)
        rounds = [[case.samples(0.0)[0] for case in cases.values()] for _ in range(calls)]
        return dict(zip(cases, zip(*rounds, strict=True), strict=True))

    def start_training(self, implementation: str, workload: dict[str, Any]) -> dict[str, Any]:
        """Start a training run; return its sizes and its metric."""
        from lstmbench.training.tasks import make_task
        from lstmbench.training.trainer import Trainer  # no process that is timed needs it

        task = make_task(workload["task"], dict(workload["sizes"]))
        recipe = replace(task.recipe, **dict(workload["recipe"]))
        options = {name: workload[name] for name in ("cell", "seed", "device", "dtype")}
        self._trainer = self.scope.enter_context(Trainer(task, recipe, implementation, **options))
        return metric_columns(task) | {
            "input_size": task.input_size,
            "hidden_size": recipe.hidden_size,
            "seq_len": task.seq_len,
            "batch_size": getattr(task, "batch_size", None),
            "num_layers": 1,
            "frameworks": environment.frameworks(),
        }

    def train_epoch(self) -> tuple[dict[str, Any], str | None]:
        """Train an epoch; return its results and its probe's, and why it was the last if so."""
        probe = ProcessCounters()
        epoch = self.trainer.run_epoch()._asdict()
        return epoch | probe.changes(), self.trainer.ended

    def finish_training(self) -> dict[str, Any]:
        """Return the result of the training run."""
        return asdict(self.trainer.finish())

    def baselines(self, workload: dict[str, Any]) -> dict[str, Any]:
        """Return the scores of a task's baselines, by their names."""
        from lstmbench.training.tasks import make_task

        task = make_task(workload["task"], dict(workload["sizes"]))
        return metric_columns(task) | {"scores": task.baselines()}

    def memory(self, implementation: str, workload: Workload, inputs: str) -> dict[str, Any]:
        """Return the memory that one call needs, in bytes, and what the device did in it.

        This process has imported and holds nothing else than the implementation and one set of
        inputs.

        Returns:
            ``peak_host_bytes`` and ``peak_device_bytes`` of the process, ``allocated_bytes`` at the
            allocator's peak beyond the inputs, ``allocated_bytes_per_step``: its growth per time
            step from half of the sequence to all of it; and the columns of
            ``ArrayBackend.device_profile``.
        """
        case = PreparedCase(implementation, workload, Path(inputs), self.scope, sets=1)
        for _ in range(2):  # compiling and set-up are no part of a call
            case.call(0)
        gc.collect()
        peak_host = peak_host_bytes(lambda: case.call(0))
        allocated, steps = case.allocated_bytes(), case.workload.seq_len
        half = case.allocated_bytes(steps // 2) if steps > 1 else None
        growth = None
        if allocated is not None and half is not None:
            growth = (allocated - half) / (steps - steps // 2)
        on_device = case.workload.device != "cpu"
        return {
            "peak_host_bytes": peak_host,
            "allocated_bytes": allocated,
            "allocated_bytes_per_step": growth,
            # Read after the calls: no framework returns device memory before its process ends
            "peak_device_bytes": device_bytes() if on_device else None,
            **case.lstm.framework.device_profile(case.method, *case.inputs[0]),
        }


def untimeable_reason() -> str:
    """Return why no time measured in this process would be the implementation's; "" if it would.

    A worker gets no such environment variables, but settings files and plug-ins have such effects.
    """
    if sys.gettrace() or sys.getprofile():
        return "a debugger, profiler or coverage traces every call in this process"
    if tracemalloc.is_tracing():
        return "tracemalloc traces every allocation in this process"
    if (numba := sys.modules.get("numba")) and numba.config.DISABLE_JIT:
        return "Numba compiles nothing in this process: DISABLE_JIT is set"
    return ""


def metric_columns(task: "Task") -> dict[str, Any]:
    """Return the columns of a record that describe a task's metric."""
    return {"metric": task.metric.name, "higher_is_better": task.metric.higher_is_better}


def peak_host_bytes(call: Callable[[], object]) -> int | None:
    """Return the peak of this process's resident memory during a call, None if unknown."""
    try:
        CLEAR_REFS.write_text("5")
    except OSError:
        return None
    call()
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) * 1024 if peak else None


def respond(
    server: WorkerServer, command: str, arguments: dict[str, Any]
) -> tuple[Any, str | None]:
    """Run a command and wait until the process is idle; return the result, and the error if any."""
    try:
        result = getattr(server, command)(**arguments)
        wait_until_idle()  # its threads would take a core from the turns of others
        return result, None
    except LstmbenchError as error:
        reason = str(error)
    except MemoryError as error:  # NumPy raises a subclass of another name
        reason = f"MemoryError: {error}"
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        reason = f"{type(error).__name__}: {first_line[:500]}"
    return None, reason


def serve(connection: Connection) -> None:
    """Answer requests until the parent disconnects."""
    server = WorkerServer()
    with server.scope:
        while True:
            try:
                request = connection.recv()
            except (EOFError, OSError):
                return
            connection.send(respond(server, *request))
