"""Measure one workload: all implementations side by side, each in its own process, in rounds of random order."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmbench.cell.tolerance import TOLERANCE
from lstmbench.errors import LstmbenchError
from lstmbench.measure import controls, environment, guard, metrics
from lstmbench.measure.case import Case, Workload
from lstmbench.measure.metrics.speed import ratio_interval
from lstmbench.measure.suite import Budget, Suite
from lstmbench.measure.team import Team
from lstmbench.measure.zygote import Worker, WorkerDied, WorkerTimeout

MEMORY_SIGNS = ("MemoryError", "OutOfMemory", "out of memory", "can't allocate memory", "RESOURCE_EXHAUSTED", "SIGKILL")
"""What errors say when memory ran out. SIGKILL: no one but the kernel's out-of-memory killer sends it unasked."""


@dataclass
class Trial:
    """One case while it is measured."""

    case: Case
    evidence: metrics.Evidence
    peer: bool = False
    status: str = "ok"
    error: str = ""
    environment_id: str = ""
    control: str = ""
    truth: float = 1.0

    def fail(self, error: Exception) -> None:
        """Take the case out, with its reason."""
        text = str(error)
        if isinstance(error, WorkerTimeout):
            self.status = "timeout"
        else:
            self.status = "out_of_memory" if any(sign in text for sign in MEMORY_SIGNS) else "failed"
        self.error = text

    def judge(self, gate: dict[str, Any]) -> None:
        """Take the case out if what it computed is not the LSTM."""
        self.evidence.gate.append(gate)
        bound = TOLERANCE[self.case.workload.dtype]
        for name in ("output_rel_error", "grad_rel_error"):
            if gate[name] is not None and not gate[name] <= bound:
                self.status = "wrong_result"
                self.error = gate["misfit"] or (
                    f"{name} is {gate[name]:.2g}, and {bound:g} is the most for {self.case.workload.dtype}"
                )

    def samples(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of all samples, those of disturbed rounds marked."""
        where = self.case.columns() | {"peer": self.peer}
        for process, turns in enumerate(self.evidence.turns):
            for round_, (turn, mark) in enumerate(zip(turns, guard.disturbed(turns), strict=True)):
                at = where | {"process": process, "round": round_, "disturbed": bool(mark), "calls": turn.calls}
                yield from (at | {"sample": k, "seconds": value} for k, value in enumerate(turn.seconds))

    def shown(self) -> dict[str, Any]:
        """Return what this control showed."""
        ratio, _ = ratio_interval(self.evidence.turns, self.evidence.reference_turns)
        processes = len(self.evidence.turns)
        return controls.row(self.control, self.case.workload.id, self.truth, ratio, processes)

    def record(self) -> dict[str, Any]:
        """Return the row. A case that is not ok keeps its errors against the oracle, and gets no times."""
        columns = self.case.columns() | {"peer": self.peer, "status": self.status, "error": self.error or None}
        columns |= {"workload": self.case.workload.id, "environment_id": self.environment_id or None}
        if self.status == "ok":
            columns |= metrics.compute(self.evidence)
        elif self.evidence.gate:
            columns |= metrics.compute(self.evidence, frozenset({"gate"}))
        return columns


def measure_workload(
    workload: Workload, suite: Suite, team: Team, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the records and the samples of all cases of a workload, and what its controls showed.

    Args:
        workload: what to measure.
        suite: which implementations, against which reference, within which budget.
        team: the processes.
        seed: of the run; inputs and turns follow from it and from the workload.
    """
    generator = random.Random(f"{seed} {workload.id}")
    trials = {}
    for name in suite.names():
        evidence = metrics.Evidence(workload, suite.reference, suite.budget.precision)
        trials[name] = trial = Trial(Case(name, workload), evidence)
        trial.peer = bool(team.describe(name, workload)["peer"])
        if reason := team.why_not(name, workload):
            trial.status, trial.error = "skipped", reason
    if suite.reference in trials and trials[suite.reference].status == "ok":
        for kind in controls.CONTROLS:
            evidence = metrics.Evidence(workload, suite.reference, suite.budget.precision)
            trials[f"control {kind}"] = Trial(Case(suite.reference, workload), evidence, control=kind)

    if _alive(trials):
        _measure_trials(trials, workload, suite.budget, team, generator)
    _pair_with_reference(trials, suite.reference)
    cases = [trial for trial in trials.values() if not trial.control]
    records = [trial.record() for trial in cases]
    samples = [sample for trial in cases if trial.status == "ok" for sample in trial.samples()]
    shown = [trial.shown() for trial in _alive(trials) if trial.control and trial.evidence.reference_turns]
    return records, samples, shown


def _alive(trials: dict[str, Trial]) -> list[Trial]:
    return [trial for trial in trials.values() if trial.status == "ok"]


def _measure_trials(
    trials: dict[str, Trial], workload: Workload, budget: Budget, team: Team, generator: random.Random
) -> None:
    """Have the oracle answer, then measure in as many processes as the budget says."""
    inputs = team.scratch / f"{workload.id}.npz"
    try:
        team.draw(workload, generator.randrange(2**31), inputs, budget.timeout_s)
        rates = team.rates(workload)
    except (WorkerDied, WorkerTimeout, LstmbenchError) as error:  # nobody can be judged
        for trial in _alive(trials):
            trial.fail(type(error)(f"the oracle's answers could not be computed: {error}"))
        return
    for trial in _alive(trials):
        trial.evidence.limits = rates
    try:
        for process in range(budget.processes):
            _measure_process(process, trials, budget, team, inputs, generator)
    finally:
        inputs.unlink(missing_ok=True)


def _measure_process(
    process: int, trials: dict[str, Trial], budget: Budget, team: Team, inputs: Path, generator: random.Random
) -> None:
    """Give every case that is still in a fresh process, and let them take turns."""
    workers: dict[int, Worker] = {}

    def attempt(trial: Trial, command: str, **arguments: Any) -> Any:
        """Ask the case's worker; a failure takes the case out and returns None."""
        try:
            return workers[id(trial)].ask(command, budget.timeout_s, **arguments)
        except (WorkerDied, WorkerTimeout, LstmbenchError) as error:
            trial.fail(error)
            return None

    try:
        for trial in _alive(trials):
            name, workload = trial.case.implementation, trial.case.workload
            try:
                workers[id(trial)] = team.worker(trial.case.columns()["backend"], workload, layout=process)
            except WorkerDied as error:
                trial.fail(error)
                continue
            repeat = controls.CONTROLS.get(trial.control, 0.0)
            frameworks = attempt(
                trial, "prepare", implementation=name, workload=vars(workload), inputs=str(inputs), repeat=repeat
            )
            if frameworks is not None:
                trial.environment_id = team.environment(frameworks, workload)
            gate = attempt(trial, "gate") if trial.status == "ok" else None
            if gate is not None:
                trial.judge(gate)
            warm = attempt(trial, "warm", within_s=10 * budget.turn_s) if trial.status == "ok" else None
            if warm is not None:
                trial.truth = warm["truth"]
            trial.evidence.turns.append([])

        end = time.perf_counter() + budget.seconds_per_case * len(_alive(trials)) / budget.processes
        rounds = 0
        while _alive(trials) and (rounds < budget.min_rounds or time.perf_counter() < end):
            turns = _alive(trials)
            generator.shuffle(turns)
            answers = {}
            with environment.stolen_time() as stolen:
                for trial in turns:
                    answers[id(trial)] = attempt(trial, "measure", turn_s=budget.turn_s)
            for trial in _alive(trials):
                turn = guard.Turn(**answers[id(trial)], stolen=stolen())
                trial.evidence.turns[process].append(turn)
            rounds += 1

        if process == 0:
            for trial in _alive(trials):
                if trial.control:
                    continue
                trial.evidence.memory = attempt(trial, "memory") or {}
    finally:
        for worker in workers.values():
            worker.kill()


def _pair_with_reference(trials: dict[str, Trial], reference: str) -> None:
    """Give every case the reference's times in the same rounds; all that are ok ran in all of them."""
    base = trials.get(reference)
    if base is None or base.status != "ok":
        return
    for trial in _alive(trials):
        trial.evidence.reference_turns = base.evidence.turns
