"""Run a training workload: each implementation trains in a process of its own, one after another.

No two train at once. Whether other programs disturbed an epoch is judged by its probe, see
``disturbance``.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from lstmbench.errors import LstmbenchError
from lstmbench.measure import disturbance
from lstmbench.measure.case_run import status_of, status_without_worker
from lstmbench.measure.process.forkserver import ORACLE, Worker
from lstmbench.measure.process.hardware_state import HardwareMonitor
from lstmbench.measure.process.worker_pool import WorkerPool, skip_reason
from lstmbench.measure.suites.case import Case
from lstmbench.measure.suites.interface import Row

if TYPE_CHECKING:
    from lstmbench.measure.suites.training_suite import TrainingSuite, TrainingWorkload

SAMPLE_SIZES = ("batch_size", "seq_len", "input_size", "hidden_size")
"""What a sample holds of the sizes that a record has."""


def run_training(
    workload: "TrainingWorkload", suite: "TrainingSuite", pool: WorkerPool, skip: str = ""
) -> tuple[list[Row], list[Row]]:
    """Return the records of a training workload, and one sample per epoch.

    The baselines of a task are records too: ``implementation`` is ``baseline``, ``variant`` the
    name of the method. A reason to ``skip`` prevents training; baselines are scored all the same.
    """
    records: list[Row] = []
    samples: list[Row] = []
    for case in suite.cases(workload):
        if workload.has_baselines:
            records += _baselines(case, workload, suite, pool)
        else:
            record, epochs = _train(case, workload, suite, pool, skip)
            records.append(record)
            samples += epochs
    return records, samples


def _baselines(
    case: Case, workload: "TrainingWorkload", suite: "TrainingSuite", pool: WorkerPool
) -> list[Row]:
    row = case.columns() | {"peer": False, "workload": workload.id}
    try:
        with pool.running_worker(ORACLE, workload) as worker:
            answer = worker.request("baselines", suite.timeout_s, workload=asdict(workload))
    except LstmbenchError as error:
        return [row | {"status": status_of(error), "error": str(error)}]
    scores = answer.pop("scores")
    row |= answer | {"status": "ok", "error": None}
    return [row | {"variant": name, "score": score} for name, score in scores.items()]


def _train(
    case: Case, workload: "TrainingWorkload", suite: "TrainingSuite", pool: WorkerPool, skip: str
) -> tuple[Row, list[Row]]:
    """Return the record of one implementation, and its samples."""
    name = case.implementation
    known = pool.describe(name, workload)
    row = case.columns() | {"peer": bool(known["peer"]), "workload": workload.id}
    if reason := skip_reason(known, workload) or skip:
        return row | {"status": status_without_worker(reason), "error": reason}, []
    samples: list[Row] = []
    try:
        with pool.running_worker(name, workload) as worker:
            answer = worker.request(
                "start_training", suite.timeout_s, implementation=name, workload=asdict(workload)
            )
            frameworks = answer.pop("frameworks")
            answer["environment_id"] = pool.record_environment(name, frameworks, workload)
            sizes = {size: answer[size] for size in SAMPLE_SIZES}
            for sample in _epochs(worker, workload.device, suite.timeout_s):
                samples.append(row | sizes | sample)  # kept if a later epoch fails
            result = worker.request("finish_training", suite.timeout_s)
    except LstmbenchError as error:
        return row | {"status": status_of(error), "error": str(error)}, samples
    result |= {"status": "ok", "error": None}
    if not math.isfinite(result["score"]):
        reason = f"it learnt nothing: {result['ended']}"
        result |= {"score": None, "status": "failed", "error": reason}
    result |= {"epochs": len(samples), "updates": samples[-1]["updates"]}
    return row | answer | result | epoch_times(samples), samples


def _epochs(worker: Worker, device: str, timeout_s: float) -> Iterator[Row]:
    """Train epoch by epoch; yield the columns of each one's sample."""
    ended = None
    while ended is None:
        monitor = HardwareMonitor(device)
        epoch, ended = worker.request("train_epoch", timeout_s)
        stolen = monitor.state().stolen
        reason = disturbance.epoch_disturbance(epoch["queued_s"], epoch["loop_s"], stolen)
        yield {
            "process": 0,
            "round": epoch["epoch"],
            "sample": 0,
            "calls": 1,
            "disturbed": bool(reason),
            "disturbance": reason,
            "seconds": epoch["seconds"],
            "updates": epoch["updates"],
            "loss": _finite(epoch["loss"]),
            "score": _finite(epoch["score"]),
        }


def epoch_times(samples: list[Row]) -> Row:
    """Return the median time of an epoch; disturbed ones are discarded unless too many."""
    disturbed = np.array([sample["disturbed"] for sample in samples])
    discarded, noisy = disturbance.discarded_epochs(disturbed)
    seconds = np.array([sample["seconds"] for sample in samples])[~discarded]
    return {
        "rounds": len(samples),
        "disturbed_rounds": int(disturbed.sum()),
        "noisy": noisy,
        "epoch_s": float(np.median(seconds)),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
