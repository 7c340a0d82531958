"""A prepared case: a loaded implementation with inputs on its device, ready to be timed.

The oracle's answers stay in their file, so that memory holds only what the implementation needs.
"""

import itertools
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from lstmbench.core.interface import LSTM
from lstmbench.core.stack.load import load
from lstmbench.core.stack.stacked_lstm import Stack
from lstmbench.core.tolerance import relative_error
from lstmbench.errors import LstmbenchError
from lstmbench.measure.inputs import INFERENCE, OUTPUTS, SETS, TRAINING, gradient_names, params_of
from lstmbench.measure.suites.case import Workload

MIN_SAMPLE_S = 2e-3
"""Minimum duration of a sample. Measured: reading the clock is itself a pause, after which a call
is slower by microseconds; with samples of 0.5 ms a control of 5 % showed as 4.4 %."""
CALIBRATION_PAIRS = 7
"""Pairs of calls, of a few time steps and of all, from which the cost of repeating steps is known.
Chosen: odd, so that the median is one of them, and few, since long calls need it."""


class PreparedCase:
    """An implementation at one workload.

    Attributes:
        calls: calls per sample.
        seconds: time of one call, as measured last.
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
        """Load the implementation and its inputs.

        Args:
            implementation: its name.
            workload: the sizes, mode, device and dtype.
            inputs: file that ``write_inputs`` wrote.
            scope: is left when the case is no longer needed.
            repeat: share of the work that a control repeats; 0 for a case that is no control.
            sets: how many sets of inputs to load.
        """
        self.workload, self.path, self.repeat = workload, inputs, repeat
        self.training = workload.mode == "training"
        with np.load(inputs) as arrays:
            stack = params_of(workload, arrays)
        params = stack if workload.stacked else stack.layers[0][0]
        self.lstm: LSTM | Stack = load(implementation, params, workload.device, workload.dtype)
        scope.enter_context(self.lstm.framework.scope())
        timed = self.lstm.implementation
        self.method: Callable[..., Any] = timed.forward_backward if self.training else timed.forward
        self.inputs = [self._load_inputs(k) for k in range(sets)]
        steps = math.ceil(repeat * workload.seq_len)
        self.first_steps = self._load_inputs(0, steps) if repeat else ()
        self.calls, self.next_set, self.seconds = 1, 0, 0.0

    def _load_inputs(self, k: int, steps: int | None = None) -> tuple[Any, ...]:
        """Return the k-th inputs as the timed method takes them, cut to their first time steps.

        Lengths stay a NumPy array, as users pass them; all else is on the device.
        """
        to_device = self.lstm.framework.from_numpy
        with np.load(self.path) as arrays:
            inputs = [
                to_device(arrays[f"{name}{k}"][: steps if name in ("x", "dy") else None])
                for name in (TRAINING if self.training else INFERENCE)
            ]
            if self.workload.lengths != "full":
                lengths = arrays[f"lengths{k}"]
                inputs.append(lengths if steps is None else np.minimum(lengths, steps))
        return tuple(inputs)

    def check(self, outputs: Any, k: int = 0) -> dict[str, Any]:
        """Compare native outputs for the k-th inputs with the oracle's answers.

        Returns:
            ``output_rel_error`` and ``grad_rel_error``, the largest relative errors (None without
            gradients); ``invalid_outputs``: why outputs cannot be compared, "" if they can.
        """
        arrays = self._named_arrays(outputs)
        invalid, errors = "", {}
        with np.load(self.path) as answers:
            for name, array in arrays.items():
                answer = answers[f"answer_{name}{k}"]
                errors[name] = relative_error(array, answer)
                if not invalid and array.shape != answer.shape:
                    invalid = f"{name} has shape {array.shape}, and {answer.shape} is right"
                elif not invalid and not np.isfinite(array).all():
                    invalid = f"{name} has values that are not finite"
        gradients = [error for name, error in errors.items() if name not in OUTPUTS]
        return {
            "output_rel_error": max(errors[name] for name in OUTPUTS),
            "grad_rel_error": max(gradients, default=None),
            "invalid_outputs": invalid,
        }

    def _named_arrays(self, outputs: Any) -> dict[str, Any]:
        """Return outputs and gradients as NumPy arrays by name; gradients as ``d_<name>``."""
        names = list(OUTPUTS)
        try:
            if self.training:
                outputs, gradients = outputs
                if self.workload.stacked:
                    weights, *others = gradients
                    gradients = (*weights, *others)
                names += [f"d_{name}" for name in gradient_names(self.workload)]
                outputs = (*outputs, *gradients)
            named = dict(zip(names, outputs, strict=True))
        except (TypeError, ValueError):
            raise LstmbenchError(
                "it must return (y, h, c), or in training ((y, h, c), six gradients)"
            ) from None
        return {name: self.lstm.framework.to_numpy(native) for name, native in named.items()}

    def call(self, k: int) -> Any:
        """Call the timed method on the k-th inputs, and wait for all its outputs."""
        return self._call(self.inputs[k])

    def _call(self, inputs: tuple[Any, ...]) -> Any:
        outputs = self.method(*inputs)
        self.lstm.framework.synchronize(outputs)
        return outputs

    def run(self, calls: int) -> None:
        """Make this many calls, on each set of inputs in turn; a control makes more."""
        method, synchronize, inputs = self.method, self.lstm.framework.synchronize, self.inputs
        first, repeated = self.next_set, round(self.repeat * calls)
        self.next_set += calls
        for k in range(first, first + calls + repeated):
            synchronize(method(*inputs[k % SETS]))
        if self.repeat and not repeated:
            synchronize(method(*self.first_steps))

    def samples(self, turn_s: float) -> list[float]:
        """Take samples for a turn, at least one; return the seconds of a call, the mean per sample.

        A sample begins at the clock reading that ended the one before. Measured: a pause of 1 µs
        between samples made a call 10 µs slower, a cost that grows with the number of samples.
        """
        clock, stamps = time.perf_counter, [time.perf_counter()]
        end = stamps[0] + turn_s
        while len(stamps) == 1 or stamps[-1] < end:
            self.run(self.calls)
            stamps.append(clock())
        return [(after - before) / self.calls for before, after in itertools.pairwise(stamps)]

    def calibrate(
        self, seconds: float, turn_s: float, whole_calls: bool | None = None
    ) -> dict[str, Any]:
        """Set the calls per sample.

        A control repeats whole calls if a turn is long enough for that, and its true ratio follows
        from their count. Otherwise each sample is one call, and the control repeats its first time
        steps. These cost more than their share, so the true ratio is measured.

        Args:
            seconds: time of one call.
            turn_s: duration of a turn.
            whole_calls: what to repeat, if another process of the case has decided; None if not.

        Returns:
            ``true_ratio``: how many times longer a control's call takes than one without
            repetition; ``whole_calls``: whether it repeats whole calls, not time steps.
        """
        self.seconds = seconds
        self.calls = max(1, math.ceil(MIN_SAMPLE_S / seconds))
        if not self.repeat:
            return {"true_ratio": 1.0, "whole_calls": False}
        period = round(1 / self.repeat)  # one call in this many is repeated
        if whole_calls is None:
            whole_calls = (period + 1) * seconds <= turn_s
        if whole_calls:
            self.calls = period * math.ceil(self.calls / period)
            true_ratio = 1 + round(self.repeat * self.calls) / self.calls
        else:
            self.calls = 1
            shares = [
                self._time(self.first_steps) / self._time(self.inputs[0])
                for _ in range(CALIBRATION_PAIRS)
            ]
            true_ratio = 1 + float(np.median(shares))
        return {"true_ratio": true_ratio, "whole_calls": whole_calls}

    def _time(self, inputs: tuple[Any, ...]) -> float:
        start = time.perf_counter()
        self._call(inputs)
        return time.perf_counter() - start

    def allocated_bytes(self, steps: int | None = None) -> int | None:
        """Return the allocator's peak during a call beyond its inputs, in bytes.

        Args:
            steps: only so many first time steps; None for all.

        Returns:
            None where the framework's accounting does not see the implementation's memory.
        """
        if getattr(self.lstm.implementation, "hides_memory", False):
            return None
        inputs = self.inputs[0] if steps is None else self._load_inputs(0, steps)
        return self.lstm.framework.allocated_bytes(self.method, *inputs)
