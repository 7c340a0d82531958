"""What this machine has, how quiet it is, and what a suite would skip here and why."""

import importlib.util
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from lstmbench.core.parameters import LSTMParams
from lstmbench.core.registry import implementation_row, names
from lstmbench.core.stack.load import load
from lstmbench.measure import environment
from lstmbench.measure.process.worker_pool import skip_reason
from lstmbench.measure.suites.suite_file import read_suite, suites

NOTEBOOK_PACKAGES = ("jupyterlab", "papermill", "ipykernel")
LOUD = 0.05


@dataclass(frozen=True)
class Noise:
    """How a fixed piece of work, a product of two matrices that takes about a millisecond, spread
    over a few seconds.

    Attributes:
        median_s: its median time.
        spread: half the distance from the 5th to the 95th percentile, as a share of the median.
        steal: the share of the time that the host of a virtual machine took away; None where it
            does not tell.
        load: the load of the last minute before; None where the system does not tell.
        clock_s: the smallest step of the clock.
    """

    median_s: float
    spread: float
    steal: float | None
    load: float | None
    clock_s: float

    @property
    def verdict(self) -> str:
        """Say in a sentence what to expect."""
        if self.spread > LOUD or (self.steal or 0) > 0.02:
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
    """Repeat a fixed piece of work for some seconds, and say how much its time varied."""
    load = environment.load_average()
    a = np.random.default_rng(0).standard_normal((256, 256))
    product = np.empty_like(a)
    before = psutil.cpu_times()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(a, a, out=product)
        times.append(time.perf_counter() - start)
    after = psutil.cpu_times()
    total = sum(after) - sum(before)
    steal = (after.steal - before.steal) / total if hasattr(after, "steal") and total > 0 else None
    low, median, high = np.percentile(times, [5, 50, 95])
    return Noise(float(median), float((high - low) / 2 / median), steal, load, _clock_step())


def _clock_step() -> float:
    steps = []
    for _ in range(100):
        start = now = time.perf_counter()
        while now == start:
            now = time.perf_counter()
        steps.append(now - start)
    return min(steps)


def code_paths() -> dict[str, str]:
    """Return ``environment.code_paths()`` once all is built that may be."""
    for name in ("torch.fused", "jax.fused"):  # what they compile is built when the first is made
        with suppress(Exception):  # their rows say what is missing
            load(name, LSTMParams.init(1, 1))
    return environment.code_paths()


def examine() -> dict[str, Any]:
    """Return machine, packages, implementations and what each suite of the package would skip here."""
    described = {name: implementation_row(name) for name in names()}
    code_paths()
    return {
        "machine": environment.machine(),
        "python": sys.version.split()[0],
        "git": environment.git(),
        "frameworks": environment.frameworks(),
        "notebook_packages": {
            name: importlib.util.find_spec(name) is not None for name in NOTEBOOK_PACKAGES
        },
        "implementations": list(described.values()),
        "skipped": {suite: _skipped(suite, described) for suite in suites()},
    }


def _skipped(suite: str, described: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return why cases of a suite cannot run here, with the number of cases for each reason."""
    reasons: dict[str, int] = {}
    for case in read_suite(suite).cases():
        reason = skip_reason(described[case.implementation], case.workload)
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
    return reasons
