"""What runs in the process that is timed: it holds one implementation and answers the parent's
commands.

prepare   load the implementation and the inputs (nothing is timed yet)
gate      the first call, timed, and two more; their outputs and gradients are held against the oracle's
warm      call until the time of a call is steady; return how many calls make one sample
measure   one turn of a round: samples until the turn's time is over
threads   how the computing was shared among threads
memory    peaks of the allocator and of the process, in a process that does nothing else

Or it learns: enrol, then epoch until that says why it was the last, then finish; or it computes a
task's baselines.
"""

import gc
import json
import sys
import time
import tracemalloc
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmbench.core.registry import implementation_row
from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.inputs import write_with_answers
from lstmbench.measure.process import denormals
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.process.probes import (
    IDLE_TIMEOUT_S,
    Probe,
    cpu_shares,
    cpu_time_by_thread,
    descendants_cpu_time,
    sentinel,
    wait_until_idle,
)
from lstmbench.measure.process.system_monitor import device_bytes
from lstmbench.measure.roofline import MachinePeaks
from lstmbench.measure.suites.case import Workload

if TYPE_CHECKING:
    from lstmbench.training.tasks.task import Task
    from lstmbench.training.trainer import Training


class WorkerServer:
    """Answers commands, one method each."""

    def __init__(self) -> None:
        self.scope = ExitStack()
        self.held: PreparedCase | None = None
        self.threads_before: dict[str, int] = {}
        self.below_before = 0
        self.training: Training | None = None
        self.machine: MachinePeaks | None = None

    @property
    def case(self) -> PreparedCase:
        if self.held is None:
            raise LstmbenchError("the worker was asked to measure before it was prepared")
        return self.held

    def describe(self, names: list[str]) -> list[dict[str, Any]]:
        """Say what is known of implementations: whether they are available, on which devices, in
        which dtypes.
        """
        return [implementation_row(name) for name in names]

    def write_inputs(self, workload: dict[str, Any], seed: int, path: str) -> None:
        """Draw a workload's inputs and compute the oracle's answers."""
        write_with_answers(Workload(**workload), seed, Path(path))

    def machine_peaks(self, workload: dict[str, Any]) -> dict[str, float]:
        """Take a turn at the machine's own limits, on NumPy's matrix product; always at the same
        workload.
        """
        self.machine = self.machine or MachinePeaks(Workload(**workload))
        return self.machine.measure()

    def prepare(
        self, implementation: str, workload: dict[str, Any], inputs: str, repeat: float = 0.0
    ) -> dict[str, Any]:
        """Load the implementation and its inputs; from here on the garbage collector is off, and
        denormals are zero.
        """
        if reason := untimeable_reason():
            raise LstmbenchError(reason)
        mode = denormals.flush()
        self.held = PreparedCase(
            implementation, Workload(**workload), Path(inputs), self.scope, repeat
        )
        gc.collect()
        gc.disable()
        return environment.frameworks() | {"denormals": mode}

    def check_accuracy(self) -> dict[str, Any]:
        """Make the first call, and hold what it returns against the oracle.

        Then other inputs, and the first ones again: what is kept from one call to the next shows
        here, be it a result, a state, or an input that is written to.
        """
        start = time.perf_counter()
        outputs = self.case.call(0)
        first_call_s = time.perf_counter() - start
        checks = [self.case.check(outputs)]
        for k in (1, 0):
            start = time.perf_counter()
            outputs = self.case.call(k)
            self.case.seconds = time.perf_counter() - start
            checks.append(self.case.check(outputs, k))
        found: dict[str, Any] = {"first_call_s": first_call_s}
        found["invalid_outputs"] = next(
            (check["invalid_outputs"] for check in checks if check["invalid_outputs"]), ""
        )
        for name in ("output_rel_error", "grad_rel_error"):
            found[name] = max(
                (check[name] for check in checks if check[name] is not None), default=None
            )
        return found

    def warm_up(self, turn_s: float, whole_calls: bool | None = None) -> dict[str, Any]:
        """Call until the last three times agree within 5 %, then set how many calls make one
        sample.

        No longer than ten turns. Returned is what a control repeats, ``whole_calls`` or time steps,
        and its ``truth``.
        """
        times = [self.case.seconds]  # of the gate's last call: a long one is warm by then
        end = time.perf_counter() + 10 * turn_s - self.case.seconds
        while time.perf_counter() < end:
            times.append(self.case.samples(0.0)[0])
            if len(times) >= 4 and max(times[-3:]) <= 1.05 * min(times[-3:]):
                break
        self.case.calibrate(min(times), turn_s, whole_calls)
        self.threads_before, self.below_before = cpu_time_by_thread(), descendants_cpu_time()
        return {"true_ratio": self.case.true_ratio, "whole_calls": self.case.repeats_whole_calls}

    def thread_usage(self) -> dict[str, Any]:
        """Tell by whom was computed since this process was warm: ``trial.CaseRun.check_threads``
        says how.
        """
        after, below = cpu_time_by_thread(), descendants_cpu_time() - self.below_before
        own = sum(after.values()) - sum(self.threads_before.values())
        return {
            "shares": cpu_shares(self.threads_before, after),
            "elsewhere": below / max(1, below + own),
        }

    def measure(self, turn_s: float) -> dict[str, Any]:
        """Take samples until the turn is over, at least one, with the witnesses that ``guard``
        judges it by.

        Before, it is called untimed for a fifth of the turn, to bring its data back into the caches
        after the turns of
        others: the first milliseconds were seen to be 3 to 10 % slower. A long call evicts what it
        finds there anyway.
        """
        case, sentinel_s = self.case, sentinel()
        end = time.perf_counter() + turn_s / 5
        while case.seconds < turn_s / 2 and time.perf_counter() < end:
            case.run(1)
        witness = Probe(sentinel_s)
        seconds = case.samples(turn_s)
        return witness.tell() | {"seconds": seconds, "calls": case.calls}

    def start_training(
        self, implementation: str, lesson: dict[str, Any], device: str, dtype: str
    ) -> dict[str, Any]:
        """Begin to learn a task, see ``TrainingWorkload.asked``."""
        from lstmbench.training.tasks.task import make_task
        from lstmbench.training.trainer import Training  # no process that is timed needs it

        task = make_task(lesson["task"], lesson["sizes"])
        recipe = replace(task.recipe, **lesson["recipe"])
        options = {"cell": lesson["cell"], "seed": lesson["seed"], "device": device, "dtype": dtype}
        self.training = self.scope.enter_context(Training(task, recipe, implementation, **options))
        model = self.training.learner.model
        sizes = {name: getattr(model, name) for name in ("input_size", "hidden_size")}
        sizes |= {
            "seq_len": task.horizon,
            "batch_size": getattr(task, "batch_size", None),
            "num_layers": 1,
        }
        return about(task) | sizes | {"frameworks": environment.frameworks()}

    def train_epoch(self) -> tuple[dict[str, Any], str | None]:
        """Learn for an epoch; return what it showed, with its witnesses, and why it was the last if
        it was.
        """
        assert self.training is not None
        witness = Probe(sentinel())
        showed = self.training.epoch()._asdict()
        return showed | witness.tell(), self.training.ended

    def finish_training(self) -> dict[str, Any]:
        """Return what came of it."""
        assert self.training is not None
        outcome = self.training.finish()
        named = {"score": outcome.score, "solved": outcome.solved, "ended": outcome.ended}
        return named | {"best_epoch": outcome.best}

    def baselines(self, task: str, sizes: dict[str, int]) -> dict[str, Any]:
        """Return the scores of a task's baselines, by their names."""
        from lstmbench.training.tasks.task import make_task

        made = make_task(task, sizes)
        return about(made) | {"scores": made.baselines()}

    def memory(self, implementation: str, workload: dict[str, Any], inputs: str) -> dict[str, Any]:
        """Return the peaks of one call: of the process, also on the device, and of the allocator
        (beyond the inputs).

        And by how many bytes the allocator's peak grows with each time step, from a half of the
        sequence to the whole; and what the device did, see ``ArrayBackend.on_device``. Asked of a
        process that has imported nothing before, it
        is what a process needs that makes such calls: it holds the implementation, and one set of
        inputs.
        """
        case = PreparedCase(implementation, Workload(**workload), Path(inputs), self.scope, sets=1)
        for _ in range(2):  # what is compiled or set up at first is no part of a call
            case.call(0)
        gc.collect()
        peak_host = None
        if _forget_high_water_mark():
            case.call(0)
            peak_host = _high_water_mark()
        allocated = case.allocated_bytes()
        steps = case.workload.seq_len
        half = case.allocated_bytes(steps // 2) if steps > 1 else None
        growth = (
            None if allocated is None or half is None else (allocated - half) / (steps - steps // 2)
        )
        device = (
            device_bytes() if case.workload.device != "cpu" else None
        )  # frameworks give nothing back
        return {
            "peak_host_bytes": peak_host,
            "allocated_bytes": allocated,
            "allocated_bytes_per_step": growth,
            "peak_device_bytes": device,
            **case.device_profile(),
        }


def untimeable_reason() -> str:
    """Return why no time of this process would be that of the implementation, "" if one may be
    taken.

    Variables of the environment are kept from a worker, but a file of settings or a plug-in can
    have the same effect.
    """
    if sys.gettrace() or sys.getprofile():
        return "a debugger, profiler or coverage traces every call in this process"
    if tracemalloc.is_tracing():
        return "tracemalloc traces every allocation in this process"
    numba = sys.modules.get("numba")
    if numba is not None and numba.config.DISABLE_JIT:
        return "Numba compiles nothing in this process: DISABLE_JIT is set"
    return ""


def about(task: "Task") -> dict[str, Any]:
    """Return the columns of a record that say by what a task is judged."""
    return {"metric": task.metric.name, "higher_is_better": task.metric.higher_is_better}


def _forget_high_water_mark() -> bool:
    """Set the high-water mark of resident memory back to what is resident now; return whether the
    system lets us.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _high_water_mark() -> int | None:
    """Return the most bytes that were resident at once, or None where the system does not tell."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return None


def answer(server: WorkerServer, request: bytes) -> bytes:
    """Return the answer to a request, or what failed, once the process rests: the parent decides
    what that means.
    """
    arguments = json.loads(request)
    command = getattr(server, arguments.pop("command"))
    try:
        found = command(**arguments)
        if not wait_until_idle():  # it would take a core from the turns of others
            raise LstmbenchError(
                f"its threads still computed {IDLE_TIMEOUT_S:g} s after it had answered"
            )
        return json.dumps({"answer": found}).encode()
    except LstmbenchError as error:
        reason = str(error)
    except MemoryError as error:  # NumPy's own has another name
        reason = f"MemoryError: {error}"
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0][:500]}"
    return json.dumps({"error": reason}).encode()


def serve(connection: Connection) -> None:
    """Answer requests until the parent hangs up."""
    server = WorkerServer()
    with server.scope:
        while True:
            try:
                request = connection.recv_bytes()
            except (EOFError, OSError):
                return
            connection.send_bytes(answer(server, request))
