"""Measure one workload: all implementations side by side, each in its own process.

Workers that fail the accuracy check are excluded. The others are measured in rounds, in random
order, until the ratios are precise or the time is up.
"""

import errno
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
from lstmbench.measure.metrics.speed import ratio_interval
from lstmbench.measure.process.available_resources import available_cores
from lstmbench.measure.process.forkserver import HARNESS_FAILED, Worker, WorkerDied
from lstmbench.measure.process.hardware_state import HardwareMonitor
from lstmbench.measure.process.worker_pool import WorkerPool, skip_reason
from lstmbench.measure.statistics import rounds_precision
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.suites.interface import Measured

if TYPE_CHECKING:
    from lstmbench.measure.suites.timing_suite import TimingSuite

DISK_FULL_MESSAGES = tuple(
    os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
)
"""What the error of a worker that cannot write contains."""
MAX_PROCESS_FACTOR = 2
"""Time that precise processes leave unused goes to more of them, up to this multiple of their
number: the interval shrinks with the number of processes, and most with the first ones."""


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
        if case_run.control and case_run.reference_measurements
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
        """Measure all active cases in as many processes as the budget allows.

        A process whose rounds agree ends before its share of the time is spent. The rest of the
        time goes to more processes, until every ratio is as precise as the budget asks.
        """
        if not self.active:
            return
        budget = self.budget
        try:
            self._write_inputs()
            names = [case_run.implementation for case_run in self.active]
            self.pool.preload(names, self.workload, range(budget.processes))
            spent = 0.0
            for process in range(MAX_PROCESS_FACTOR * budget.processes):
                if not self.active:
                    break
                if process >= budget.processes:
                    left = budget.seconds_per_case - spent
                    if left < budget.seconds_per_process / 2 or self._ratios_are_precise():
                        break
                spent += self._measure_process(process)
            self._measure_memory()
        finally:
            self.inputs.unlink(missing_ok=True)
        for case_run in self.active:  # they took part in all rounds, as the reference did
            case_run.reference_measurements = self._reference_measurements()
            case_run.machine_peaks = self.machine_peaks

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

    def _measure_process(self, process: int) -> float:
        """Measure every active case in a new process; return the seconds per case."""
        machine = None
        with suppress(WorkerDied):
            machine = self.pool.machine_worker(self.workload)
        try:
            for case_run in self.active:
                self._start(case_run, layout=process % self.budget.processes)
                self._prepare(case_run)
                case_run.measurements.append([])
            spent = self._measure_rounds(machine)
            for case_run in self.active:
                if (usage := self._request(case_run, "thread_usage")) is not None:
                    case_run.check_threads(**usage)
        finally:
            self._end_workers()
            if machine is not None:
                machine.kill()
        return spent

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
            "inputs": self.inputs,
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
            case_run.environment_id = self.pool.record_environment(
                case_run.implementation, frameworks, self.workload
            )
            case_run.check_pools(frameworks)
        if (check := self._request(case_run, "check_accuracy")) is not None:
            case_run.check_accuracy(check)
        calibration = {"turn_s": self.budget.turn_s, "whole_calls": case_run.whole_calls}
        if (warm := self._request(case_run, "warm_up", **calibration)) is not None:
            case_run.true_ratios.append(warm["true_ratio"])
            if case_run.control:  # every process repeats the same
                case_run.whole_calls = warm["whole_calls"]

    def _measure_rounds(self, machine: Worker | None) -> float:
        """Measure rounds until they agree or the time is up; return the seconds per case."""
        budget, cases, start = self.budget, len(self.active), time.perf_counter()
        rounds, spent = 0, 0.0
        self.machine_peaks.append([])
        while self.active:
            if rounds >= budget.min_rounds and (
                spent >= budget.seconds_per_process or self._rounds_agree()
            ):
                break
            order: list[CaseRun | None] = [*self.active, None]  # None: the machine itself
            self.generator.shuffle(order)
            answers, monitor = [], HardwareMonitor(self.workload.device)
            for case_run in order:
                if case_run is None:
                    self.machine_peaks[-1].append(self._measure_machine(machine))
                else:
                    answer = self._request(case_run, "measure", turn_s=budget.turn_s)
                    answers.append((case_run, answer))
            state = monitor.state()._asdict()
            for case_run, answer in answers:
                if answer is not None:
                    case_run.measurements[-1].append(Measurement(**answer, **state))
            rounds, spent = rounds + 1, (time.perf_counter() - start) / cases
        return spent

    def _rounds_agree(self) -> bool:
        """Return whether more rounds of the current process would hardly add precision."""
        times = {
            id(case_run): metrics.round_times(case_run.measurements[-1:])[0]
            for case_run in self.active
        }
        reference = times.pop(id(self.reference), None)  # None: the times must agree, not ratios
        ratios = [own if reference is None else own / reference for own in times.values()]
        return all(rounds_precision(values) <= self.budget.precision / 2 for values in ratios)

    def _ratios_are_precise(self) -> bool:
        """Return whether the interval of every ratio is as narrow as the budget asks."""
        if not (base := self._reference_measurements()):
            return True
        intervals = [ratio_interval(run.measurements, base)[0] for run in self.active]
        return all(interval.precision <= self.budget.precision for interval in intervals)

    def _reference_measurements(self) -> list[list[Measurement]]:
        """Return those of the reference; [] if it is not measured."""
        if self.reference is None or self.reference.status != "ok":
            return []
        return self.reference.measurements
