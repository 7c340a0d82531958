"""What runs in the process that is timed: it holds one implementation and answers the parent's commands.

prepare   load the implementation and the inputs (nothing is timed yet)
gate      the first call, timed, and two more; their outputs and gradients are held against the oracle's
warm      call until the time of a call is steady; return how many calls make one sample
measure   one turn of a round: samples until the turn's time is over
memory    peaks of the allocator and of the process, in a pass of their own
"""

import gc
import json
import math
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from lstmbench.cell.interface import LSTM
from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.registry import describe, load
from lstmbench.cell.tolerance import relative_error
from lstmbench.errors import LstmbenchError
from lstmbench.measure import denormals, environment, limits
from lstmbench.measure.case import Workload
from lstmbench.measure.inputs import GRADIENTS, INFERENCE, OUTPUTS, SETS, TRAINING, WEIGHTS, write_with_answers

SHORTEST_SAMPLE_S = 0.5e-3
"""A sample is at least this long: ten thousand times the resolution of the clock, and of the loop's own cost."""
LONG_CALL_S = 5e-3
"""A control repeats whole calls where a call is shorter, and time steps where it is longer."""


class Held:
    """The implementation under test, with its inputs on the device."""

    def __init__(
        self, implementation: str, workload: Workload, inputs: Path, scope: ExitStack, repeat: float = 0.0
    ) -> None:
        self.workload, self.repeat = workload, repeat
        with np.load(inputs, allow_pickle=False) as arrays:
            params = LSTMParams(*(arrays[name] for name in WEIGHTS))
            lstm = load(implementation, params, workload.device, workload.dtype)
            scope.enter_context(lstm.framework.scope())
            names = TRAINING if workload.mode == "training" else INFERENCE
            self.inputs = [
                tuple(lstm.framework.from_numpy(arrays[f"{name}{k}"]) for name in names) for k in range(SETS)
            ]
            steps = math.ceil(repeat * workload.seq_len)
            self.beginning = (
                [tuple(lstm.framework.from_numpy(_first_steps(arrays, name, steps)) for name in names)]
                if repeat
                else []
            )
            self.answers = {name: arrays[name] for name in arrays.files if name.startswith("answer_")}
        self.lstm: LSTM = lstm
        self.method: Callable[..., Any] = (
            lstm.implementation.forward_backward if workload.mode == "training" else lstm.implementation.forward
        )
        self.calls = 1
        self.seconds = 0.0
        self.turns = 0

    def errors(self, outputs: Any, k: int = 0) -> dict[str, float | None]:
        """Hold native outputs for the k-th inputs against the oracle's: the largest relative error of each kind."""
        found = {name: relative_error(array, self._answer(name, k)) for name, array in self._named(outputs).items()}
        gradients = [error for name, error in found.items() if name not in OUTPUTS]
        return {
            "output_rel_error": max(found[name] for name in OUTPUTS),
            "grad_rel_error": max(gradients, default=None),
        }

    def misfit(self, outputs: Any, k: int = 0) -> str:
        """Say why the outputs can't be held against the oracle's at all, or return "" if they can."""
        for name, array in self._named(outputs).items():
            right = self._answer(name, k).shape
            if array.shape != right:
                return f"{name} has shape {array.shape}, and {right} is right"
            if not np.isfinite(array).all():
                return f"{name} has values that are not finite"
        return ""

    def _named(self, outputs: Any) -> dict[str, Any]:
        """Bring outputs and gradients back to NumPy, by name; the names of gradients begin with ``d_``."""
        try:
            outputs, gradients = outputs if self.workload.mode == "training" else (outputs, None)
            named = dict(zip(OUTPUTS, outputs, strict=True))
            if gradients is not None:
                named |= zip((f"d_{name}" for name in GRADIENTS), gradients, strict=True)
        except (TypeError, ValueError):
            raise LstmbenchError("it must return (y, h, c), or in training ((y, h, c), six gradients)") from None
        return {name: self.lstm.framework.to_numpy(native) for name, native in named.items()}

    def _answer(self, name: str, k: int) -> Any:
        return self.answers[f"answer_{name}{k}"]

    def call(self, k: int) -> Any:
        """Run the timed method on the k-th set of inputs, and wait for all that it returns."""
        outputs = self.method(*self.inputs[k % SETS])
        self.lstm.framework.synchronize(outputs)
        return outputs

    def sample(self, calls: int) -> float:
        """Return the seconds of one call, the mean over so many in a row, inputs taking turns."""
        method, synchronize, inputs = self.method, self.lstm.framework.synchronize, self.inputs
        first, again = self.turns, round(self.repeat * calls)
        self.turns += calls
        start = time.perf_counter()
        for k in range(first, first + calls + again):
            synchronize(method(*inputs[k % SETS]))
        if self.repeat and not again:
            synchronize(method(*self.beginning[0]))
        return (time.perf_counter() - start) / calls

    def calibrate(self, seconds: float) -> None:
        """Set how many calls make one sample; for a control so many that what is repeated are whole calls."""
        self.seconds = seconds
        self.calls = max(1, math.ceil(SHORTEST_SAMPLE_S / seconds))
        if self.repeat and seconds < LONG_CALL_S:
            whole = round(1 / self.repeat)
            self.calls = whole * math.ceil(self.calls / whole)

    @property
    def truth(self) -> float:
        """Return how many times longer a call takes for what is repeated, by the count of calls or time steps."""
        if round(self.repeat * self.calls):
            return 1 + round(self.repeat * self.calls) / self.calls
        return 1 + math.ceil(self.repeat * self.workload.seq_len) / self.workload.seq_len


class Server:
    """Answers commands, one method each."""

    def __init__(self) -> None:
        self.scope = ExitStack()
        self.held: Held | None = None

    @property
    def case(self) -> Held:
        if self.held is None:
            raise LstmbenchError("the worker was asked to measure before it was prepared")
        return self.held

    def describe(self, names: list[str]) -> list[dict[str, Any]]:
        """Say what is known of implementations: whether they are available, on which devices, in which dtypes."""
        return [describe(name) for name in names]

    def draw(self, workload: dict[str, Any], seed: int, path: str) -> None:
        """Draw a workload's inputs and compute the oracle's answers."""
        write_with_answers(Workload(**workload), seed, Path(path))

    def limits(self, dtype: str) -> dict[str, float]:
        """Measure the machine's own rates, on NumPy's matrix product."""
        return limits.measure(dtype)

    def prepare(
        self, implementation: str, workload: dict[str, Any], inputs: str, repeat: float = 0.0
    ) -> dict[str, Any]:
        """Load the implementation and its inputs; from here on the garbage collector is off, and denormals are zero."""
        mode = denormals.flush()
        self.held = Held(implementation, Workload(**workload), Path(inputs), self.scope, repeat)
        gc.collect()
        gc.disable()
        return environment.frameworks() | {"denormals": mode}

    def gate(self) -> dict[str, Any]:
        """Make the first call, and hold what it returns against the oracle.

        Then other inputs, and the first ones again: what is kept from one call to the next shows here, be it a result,
        a state, or an input that is written to.
        """
        start = time.perf_counter()
        outputs = self.case.call(0)
        first_call_s = time.perf_counter() - start
        errors, misfit = self.case.errors(outputs), self.case.misfit(outputs)
        for k in (1, 0):
            start = time.perf_counter()
            outputs = self.case.call(k)
            self.case.seconds = time.perf_counter() - start
            misfit = misfit or self.case.misfit(outputs, k)
            for name, error in self.case.errors(outputs, k).items():
                errors[name] = None if error is None else max(error, errors[name] or 0.0)
        return {"first_call_s": first_call_s, "misfit": misfit, **errors}

    def warm(self, within_s: float) -> dict[str, Any]:
        """Call until the last three times agree within 5 %, then set how many calls make one sample."""
        times = [self.case.seconds]  # of the gate's last call: a long one is warm by then
        end = time.perf_counter() + within_s - self.case.seconds
        while time.perf_counter() < end:
            times.append(self.case.sample(1))
            if len(times) >= 4 and max(times[-3:]) <= 1.05 * min(times[-3:]):
                break
        self.case.calibrate(min(times))
        return {"truth": self.case.truth}

    def measure(self, turn_s: float) -> dict[str, Any]:
        """Take samples until the turn is over, at least one, with the witnesses that ``guard`` judges it by.

        A case that is short beside the turn is called once untimed before, to bring its data back into the caches.
        """
        case, seconds = self.case, list[float]()
        sentinel_s = _sentinel()
        if case.seconds < turn_s / 2:
            case.sample(1)
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        cpu, start = time.process_time(), time.perf_counter()
        while not seconds or time.perf_counter() - start < turn_s:
            seconds.append(case.sample(case.calls))
        loop_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - switches
        return {
            "seconds": seconds,
            "loop_s": loop_s,
            "cpu_s": cpu_s,
            "switches": switches,
            "sentinel_s": sentinel_s,
            "calls": case.calls,
        }

    def memory(self) -> dict[str, int | None]:
        """Return the peaks of one call: of the process (resident, in all), and of the allocator (beyond the inputs)."""
        case = self.case
        peak_host = None
        if _forget_high_water_mark():
            case.call(0)
            peak_host = _high_water_mark()
        allocated = case.lstm.framework.allocated_bytes(case.method, *case.inputs[0])
        device = allocated if case.workload.device != "cpu" else None
        return {"peak_host_bytes": peak_host, "allocated_bytes": allocated, "peak_device_bytes": device}


def _first_steps(arrays: Any, name: str, steps: int) -> Any:
    """Return the first set's input, cut to its first time steps where it has some."""
    return arrays[f"{name}0"][:steps] if name in ("x", "dy") else arrays[f"{name}0"]


def _sentinel() -> float:
    """Return the seconds of a small fixed piece of work, arithmetic on numbers that fit the first-level cache."""
    numbers = np.full(1024, 1.000001)
    start = time.perf_counter()
    for _ in range(50):
        numbers *= numbers
    return time.perf_counter() - start


def _forget_high_water_mark() -> bool:
    """Set the high-water mark of resident memory back to what is resident now; return whether the system lets us."""
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


def serve(connection: Connection) -> None:
    """Answer commands until the parent hangs up. What fails is reported; the parent decides what that means."""
    server = Server()
    with server.scope:
        while True:
            try:
                request = json.loads(connection.recv_bytes())
            except (EOFError, OSError):
                return
            command = getattr(server, request.pop("command"))
            try:
                answer = {"answer": command(**request)}
            except MemoryError as error:
                answer = {"error": f"MemoryError: {error}"}
            except LstmbenchError as error:
                answer = {"error": str(error)}
            except Exception as error:
                lines = str(error).strip().splitlines() or [""]
                answer = {"error": f"{type(error).__name__}: {lines[0][:500]}"}
            connection.send_bytes(json.dumps(answer).encode())
