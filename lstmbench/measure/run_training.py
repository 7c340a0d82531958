"""Teach one lesson: each implementation learns it in a process of its own, one after the other.

No two learn at once. What other programs take away from an epoch shows in its witnesses, see
``guard``.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmbench.errors import LstmbenchError
from lstmbench.measure import disturbance
from lstmbench.measure.case_run import status_of, status_without_worker
from lstmbench.measure.process.forkserver import ORACLE, Worker, WorkerDied, WorkerTimeout
from lstmbench.measure.process.system_monitor import SystemMonitor
from lstmbench.measure.process.worker_pool import WorkerPool, skip_reason

if TYPE_CHECKING:
    from lstmbench.measure.suites.training_suite import TrainingSuite, TrainingWorkload

Row = dict[str, Any]
FAILURES = (WorkerDied, WorkerTimeout, LstmbenchError)


def teach(
    lesson: "TrainingWorkload", suite: "TrainingSuite", team: WorkerPool, skip: str = ""
) -> tuple[list[Row], list[Row]]:
    """Return the records of a lesson, and one sample per epoch.

    The baselines of a task are records too: ``implementation`` is ``baseline``, ``variant`` the
    method's name. With ``skip``, the reason, nothing is trained; baselines are scored all the same.
    """
    if lesson.has_baselines:
        return _baselines(lesson, suite, team), []
    records, samples = [], []
    for name in suite.names():
        record, epochs = _learn(name, lesson, suite, team, skip)
        records.append(record)
        samples += epochs
    return records, samples


def _baselines(lesson: "TrainingWorkload", suite: "TrainingSuite", team: WorkerPool) -> list[Row]:
    where = lesson.columns() | {
        "implementation": "baseline",
        "backend": "baseline",
        "workload": lesson.id,
    }
    try:
        worker = team.worker(ORACLE, lesson)
        try:
            asked = {"task": lesson.task, "sizes": dict(lesson.sizes)}
            about = worker.request("baselines", suite.timeout_s, **asked)
        finally:
            worker.kill()
    except FAILURES as error:
        return [
            where | {"variant": "", "peer": False, "status": status_of(error), "error": str(error)}
        ]
    scores = about.pop("scores")
    rows = [where | about | {"variant": name, "score": score} for name, score in scores.items()]
    return [row | {"peer": False, "status": "ok", "error": None} for row in rows]


def _learn(
    name: str, lesson: "TrainingWorkload", suite: "TrainingSuite", team: WorkerPool, skip: str
) -> tuple[Row, list[Row]]:
    backend, _, variant = name.partition(".")
    where: Row = lesson.columns() | {"implementation": name, "backend": backend, "variant": variant}
    known = team.describe(name, lesson)
    where |= {"peer": bool(known["peer"]), "workload": lesson.id}
    if reason := skip_reason(known, lesson) or skip:
        return where | {"status": status_without_worker(reason), "error": reason}, []
    samples: list[Row] = []
    record: Row = {}
    try:
        worker = team.worker(name, lesson)
        try:
            record = _taught(worker, where, name, lesson, suite, team, samples)
        finally:
            worker.kill()
    except FAILURES as error:
        return where | {"status": status_of(error), "error": str(error)}, samples
    return where | record, samples


def _taught(
    worker: Worker,
    where: Row,
    name: str,
    lesson: "TrainingWorkload",
    suite: "TrainingSuite",
    team: WorkerPool,
    samples: list[Row],
) -> Row:
    """Run all epochs; each leaves its row among the samples."""
    asked = {
        "implementation": name,
        "device": lesson.device,
        "dtype": lesson.dtype,
        **lesson.asked(),
    }
    about = worker.request("start_training", suite.timeout_s, **asked)
    environment_id = team.record_environment(name, about.pop("frameworks"), lesson)
    at = where | {key: about[key] for key in ("batch_size", "seq_len", "input_size", "hidden_size")}
    ended = None
    while ended is None:
        monitor = SystemMonitor(lesson.device)
        epoch, ended = worker.request("train_epoch", suite.timeout_s)
        stolen = monitor.state().stolen
        why = disturbance.epoch_disturbed(epoch["queued_s"], epoch["loop_s"], stolen)
        row = at | {"process": 0, "round": epoch["epoch"], "sample": 0, "calls": 1}
        row |= {
            "disturbed": bool(why),
            "disturbance": why,
            "seconds": epoch["seconds"],
            "updates": epoch["updates"],
        }
        samples.append(
            row
            | {key: epoch[key] if math.isfinite(epoch[key]) else None for key in ("loss", "score")}
        )
    outcome = worker.request("finish_training", suite.timeout_s)
    best = {"status": "ok", "error": None}
    if not math.isfinite(outcome["score"]):
        outcome["score"], best = (
            None,
            {"status": "failed", "error": f"it learnt nothing: {outcome['ended']}"},
        )
    return (
        about
        | outcome
        | best
        | epoch_times(samples)
        | {
            "epochs": len(samples),
            "updates": samples[-1]["updates"],
            "environment_id": environment_id,
        }
    )


def epoch_times(epochs: list[Row]) -> Row:
    """Return the median of the epochs' times; disturbed ones are left out, unless they are too
    many.
    """
    marks = np.array([row["disturbed"] for row in epochs])
    (out,), noisy = disturbance.left_out([marks])
    seconds = np.array([row["seconds"] for row in epochs])[~out]
    about = {"rounds": len(epochs), "disturbed_rounds": int(marks.sum()), "noisy": noisy}
    return about | {"epoch_s": float(np.median(seconds))}
