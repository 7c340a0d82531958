"""What failed for the harness's own reason is measured again by the next call; nothing else is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import InProcessWorker, write_suite

import lstmbench as lb
from lstmbench import report
from lstmbench.measure import run_training
from lstmbench.measure.process.forkserver import HARNESS_FAILED, WorkerDied, WorkerTimeout
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.timing_suite import TimingSuite
from lstmbench.measure.suites.training_suite import TrainingWorkload
from lstmbench.verify.verify import verify

pytestmark = pytest.mark.usefixtures("unpainted", "in_process")
GONE = WorkerDied(f"{HARNESS_FAILED}: its fork server has ended")
Broken = Callable[[pytest.MonkeyPatch], Any]


def at(command: str, error: Exception) -> Broken:
    """Have the first worker that gets this command die."""

    def broken(monkeypatch: pytest.MonkeyPatch) -> None:
        request = InProcessWorker.request
        died: list[str] = []

        def once(self: InProcessWorker, requested: str, timeout: float, **arguments: Any) -> Any:
            if requested == command and not died:
                died.append(requested)
                raise error
            return request(self, requested, timeout, **arguments)

        monkeypatch.setattr(InProcessWorker, "request", once)

    return broken


def never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a worker of the second workload not start."""
    worker = WorkerPool.worker
    started: list[str] = []

    def once(self: WorkerPool, label: str, workload: Any, *how: Any, **more: Any) -> Any:
        if workload.seq_len == 4 and label == "numpy.fused" and not started:
            started.append(label)
            raise GONE
        return worker(self, label, workload, *how, **more)

    monkeypatch.setattr(WorkerPool, "worker", once)


HARNESS: dict[str, Broken] = {
    "the worker of a case": at("check_accuracy", GONE),
    "while it is timed": at("measure", GONE),
    "the one that describes it": at("describe", GONE),
    "none started": never_started,
    "the oracle": at("write_inputs", WorkerDied("the process was killed by signal 15 (SIGTERM)")),
    "what the oracle needs": at(
        "write_inputs", lb.LstmbenchError("ModuleNotFoundError: No module named 'vega_datasets'")
    ),
}
OWN: dict[str, Broken] = {
    "it crashed": at("check_accuracy", WorkerDied("the process was killed by signal 11 (SIGSEGV)")),
    "it raised": at("check_accuracy", lb.LstmbenchError("ValueError: no")),
    "it took too long": at(
        "check_accuracy", WorkerTimeout("no answer to 'check_accuracy' within 120 s")
    ),
    "the oracle took too long": at(
        "write_inputs", WorkerTimeout("no answer to 'write_inputs' within 120 s")
    ),
    "the oracle took too much": at(
        "write_inputs", WorkerDied("out of memory: its process held 99 GiB")
    ),
}


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Path]:
    return write_suite(
        tmp_path / "tiny.yaml", ["numpy.fused", "numpy.reference"], {"seq_len": [3, 4]}
    )


@pytest.mark.parametrize("broken", HARNESS.values(), ids=HARNESS)
def test_where_the_harness_failed_the_next_call_measures_again(
    broken: Broken, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        broken(patched)
        first = lb.run(suite, out, progress=False, seed=1)  # with a case's turn first, no control's
    failed = first.records[first.records["status"] != "ok"]
    assert len(first.records) == 4 and set(failed["status"]) == {"failed"}
    assert failed["error"].str.contains(HARNESS_FAILED).all()
    assert not first.manifest["complete"]
    measured: list[int] = []
    with monkeypatch.context() as patched:
        measure = TimingSuite.measure
        patched.setattr(
            TimingSuite,
            "measure",
            lambda self, workload, *_: (
                measured.append(workload.seq_len) or measure(self, workload, *_)
            ),
        )
        again = lb.run(suite, out, progress=False)
    assert measured == list(dict.fromkeys(failed["seq_len"]))  # and no other
    assert again.records["error"].dropna().tolist() == []
    assert again.records["status"].tolist() == ["ok"] * 4
    assert again.records["seq_len"].tolist() == [3, 3, 4, 4]
    assert again.manifest["complete"]
    if broken is HARNESS["none started"]:
        report.write(out)
        assert verify(out) == []


@pytest.mark.parametrize("broken", OWN.values(), ids=OWN)
def test_what_failed_by_itself_is_a_row_of_a_run_that_is_complete(
    broken: Broken, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    done = lb.run(suite, tmp_path / "out", progress=False, seed=0)
    assert done.manifest["complete"] and done.failed
    assert not lb.run(suite, tmp_path / "out", progress=False).new


def test_a_training_that_the_harness_failed_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "training.yaml").write_text(
        "implementations: [numpy.fused]\nseeds: 1\ntasks: [adding]\n"
    )
    trained: list[str] = []

    def train(name: str, workload: TrainingWorkload, *_: Any) -> Any:
        trained.append(workload.id)
        where = workload.columns() | {
            "implementation": name,
            "workload": workload.id,
            "peer": False,
        }
        first = trained == [workload.id]
        return where | ({"status": "failed", "error": str(GONE)} if first else {"status": "ok"}), []

    monkeypatch.setattr(run_training, "_train", train)
    monkeypatch.setattr(run_training, "_baselines", lambda *_: [])
    assert not lb.run(tmp_path / "training.yaml", tmp_path / "out", progress=False).manifest[
        "complete"
    ]
    before = len(trained)
    assert lb.run(tmp_path / "training.yaml", tmp_path / "out", progress=False).manifest["complete"]
    assert len(trained) == before + 1
