"""Examine this machine: what is installed, how noisy it is, and what a suite would skip."""

import importlib.util
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import implementation_row, names
from lstmbench.core.stack.load import load
from lstmbench.measure import environment
from lstmbench.measure.disturbance import MAX_STOLEN
from lstmbench.measure.process.hardware_state import HardwareMonitor
from lstmbench.measure.process.worker_pool import skip_reason
from lstmbench.measure.suites.interface import AnySuite
from lstmbench.measure.suites.suite_file import read_suite, suites

NOTEBOOK_PACKAGES: Final = ("jupyterlab", "papermill", "ipykernel")

COMPILED_ON_LOAD: Final = ("torch.fused", "jax.fused")
"""Implementations whose code is compiled when the first of them is loaded."""

MAX_SPREAD: Final = 0.05
"""Beyond it, a machine counts as noisy: a change of 5 % would not be seen."""


@dataclass(frozen=True)
class Noise:
    """How the time of a fixed piece of work, a product of two 256 x 256 matrices, varies.

    Attributes:
        median_s: its median time in seconds.
        spread: half the distance from the 5th to the 95th percentile, as a fraction of the median.
        steal: fraction of the CPU time that the host of a virtual machine took; None if unknown.
        load: the load average of the minute before; None if unknown.
        clock_s: the smallest step of the clock in seconds.
    """

    median_s: float
    spread: float
    steal: float | None
    load: float | None
    clock_s: float

    @property
    def verdict(self) -> str:
        """What to expect of measurements, in one phrase."""
        if self.spread > MAX_SPREAD or (self.steal or 0) > MAX_STOLEN:
            return "noisy: quote ratios with their intervals, never single times"
        return "quiet enough"

    @property
    def description(self) -> str:
        """The measurement and the verdict in one line."""
        steal = "" if self.steal is None else f", {self.steal:.1%} of the time stolen"
        load = "" if self.load is None else f", load {self.load}"
        return (
            f"noise: a product of {self.median_s * 1e3:.2f} ms varied by +-{self.spread:.1%}"
            f"{steal}{load}; the clock steps by {self.clock_s * 1e9:.0f} ns: {self.verdict}"
        )


def measure_noise(seconds: float = 2.0) -> Noise:
    """Repeat a fixed piece of work for some seconds, and return how its time varied."""
    load_average = environment.load_average()
    a = np.random.default_rng(0).standard_normal((256, 256))
    product = np.empty_like(a)
    monitor = HardwareMonitor("cpu")
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(a, a, out=product)
        times.append(time.perf_counter() - start)
    steal = monitor.state().stolen if hasattr(monitor.times, "steal") else None
    low, median, high = np.percentile(times, [5, 50, 95])
    spread = float((high - low) / 2 / median)
    return Noise(float(median), spread, steal, load_average, _clock_step())


def _clock_step() -> float:
    """Return the smallest step of the clock in seconds; its nominal resolution may be finer."""
    steps = np.diff([time.perf_counter() for _ in range(1000)])
    return float(steps[steps > 0].min())


def code_paths() -> dict[str, str]:
    """Compile what can be compiled here, and return ``environment.code_paths()``.

    An implementation that cannot be loaded has no entry.
    """
    for name in COMPILED_ON_LOAD:
        with suppress(Exception):  # whatever a broken compiler or framework raises
            load(name, LSTMParams.init(1, 1))
    return environment.code_paths()


def examine() -> dict[str, Any]:
    """Return machine, packages, implementations, and what each suite would skip here."""
    rows = {name: implementation_row(name) for name in names()}
    code_paths()
    return {
        "machine": environment.machine(),
        "python": sys.version.split()[0],
        "git": environment.git(),
        "frameworks": environment.frameworks(),
        "notebook_packages": {
            name: importlib.util.find_spec(name) is not None for name in NOTEBOOK_PACKAGES
        },
        "implementations": list(rows.values()),
        "skipped": {name: _skip_counts(name, rows) for name in suites()},
    }


def _skip_counts(name: str, rows: dict[str, dict[str, Any]]) -> Counter[str]:
    """Return why cases of a suite cannot run here, with the number of cases for each reason."""
    suite: AnySuite = read_suite(name)
    return Counter(
        reason
        for workload in suite.workloads()
        for case in suite.cases(workload)
        if case.implementation in rows  # baselines run everywhere
        and (reason := skip_reason(rows[case.implementation], case.workload))
    )
