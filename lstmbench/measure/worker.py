"""What runs in the process that is timed: it holds one implementation and answers the parent's commands.

prepare   load the implementation and the inputs (nothing is timed yet)
gate      the first call, timed; its outputs and gradients are held against the oracle's
warm      call until the time of a call is steady; return how many calls make one sample
measure   one turn of a round: samples until the turn's time is over
memory    peaks of the allocator and of the process, in a pass of their own
"""

import gc
import json
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
from lstmbench.measure import environment, limits
from lstmbench.measure.case import Workload
from lstmbench.measure.inputs import GRADIENTS, INFERENCE, OUTPUTS, SETS, TRAINING, WEIGHTS, write_with_answers

SHORTEST_SAMPLE_S = 0.5e-3
"""A sample is at least this long: ten thousand times the resolution of the clock, and of the loop's own cost."""


class Held:
    """The implementation under test, with its inputs on the device."""

    def __init__(self, implementation: str, workload: Workload, inputs: Path, scope: ExitStack) -> None:
        self.workload = workload
        with np.load(inputs, allow_pickle=False) as arrays:
            params = LSTMParams(*(arrays[name] for name in WEIGHTS))
            lstm = load(implementation, params, workload.device, workload.dtype)
            scope.enter_context(lstm.framework.scope())
            names = TRAINING if workload.mode == "training" else INFERENCE
            self.inputs = [
                tuple(lstm.framework.from_numpy(arrays[f"{name}{k}"]) for name in names) for k in range(SETS)
            ]
            self.answers = {name: arrays[name] for name in arrays.files if name.startswith("answer_")}
        self.lstm: LSTM = lstm
        self.method: Callable[..., Any] = (
            lstm.implementation.forward_backward if workload.mode == "training" else lstm.implementation.forward
        )
        self.calls = 1
        self.turns = 0

    def errors(self, outputs: Any) -> dict[str, float | None]:
        """Hold native outputs against the oracle: the largest relative error of the outputs, and of the gradients."""
        training = self.workload.mode == "training"
        outputs, gradients = outputs if training else (outputs, ())
        found = {name: self._error(native, f"answer_{name}") for name, native in zip(OUTPUTS, outputs, strict=True)}
        named = zip(GRADIENTS, gradients, strict=training)
        found_gradients = {name: self._error(native, f"answer_d_{name}") for name, native in named}
        return {
            "output_rel_error": max(found.values()),
            "grad_rel_error": max(found_gradients.values()) if training else None,
        }

    def _error(self, native: Any, answer: str) -> float:
        return relative_error(self.lstm.framework.to_numpy(native), self.answers[answer])

    def call(self, k: int) -> Any:
        """Run the timed method on the k-th set of inputs, and wait for all that it returns."""
        outputs = self.method(*self.inputs[k % SETS])
        self.lstm.framework.synchronize(outputs)
        return outputs

    def sample(self, calls: int) -> float:
        """Return the seconds of one call, the mean over so many in a row, inputs taking turns."""
        method, synchronize, inputs = self.method, self.lstm.framework.synchronize, self.inputs
        first = self.turns
        self.turns += calls
        start = time.perf_counter()
        for k in range(first, first + calls):
            synchronize(method(*inputs[k % SETS]))
        return (time.perf_counter() - start) / calls


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

    def prepare(self, implementation: str, workload: dict[str, Any], inputs: str) -> dict[str, Any]:
        """Load the implementation and its inputs; from here on the garbage collector is off."""
        self.held = Held(implementation, Workload(**workload), Path(inputs), self.scope)
        gc.collect()
        gc.disable()
        return environment.frameworks()

    def gate(self) -> dict[str, Any]:
        """Make the first call, and hold what it returns against the oracle."""
        start = time.perf_counter()
        outputs = self.case.call(0)
        first_call_s = time.perf_counter() - start
        return {"first_call_s": first_call_s, **self.case.errors(outputs)}

    def warm(self, within_s: float) -> dict[str, Any]:
        """Call until the last three times agree within 5 %, then set how many calls make one sample."""
        times: list[float] = []
        end = time.perf_counter() + within_s
        while len(times) < 2 or time.perf_counter() < end:
            times.append(self.case.sample(1))
            if len(times) >= 4 and max(times[-3:]) <= 1.05 * min(times[-3:]):
                break
        seconds = min(times)
        self.case.calls = max(1, int(np.ceil(SHORTEST_SAMPLE_S / seconds)))
        return {"calls": self.case.calls, "seconds": seconds}

    def measure(self, turn_s: float) -> list[float]:
        """Take samples until the turn is over, at least one; a short case is called once untimed, for the caches."""
        case = self.case
        end = time.perf_counter() + turn_s
        seconds = case.sample(1)
        samples = [seconds] if seconds >= turn_s / 2 else []
        while not samples or time.perf_counter() < end:
            samples.append(case.sample(case.calls))
        return samples

    def memory(self) -> dict[str, int | None]:
        """Return the peaks of one call: of the process (resident, in all), and of the allocator (beyond the inputs)."""
        case = self.case
        reset = Path("/proc/self/clear_refs")
        peak_host = None
        if reset.exists():
            reset.write_text("5")  # sets the high-water mark back to what is resident now
            case.call(0)
            status = Path("/proc/self/status").read_text()
            peak_host = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        allocated = case.lstm.framework.allocated_bytes(case.method, *case.inputs[0])
        device = allocated if case.workload.device != "cpu" else None
        return {"peak_host_bytes": peak_host, "allocated_bytes": allocated, "peak_device_bytes": device}


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
