"""Measure one workload: all implementations side by side, each in its own process.

Workers that fail the accuracy check are excluded. The others take turns in rounds, until the ratios
are precise or the time is up. A round is a random order and its reverse, A B C C B A, so that the
turns of each pair lie, on average, equally early: what drifts slowly cancels in their ratio. Turns
are short, since what disturbs a shared machine is common to turns a few milliseconds apart only.
``validation/noise_schemes.py`` compares this order with others.
"""

import errno
import itertools
import math
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lstmbench.errors import LstmbenchError
from lstmbench.measure import controls, metrics
from lstmbench.measure.case_run import CaseRun, status_without_worker
from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.process.available_resources import available_cores, binding_cores
from lstmbench.measure.process.forkserver import HARNESS_FAILED, Worker, WorkerDied
from lstmbench.measure.process.hardware_state import HardwareMonitor
from lstmbench.measure.process.worker_pool import WorkerPool, skip_reason
from lstmbench.measure.statistics import NO_PRIOR, Groups, best_rounds, process_interval
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.suites.interface import Measured

if TYPE_CHECKING:
    from lstmbench.measure.suites.timing_suite import TimingSuite

DISK_FULL_MESSAGES = tuple(
    os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
)
"""What the error of a worker that cannot write contains."""


def measure_workload(
    workload: Workload, suite: "TimingSuite", pool: WorkerPool, seed: int, skip: str = ""
) -> Measured:
    """Return the records and the samples of all cases of a workload, and the rows of its controls.

    Args:
        workload: what to measure.
        suite: which implementations, against which reference, within which budget.
        pool: where the worker processes come from.
        seed: the run's; inputs and order follow from it and from the workload.
        skip: why nothing is measured; "" to measure.
    """
    session = WorkloadSession(workload, suite, pool, random.Random(f"{seed} {workload.id}"))
    if skip:
        for case_run in session.active:
            case_run.exclude("skipped", skip)
    session.measure()
    cases = [case_run for case_run in session.case_runs if not case_run.control]
    records = [case_run.record() for case_run in cases]
    samples = [row for case_run in cases if case_run.status == "ok" for row in case_run.samples()]
    control_rows = [
        case_run.control_row()
        for case_run in session.active
        if case_run.control and len(case_run.reference_measurements) > 1
    ]
    return records, samples, control_rows


class WorkloadSession:
    """The implementations of a suite at one workload, and the controls, while they are measured."""

    def __init__(
        self, workload: Workload, suite: "TimingSuite", pool: WorkerPool, generator: random.Random
    ) -> None:
        self.workload, self.budget = workload, suite.budget
        self.inputs = pool.scratch / f"{workload.id}.npz"
        self.pool, self.generator = pool, generator
        self.reference: CaseRun | None = None
        self.machine_peaks: list[list[dict[str, float]]] = []
        self.ratios: list[Groups] = []  # of all processes that are complete, without the reference
        self.ratio_prior = NO_PRIOR
        self.cores = binding_cores(workload.threads) if workload.device == "cpu" else []
        self.case_runs = [self._case_run(name, suite) for name in suite.names()]
        for case_run in self.case_runs:
            description = pool.describe(case_run.implementation, workload)
            case_run.peer = bool(description["peer"])
            if reason := skip_reason(description, workload):
                case_run.exclude(status_without_worker(reason), reason)
            elif case_run.implementation == suite.reference:
                self.reference = case_run
        if self.reference is not None:
            self.case_runs += [
                self._case_run(suite.reference, suite, control) for control in controls.CONTROLS
            ]

    def _case_run(self, name: str, suite: "TimingSuite", control: str = "") -> CaseRun:
        reference, precision = suite.reference, suite.budget.precision
        return CaseRun(self.workload, reference, precision, implementation=name, control=control)

    @property
    def active(self) -> list[CaseRun]:
        """The cases that are still measured."""
        return [case_run for case_run in self.case_runs if case_run.status == "ok"]

    def measure(self) -> None:
        """Measure all active cases in as many processes as the budget asks for and allows.

        Beyond the number of processes that it asks for, more follow until every ratio is as precise
        as it asks, or the time is up.
        """
        if not self.active:
            return
        budget = self.budget
        try:
            self._write_inputs()
            names = [case_run.implementation for case_run in self.active]
            self.pool.preload(names, self.workload, range(budget.processes))
            start, cases = time.perf_counter(), len(self.active)
            for process in itertools.count():
                is_over = time.perf_counter() - start >= budget.seconds_per_case * cases
                enough = process >= budget.processes and (is_over or self._ratios_are_precise())
                if enough or not self.active:
                    break
                self._measure_process(process)
                self._share_evidence()
            self._measure_memory()
        finally:
            self.inputs.unlink(missing_ok=True)

    def _share_evidence(self) -> None:
        """Give every active case what it needs of the others: they took part in all rounds."""
        reference = self.reference if self.reference in self.active else None
        cases = [case_run for case_run in self.active if not case_run.control]
        of_controls = [case_run for case_run in self.active if case_run.control]
        metrics.share_evidence(cases, reference, of_controls)
        for case_run in self.active:
            case_run.machine_peaks = self.machine_peaks
        others = [case_run for case_run in self.active if reference not in (None, case_run)]
        self.ratios = [case_run.ratios for case_run in others]
        self.ratio_prior = others[0].ratio_prior if others else NO_PRIOR

    def _write_inputs(self) -> None:
        """Write the inputs and the oracle's results; if that fails, exclude all cases.

        Raises:
            LstmbenchError: if the disk is full or read-only, which is no fault of the cases.
        """
        seed, timeout = self.generator.randrange(2**31), self.budget.timeout_s
        try:
            self.pool.write_inputs(self.workload, seed, self.inputs, timeout)
        except LstmbenchError as error:
            for message in DISK_FULL_MESSAGES:
                if message in str(error):
                    raise LstmbenchError(
                        f"The inputs cannot be written to {self.pool.scratch}: {message}."
                    ) from None
            problem = f"{HARNESS_FAILED}: the oracle's results could not be computed: {error}"
            for case_run in self.active:
                case_run.fail(type(error)(problem))

    def _measure_process(self, process: int) -> None:
        """Measure every active case in a new process, in rounds."""
        start, machine = time.perf_counter(), None
        with suppress(WorkerDied):
            machine = self.pool.machine_worker(self.workload)
        try:
            for case_run in self.active:
                self._start(case_run, layout=process % self.budget.processes)
                self._prepare(case_run)
                case_run.measurements.append([])
            self._measure_rounds(machine, start)
            for case_run in self.active:
                if (usage := self._request(case_run, "thread_usage")) is not None:
                    case_run.check_threads(**usage)
        finally:
            self._end_workers()
            if machine is not None:
                machine.kill()

    def _measure_memory(self) -> None:
        """Have every active case make a call in a process that holds nothing else.

        They import in parallel, but call one after the other: two large cases might not fit into
        memory together.
        """
        case_runs = [case_run for case_run in self.active if not case_run.control]
        try:
            for case_run in case_runs:
                self._start(case_run, fresh=True)
            with ThreadPoolExecutor(available_cores()) as threads:
                for case_run in case_runs:
                    names = [self.pool.implementation(case_run.implementation)]
                    threads.submit(self._request, case_run, "describe", names=names)
            for case_run in case_runs:
                arguments = self._arguments(case_run)
                case_run.memory = self._request(case_run, "memory", **arguments) or {}
                if case_run.worker is not None:
                    case_run.worker.kill()
        finally:
            self._end_workers()

    def _start(self, case_run: CaseRun, layout: int = 0, fresh: bool = False) -> None:
        name = case_run.implementation
        try:
            case_run.worker = self.pool.worker(name, self.workload, layout, fresh)
        except WorkerDied as error:
            case_run.fail(error)

    def _end_workers(self) -> None:
        for case_run in self.case_runs:
            if case_run.worker is not None:
                case_run.worker.kill()

    def _arguments(self, case_run: CaseRun) -> dict[str, Any]:
        return {
            "implementation": self.pool.implementation(case_run.implementation),
            "workload": self.workload,
            "inputs": str(self.inputs),
        }

    def _request(self, case_run: CaseRun, command: str, **arguments: Any) -> Any:
        """Return the worker's answer; None if the case is excluded, which a failure does."""
        if case_run.status != "ok" or case_run.worker is None:
            return None
        try:
            return case_run.worker.request(command, self.budget.timeout_s, **arguments)
        except LstmbenchError as error:
            case_run.fail(error)
            return None

    def _measure_machine(self, machine: Worker | None) -> dict[str, float]:
        """Measure the machine's peaks; {} if that fails, and the cases lack their fractions."""
        peaks: dict[str, float] = {}
        if machine is not None:
            with suppress(LstmbenchError):
                timeout, workload = self.budget.timeout_s, self.workload
                peaks = machine.request("machine_peaks", timeout, workload=workload)
        return peaks

    def _prepare(self, case_run: CaseRun) -> None:
        """Load the implementation, check its threads and its accuracy, and warm it up."""
        arguments = self._arguments(case_run)
        repeat = controls.CONTROLS.get(case_run.control, 0.0)
        frameworks = self._request(case_run, "prepare", **arguments, repeat=repeat)
        if frameworks is not None:
            frameworks["bound_cores"] = len(self.cores)
            case_run.environment_id = self.pool.record_environment(
                case_run.implementation, frameworks, self.workload
            )
            case_run.check_pools(frameworks)
        if (check := self._request(case_run, "check_accuracy")) is not None:
            case_run.check_accuracy(check)
        calibration = {"turn_s": self.budget.turn_s, "whole_calls": case_run.whole_calls}
        if (warm := self._request(case_run, "warm_up", **calibration)) is not None:
            case_run.true_ratios.append(warm["true_ratio"])
            case_run.cores_busy.append(warm["cores_busy"])
            if case_run.control:  # every process repeats the same
                case_run.whole_calls = warm["whole_calls"]
        if self.cores:
            self._request(case_run, "bind", cores=self.cores)

    def _measure_rounds(self, machine: Worker | None, start: float) -> None:
        """Measure rounds until more processes help more, or this one's share of the time is up.

        Args:
            machine: a worker that measures the machine's peaks in the middle of each round.
            start: when the start of the processes began.
        """
        budget, rounds, best, begin = self.budget, 0, math.inf, time.perf_counter()
        end = start + budget.seconds_per_process * len(self.active)
        self.machine_peaks.append([])
        while self.active and (
            rounds < budget.min_rounds or (rounds < best and time.perf_counter() < end)
        ):
            self._measure_round(machine)
            rounds += 1
            if rounds == budget.min_rounds:  # not after each round: it takes milliseconds
                round_s = (time.perf_counter() - begin) / rounds
                best = best_rounds(self.ratios, begin - start, round_s)

    def _measure_round(self, machine: Worker | None) -> None:
        """Let all active cases take two turns: in random order, then in its reverse."""
        monitor, turn_s = HardwareMonitor(self.workload.device), self.budget.turn_s
        order = self.generator.sample(self.active, len(self.active))
        firsts = [self._request(case_run, "measure", turn_s=turn_s) for case_run in order]
        self.machine_peaks[-1].append(self._measure_machine(machine))
        seconds = [self._request(case_run, "measure", turn_s=turn_s) for case_run in order[::-1]]
        state = monitor.state()._asdict()
        for case_run, first, second in zip(order, firsts, seconds[::-1], strict=True):
            if first is not None and second is not None:
                measurement = Measurement(**first, **state).merge(Measurement(**second, **state))
                case_run.measurements[-1].append(measurement)

    def _ratios_are_precise(self) -> bool:
        """Return whether the interval of every ratio is as narrow as the budget asks."""
        intervals = [process_interval(ratios, self.ratio_prior) for ratios in self.ratios]
        return all(interval.precision <= self.budget.precision for interval in intervals)
