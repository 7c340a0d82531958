"""Measure one workload: all implementations side by side, each in its own process, in rounds of
random order.
"""

import errno
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmbench.errors import LstmbenchError
from lstmbench.measure import controls, disturbance, metrics
from lstmbench.measure.case_run import CaseRun, status_without_worker
from lstmbench.measure.metrics.speed import ratio_interval
from lstmbench.measure.process.available_resources import available_cores
from lstmbench.measure.process.forkserver import HARNESS_FAILED, Worker, WorkerDied, WorkerTimeout
from lstmbench.measure.process.system_monitor import SystemMonitor
from lstmbench.measure.process.worker_pool import WorkerPool, skip_reason
from lstmbench.measure.statistics import rounds_precision
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.measure.suites.interface import Measured

if TYPE_CHECKING:
    from lstmbench.measure.suites.suite import Suite

Row = dict[str, Any]
NO_ROOM = tuple(
    os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
)
"""What a worker says that could not write."""
MAX_PROCESSES = 2
"""What the first processes left of the budget goes to more of them, up to so many times their
number.
"""


def measure_workload(
    workload: Workload, suite: "Suite", pool: WorkerPool, seed: int, skip: str = ""
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
        for trial in session.alive:
            trial.status, trial.error = "skipped", skip
    session.measure()
    cases = [trial for trial in session.trials if not trial.control]
    records = [trial.record() for trial in cases]
    samples = [sample for trial in cases if trial.status == "ok" for sample in trial.samples()]
    shown = [
        trial.shown() for trial in session.alive if trial.control and trial.evidence.reference_turns
    ]
    return records, samples, shown


class WorkloadSession:
    """All implementations of a suite at one workload, and the controls, while they are measured
    side by side.
    """

    def __init__(
        self, workload: Workload, suite: "Suite", team: WorkerPool, generator: random.Random
    ) -> None:
        self.workload, self.budget, self.team, self.generator = (
            workload,
            suite.budget,
            team,
            generator,
        )
        self.reference: CaseRun | None = None
        self.limits: list[list[dict[str, float]]] = []
        self.trials = [self._trial(name, suite) for name in suite.names()]
        for trial in self.trials:
            known = team.describe(trial.case.implementation, workload)
            trial.peer = bool(known["peer"])
            if reason := skip_reason(known, workload):
                trial.status, trial.error = status_without_worker(reason), reason
            elif trial.case.implementation == suite.reference:
                self.reference = trial
        if self.reference is not None:
            self.trials += [self._trial(suite.reference, suite, kind) for kind in controls.CONTROLS]

    def _trial(self, name: str, suite: "Suite", control: str = "") -> CaseRun:
        evidence = metrics.Evidence(self.workload, suite.reference, suite.budget.precision)
        return CaseRun(Case(name, self.workload), evidence, control=control)

    @property
    def alive(self) -> list[CaseRun]:
        """The trials that nothing has taken out yet."""
        return [trial for trial in self.trials if trial.status == "ok"]

    def measure(self) -> None:
        """Have the oracle answer, then measure in as many processes as the budget says.

        A process whose rounds agree well enough ends before its share of the time is spent. What is
        left goes to more processes, until every ratio is as precise as the budget asks, or the time
        is up.
        """
        if not self.alive:
            return
        budget, inputs = self.budget, self.team.scratch / f"{self.workload.id}.npz"
        try:
            self.team.write_inputs(
                self.workload, self.generator.randrange(2**31), inputs, budget.timeout_s
            )
        except (WorkerDied, WorkerTimeout, LstmbenchError) as error:  # nobody can be judged
            inputs.unlink(missing_ok=True)
            if reason := next(
                (each for each in NO_ROOM if each in str(error)), None
            ):  # which is no case's fault
                raise LstmbenchError(
                    f"The inputs cannot be written to {inputs.parent}: {reason}."
                ) from None
            for trial in self.alive:
                trial.fail(
                    type(error)(
                        f"{HARNESS_FAILED}: the oracle's answers could not be computed: {error}"
                    )
                )
            return
        self.team.preload(
            [trial.case.implementation for trial in self.alive],
            self.workload,
            range(budget.processes),
        )
        spent = 0.0
        try:
            for process in range(MAX_PROCESSES * budget.processes):
                left = budget.seconds_per_case - spent
                if process >= budget.processes and (
                    left < budget.seconds_per_process / 2 or self._converged()
                ):
                    break
                spent += self._measure_process(process, inputs)
            self._measure_memory(inputs)
        finally:
            inputs.unlink(missing_ok=True)
        if self.reference is not None and self.reference.status == "ok":
            for trial in self.alive:  # who is ok ran in all rounds, as the reference did
                trial.evidence.reference_turns = self.reference.evidence.turns
        for trial in self.alive:
            trial.evidence.limits = self.limits

    def _measure_process(self, process: int, inputs: Path) -> float:
        """Give every case that is still in a fresh process, and let them take turns; return the
        seconds per case.
        """
        workers: dict[int, Worker] = {}
        machine = self._machine()
        try:
            for trial in self.alive:
                try:
                    layout = process % self.budget.processes
                    workers[id(trial)] = self.team.worker(
                        trial.case.implementation, self.workload, layout
                    )
                except WorkerDied as error:
                    trial.fail(error)
                    continue
                self._prepare(trial, workers[id(trial)], inputs)
                trial.evidence.turns.append([])
            spent = self._take_turns(workers, machine)
            for trial in self.alive:
                if (threads := self._ask(trial, workers[id(trial)], "thread_usage")) is not None:
                    trial.check_threads(**threads)
        finally:
            for worker in (*workers.values(), *([machine] if machine else [])):
                worker.kill()
        return spent

    def _measure_memory(self, inputs: Path) -> None:
        """Have every case that is still in make a call in a process that has imported and holds
        nothing else.

        They import at the same time, and call one after the other: two large cases might not find
        room together.
        """
        workers: list[tuple[CaseRun, Worker]] = []
        try:
            for trial in [trial for trial in self.alive if not trial.control]:
                try:
                    worker = self.team.worker(trial.case.implementation, self.workload, fresh=True)
                except WorkerDied as error:
                    trial.fail(error)
                else:
                    workers.append((trial, worker))
            with ThreadPoolExecutor(available_cores()) as threads:
                for trial, worker in workers:
                    threads.submit(self._ask, trial, worker, "describe", names=[self._name(trial)])
            for trial, worker in workers:
                asked = {
                    "implementation": self._name(trial),
                    "workload": vars(self.workload),
                    "inputs": str(inputs),
                }
                trial.evidence.memory = self._ask(trial, worker, "memory", **asked) or {}
                worker.kill()
        finally:
            for _, worker in workers:
                worker.kill()

    def _name(self, trial: CaseRun) -> str:
        return self.team.implementation(trial.case.implementation)

    def _machine(self) -> Worker | None:
        """Return the process that measures the machine's limits, None if there is none."""
        try:
            return self.team.machine_worker(self.workload)
        except WorkerDied:
            return None

    def _measure_limits(self, machine: Worker | None) -> dict[str, float]:
        """Measure the machine's limits once; nothing if that fails: the cases go without their
        shares of them.
        """
        try:
            return (
                machine.request(
                    "machine_peaks", self.budget.timeout_s, workload=vars(self.workload)
                )
                if machine
                else {}
            )
        except (WorkerDied, WorkerTimeout, LstmbenchError):
            return {}

    def _ask(self, trial: CaseRun, worker: Worker, command: str, **arguments: Any) -> Any:
        """Ask a worker if its case is still in; a failure takes it out. None if there is no answer."""
        if trial.status != "ok":
            return None
        try:
            return worker.request(command, self.budget.timeout_s, **arguments)
        except (WorkerDied, WorkerTimeout, LstmbenchError) as error:
            trial.fail(error)
            return None

    def _prepare(self, trial: CaseRun, worker: Worker, inputs: Path) -> None:
        """Load the implementation, check its threads, hold what it computes against the oracle, and
        warm it up.
        """
        frameworks = self._ask(
            trial,
            worker,
            "prepare",
            implementation=self._name(trial),
            workload=vars(self.workload),
            inputs=str(inputs),
            repeat=controls.CONTROLS.get(trial.control, 0.0),
        )
        if frameworks is not None:
            trial.environment_id = self.team.record_environment(
                trial.case.implementation, frameworks, self.workload
            )
            trial.check_pools(frameworks)
        if (gate := self._ask(trial, worker, "check_accuracy")) is not None:
            trial.judge(gate)
        calibration = {"turn_s": self.budget.turn_s, "whole_calls": trial.whole_calls}
        if (warm := self._ask(trial, worker, "warm_up", **calibration)) is not None:
            trial.truths.append(warm["true_ratio"])
            trial.whole_calls = (
                warm["whole_calls"] if trial.control else None
            )  # all processes repeat the same

    def _take_turns(self, workers: dict[int, Worker], machine: Worker | None) -> float:
        """Measure rounds until they are precise or the time is up; return the seconds that each
        case had of it.
        """
        cases, start = len(self.alive), time.perf_counter()
        rounds, spent = 0, 0.0
        self.limits.append([])
        while self.alive:
            if rounds >= self.budget.min_rounds and (
                spent >= self.budget.seconds_per_process or self._precise()
            ):
                break
            turns: list[CaseRun | None] = [*self.alive, None]  # None: the machine itself
            self.generator.shuffle(turns)
            answers: dict[int, Any] = {}
            monitor = SystemMonitor(self.workload.device)
            for trial in turns:
                if trial is None:
                    self.limits[-1].append(self._measure_limits(machine))
                else:
                    answers[id(trial)] = self._ask(
                        trial, workers[id(trial)], "measure", turn_s=self.budget.turn_s
                    )
            state = monitor.state()._asdict()
            for trial in self.alive:
                trial.evidence.turns[-1].append(disturbance.Turn(**answers[id(trial)], **state))
            rounds, spent = rounds + 1, (time.perf_counter() - start) / cases
        return spent

    def _precise(self) -> bool:
        """Return whether the rounds of the process at work fix every ratio so well that more would
        add little.
        """
        own = {id(trial): trial.evidence.rounds[-1] for trial in self.alive}
        base = own.pop(
            id(self.reference), None
        )  # None: no ratios, and it is the times that must be precise
        ratios = [times if base is None else times / base for times in own.values()]
        return all(rounds_precision(values) <= self.budget.precision / 2 for values in ratios)

    def _converged(self) -> bool:
        """Return whether the interval of every ratio is as narrow as the budget asks."""
        if self.reference is None or self.reference.status != "ok":
            return True
        base = self.reference.evidence.turns
        return all(
            ratio_interval(trial.evidence.turns, base)[0].precision <= self.budget.precision
            for trial in self.alive
        )
