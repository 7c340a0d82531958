"""Many hosts: nothing is lost, nothing is there twice, and what cannot be is said in a sentence."""

import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import write_suite

import lstmbench as lb
from lstmbench.measure import runner
from lstmbench.results.record import COLUMNS
from lstmbench.verifying.verify import verify

pytest.importorskip("distributed")

import dask_hosts as hosts
import distributed

BOTH = ["numpy.fused", "numpy.reference"]
FIVE = {"seq_len": [3, 4, 5, 6, 7]}

pytestmark = pytest.mark.usefixtures("given_rates", "no_process_left")


@pytest.fixture
def address(no_process_left: None) -> Iterator[str]:
    with hosts.scheduler() as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_suite(tmp_path / "tiny.yaml", BOTH, FIVE)


def on_dask(suite: Path, out: Path, address: str | None = None) -> lb.Run:
    return lb.run(suite, out, progress=False, seed=5, executor="dask", scheduler=address)


def begun(address: str, run: lb.Run) -> Counter[tuple[str, str]]:
    """Count how often each workload of a run was begun."""
    with distributed.Client(address, set_as_default=False) as client:
        events = client.get_events(f"lstmbench-{run.manifest['run_id']}")
    return Counter(event["begun"] for _, event in events)


def check_whole(run: lb.Run, statuses: Any = "ok") -> None:
    """Hold that every case is there once, in the suite's order, as verified as that of any run."""
    records = run.records
    assert records["seq_len"].tolist() == [3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    assert records["implementation"].tolist() == BOTH * 5
    assert (records["status"] == statuses).all()
    assert [str(each) for each in verify(run.folder) if "tables" not in str(each)] == []


# All is well


def test_a_run_on_several_workers_is_the_run_that_one_machine_makes_with_the_host_in_each_record(
    address: str, suite: Path, tmp_path: Path
) -> None:
    with hosts.workers(address, tmp_path, "", "", ""):
        done = on_dask(suite, tmp_path / "out", address)
        assert set(begun(address, done).values()) == {1}
        with distributed.Client(address, set_as_default=False) as client:
            assert client.list_datasets() == ()
    check_whole(done)
    here = lb.run(suite, tmp_path / "here", progress=False, seed=5)
    same = ["workload", "implementation", "status", "output_rel_error"]
    pd.testing.assert_frame_equal(done.records[same], here.records[same])
    assert (done.records["host"] == socket.gethostname()).all()
    assert list(done.records.columns) == [*COLUMNS, "host"]
    assert list(here.records.columns) == [*COLUMNS]
    assert done.manifest["machine"] == here.manifest["machine"]
    assert set(done.records["environment_id"]) == set(done.manifest["environments"])
    assert len(done.manifest["controls"]["rows"]) == len(here.manifest["controls"]["rows"])
    assert done.manifest["command"] == "lstmbench run tiny.yaml --executor dask --out out --seed 5"


def test_without_an_address_there_is_a_scheduler_here_that_nobody_else_can_reach(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    listening: set[str] = set()
    append = runner.Store.append

    def look(*arguments: Any) -> None:
        found = psutil.Process().net_connections()
        listening.update(each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN)
        append(*arguments)

    monkeypatch.setattr(runner.Store, "append", look)
    check_whole(on_dask(suite, tmp_path / "out"))
    assert listening <= {"127.0.0.1"}


# What is refused


def test_workers_that_do_not_offer_to_measure_are_told_how(suite: Path, tmp_path: Path) -> None:
    options = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0", "silence_logs": 50}
    with (
        distributed.LocalCluster(n_workers=1, processes=False, protocol="tcp", host="127.0.0.1", **options) as cluster,
        pytest.raises(lb.LstmbenchError, match="start them with --nthreads 1 --resources lstmbench=1"),
    ):
        on_dask(suite, tmp_path / "out", cluster.scheduler_address)


def test_an_address_at_which_nobody_answers_is_one_sentence(suite: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(lb.LstmbenchError, match=f"No scheduler answers at {address}: .*refused"):
            on_dask(suite, tmp_path / "out", address)


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "http://127.0.0.1:1", ""])
def test_what_is_no_address_is_one_sentence(address: str, suite: Path, tmp_path: Path) -> None:
    with pytest.raises(lb.LstmbenchError, match=f"'{address}' is no scheduler's address; one looks like tcp://"):
        on_dask(suite, tmp_path / "out", address)


def test_without_the_package_it_is_one_sentence(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lstmbench.measure.cluster", "lstmbench.measure.on_host"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(lb.LstmbenchError, match=r"needs the package distributed: pip install 'lstmbench\[dask\]'"):
        on_dask(suite, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"executor": "slurm"}, "There is no executor 'slurm'; the executors are local, dask."),
        ({"scheduler": "tcp://127.0.0.1:1"}, "--scheduler belongs to --executor dask."),
        ({"executor": "dask", "ab": ("numpy.fused", "numpy.reference")}, "A duel is between two on one machine"),
        ({"executor": "dask", "wait": False}, "it is the workers that wait"),
    ],
)
def test_what_does_not_go_together_is_refused(options: Any, sentence: str, suite: Path, tmp_path: Path) -> None:
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.run(suite, tmp_path / "out", progress=False, **options)
