"""The implementation under test, with its inputs on the device: what is called, what is timed, what
is checked.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from lstmbench.core.interface import LSTM
from lstmbench.core.stack.load import load
from lstmbench.core.stack.stack_model import Stack
from lstmbench.core.tolerance import relative_error
from lstmbench.errors import LstmbenchError
from lstmbench.measure.inputs import INFERENCE, OUTPUTS, SETS, TRAINING, gradient_names, params_of
from lstmbench.measure.suites.case import Workload

MIN_SAMPLE_S = 2e-3
"""A sample is at least this long. Far above the resolution of the clock; but to read it is itself a
pause, after which a call is slower by microseconds: with samples of half a millisecond a control of
5 % was seen at
4.4 %."""
CALIBRATION_PAIRS = 7
"""So often is the call of a few time steps held against a whole one, to know what repeating it
adds.
"""


class PreparedCase:
    """An implementation, loaded, with sets of inputs; the oracle's answers to them stay in their
    file.
    """

    def __init__(
        self,
        implementation: str,
        workload: Workload,
        inputs: Path,
        scope: ExitStack,
        repeat: float = 0.0,
        sets: int = SETS,
    ) -> None:
        self.workload, self.repeat, self.file = workload, repeat, inputs
        with np.load(inputs, allow_pickle=False) as arrays:
            params = params_of(workload, arrays)
            lstm = load(implementation, params, workload.device, workload.dtype)
        scope.enter_context(lstm.framework.scope())
        self.lstm: LSTM | Stack = lstm
        self.inputs = [self._native(self._read(k)) for k in range(sets)]
        self.method: Callable[..., Any] = (
            lstm.implementation.forward_backward
            if workload.mode == "training"
            else lstm.implementation.forward
        )
        self.beginning = self._begin(math.ceil(repeat * workload.seq_len)) if repeat else ()
        self.calls = 1
        self.true_ratio = 1.0
        self.seconds = 0.0
        self.turns = 0

    def check(self, outputs: Any, k: int = 0) -> dict[str, Any]:
        """Hold native outputs for the k-th inputs against the oracle's.

        Returned are the largest relative errors, ``output_rel_error`` and ``grad_rel_error``, and
        ``invalid_outputs``: why the outputs can't be held against the oracle's at all, "" if they
        can.
        """
        arrays, misfits, errors = self._named(outputs), [], {}
        with np.load(
            self.file, allow_pickle=False
        ) as answers:  # none is kept: memory is the implementation's alone
            for name, array in arrays.items():
                answer = answers[f"answer_{name}{k}"]
                errors[name] = relative_error(array, answer)
                if array.shape != answer.shape:
                    misfits.append(f"{name} has shape {array.shape}, and {answer.shape} is right")
                elif not np.isfinite(array).all():
                    misfits.append(f"{name} has values that are not finite")
        gradients = [error for name, error in errors.items() if name not in OUTPUTS]
        return {
            "output_rel_error": max(errors[name] for name in OUTPUTS),
            "grad_rel_error": max(gradients, default=None),
            "invalid_outputs": next(iter(misfits), ""),
        }

    def _named(self, outputs: Any) -> dict[str, Any]:
        """Bring outputs and gradients back to NumPy, by name; the names of gradients begin with
        ``d_``.
        """
        try:
            outputs, gradients = outputs if self.workload.mode == "training" else (outputs, None)
            named = dict(zip(OUTPUTS, outputs, strict=True))
            if gradients is not None:
                if self.workload.stacked:
                    weights, *rest = gradients
                    gradients = (*weights, *rest)
                named |= zip(
                    (f"d_{name}" for name in gradient_names(self.workload)), gradients, strict=True
                )
        except (TypeError, ValueError):
            raise LstmbenchError(
                "it must return (y, h, c), or in training ((y, h, c), six gradients)"
            ) from None
        return {name: self.lstm.framework.to_numpy(native) for name, native in named.items()}

    def _read(self, k: int) -> dict[str, Any]:
        """Return the k-th set of inputs, as float64."""
        names = TRAINING if self.workload.mode == "training" else INFERENCE
        with np.load(self.file, allow_pickle=False) as arrays:
            return {
                name: arrays[f"{name}{k}"] for name in (*names, "lengths") if f"{name}{k}" in arrays
            }

    def call(self, k: int) -> Any:
        """Run the timed method on the k-th set of inputs, and wait for all that it returns."""
        outputs = self.method(*self.inputs[k % SETS])
        self.lstm.framework.synchronize(outputs)
        return outputs

    def run(self, calls: int) -> None:
        """Make so many calls, inputs taking turns; a control makes more."""
        method, synchronize, inputs = self.method, self.lstm.framework.synchronize, self.inputs
        first, again = self.turns, round(self.repeat * calls) if self.repeat else 0
        self.turns += calls
        for k in range(first, first + calls + again):
            synchronize(method(*inputs[k % SETS]))
        if self.repeat and not again:
            synchronize(method(*self.beginning))

    def samples(self, turn_s: float) -> list[float]:
        """Return the seconds of a call, sample by sample, each the mean over ``calls`` in a row,
        for a turn.

        There is at least one. A sample begins where the one before has ended, at the same reading
        of the clock: pauses between samples, be they of a microsecond, were seen to make a call
        slower by ten, so that who needs many samples would lose.
        """
        clock, stamps = time.perf_counter, [time.perf_counter()]
        end = stamps[0] + turn_s
        while len(stamps) == 1 or stamps[-1] < end:
            self.run(self.calls)
            stamps.append(clock())
        return [(after - before) / self.calls for before, after in itertools.pairwise(stamps)]

    def calibrate(self, seconds: float, turn_s: float, whole_calls: bool | None = None) -> None:
        """Set how many calls make one sample, from the time of a call, for turns of ``turn_s``.

        A control takes so many that what it repeats are whole calls, if these fit into a turn; or
        else single calls, each with a few time steps repeated. And ``truth`` is set, how many times
        longer a call takes for what is repeated. Of whole calls it is known by their count. Of time
        steps it is not, for a call of few steps costs
        more than its share: that is measured. ``whole_calls`` says which, if another process of the
        case has decided.
        """
        self.seconds = seconds
        self.calls = max(1, math.ceil(MIN_SAMPLE_S / seconds))
        if not self.repeat:
            return
        whole = round(1 / self.repeat)
        if (whole + 1) * seconds <= turn_s if whole_calls is None else whole_calls:
            self.calls = whole * math.ceil(self.calls / whole)
            self.true_ratio = 1 + round(self.repeat * self.calls) / self.calls
        else:
            self.calls = 1
            pairs = [
                (self._time(self.beginning), self._time(self.inputs[0]))
                for _ in range(CALIBRATION_PAIRS)
            ]
            self.true_ratio = 1 + float(np.median([few / all_ for few, all_ in pairs]))

    @property
    def repeats_whole_calls(self) -> bool:
        """Whether a control repeats whole calls, not time steps."""
        return round(self.repeat * self.calls) > 0

    def _time(self, inputs: tuple[Any, ...]) -> float:
        """Return the seconds of one call on these inputs."""
        start = time.perf_counter()
        self.lstm.framework.synchronize(self.method(*inputs))
        return time.perf_counter() - start

    def _begin(self, steps: int) -> tuple[Any, ...]:
        """Return the first set of inputs, cut to its first time steps where it has some."""
        cut = {
            name: array[:steps] if name in ("x", "dy") else array
            for name, array in self._read(0).items()
        }
        if "lengths" in cut:
            cut["lengths"] = np.minimum(cut["lengths"], steps)
        return self._native(cut)

    def _native(self, arrays: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return inputs as the timed method takes them: lengths as users have them, all else on the
        device.
        """
        bring = self.lstm.framework.from_numpy
        return tuple(array if name == "lengths" else bring(array) for name, array in arrays.items())

    def device_profile(self) -> dict[str, Any]:
        """Return what the device did in a call, as far as the framework tells."""
        return self.lstm.framework.device_profile(self.method, *self.inputs[0])

    def allocated_bytes(self, steps: int | None = None) -> int | None:
        """Return the allocator's peak of one call beyond its inputs, over the first time steps only
        if told so.

        None where an implementation says that its framework's accounting does not see what it
        allocates.
        """
        if getattr(self.lstm.implementation, "hides_memory", False):
            return None
        inputs = self.inputs[0] if steps is None else self._begin(steps)
        if self.workload.lengths == "full":
            return self.lstm.framework.allocated_bytes(self.method, *inputs)
        *native, lengths = inputs  # which are not for a compiler to trace
        return self.lstm.framework.allocated_bytes(
            lambda *arrays: self.method(*arrays, lengths), *native
        )
