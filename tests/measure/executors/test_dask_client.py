"""Many hosts: no row is lost or doubled, and what is impossible is refused in a sentence."""

import re
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import measure_in_process, write_suite

import lstmbench as lb
from lstmbench.measure import runner
from lstmbench.results.schema import COLUMNS
from lstmbench.verify.verify import verify

pytest.importorskip("distributed")

import dask
import dask_hosts as hosts
import distributed

BOTH = ["numpy.fused", "numpy.reference"]
FIVE = {"seq_len": [3, 4, 5, 6, 7]}
IN_SILENCE: Any = {
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": "127.0.0.1:0",
    "silence_logs": 50,
}

pytestmark = [
    pytest.mark.process,
    pytest.mark.usefixtures("given_limits", "no_process_left", "unpainted"),
]


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


def check_kept(run: lb.Run, before: pd.DataFrame) -> None:
    """Hold that the rows which were there before are there as they were."""
    kept = run.records[run.records["workload"].isin(before["workload"])]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), before)


# All is well


@pytest.fixture
def worker_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a scheduler and its worker, both in this process."""
    measure_in_process(monkeypatch)
    with distributed.LocalCluster(
        n_workers=1,
        processes=False,
        threads_per_worker=1,
        resources={"lstmbench": 1},
        protocol="tcp",
        host="127.0.0.1",
        **IN_SILENCE,
    ) as cluster:
        yield cluster.scheduler_address


def check_same(done: lb.Run, here: lb.Run) -> None:
    """Hold that a run on dask is the run that one machine makes, with the host in each record."""
    check_whole(done)
    same = ["workload", "implementation", "status", "output_rel_error"]
    pd.testing.assert_frame_equal(done.records[same], here.records[same])
    assert (done.records["host"] == socket.gethostname()).all()
    assert list(done.records.columns) == [*COLUMNS, "host"]
    assert list(here.records.columns) == [*COLUMNS]
    assert done.manifest["machine"] == here.manifest["machine"]
    assert set(done.records["environment_id"]) == set(done.manifest["environments"])
    assert len(done.manifest["controls"]["rows"]) == len(here.manifest["controls"]["rows"])
    assert done.manifest["command"] == "lstmbench run tiny.yaml --executor dask --out out --seed 5"


@pytest.mark.slow
def test_a_run_on_several_workers_is_the_run_that_one_machine_makes_with_the_host_in_each_record(
    address: str, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hosts.workers(address, tmp_path, "", ""):
        done = on_dask(suite, tmp_path / "out", address)
        assert set(begun(address, done).values()) == {1}
        with distributed.Client(address, set_as_default=False) as client:
            assert client.list_datasets() == ()
    measure_in_process(monkeypatch)
    check_same(done, lb.run(suite, tmp_path / "here", progress=False, seed=5))


@pytest.mark.stand_in
def test_a_run_on_a_worker_in_this_process_is_the_run_without_dask(
    worker_here: str, suite: Path, tmp_path: Path
) -> None:
    done = on_dask(suite, tmp_path / "out", worker_here)
    assert set(begun(worker_here, done).values()) == {1}
    check_same(done, lb.run(suite, tmp_path / "here", progress=False, seed=5))


@pytest.mark.slow
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


# Workers die


@pytest.mark.slow
def test_a_worker_that_dies_has_its_workload_measured_elsewhere(
    address: str, suite: Path, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    dies = [hosts.DIES.format(flag=str(flag))] * 3
    # With the processes that they start: those of one that is killed end, too
    with hosts.workers(address, tmp_path, *dies, in_process=False) as processes:
        done = on_dask(suite, tmp_path / "out", address)
        assert flag.exists()
        assert sum(process.poll() is not None for process in processes) == 1
        counts = begun(address, done)
    check_whole(done)
    five = done.records.loc[done.records["seq_len"] == 5, "workload"].iloc[0]
    assert counts[five] == 2


@pytest.mark.slow
def test_a_workload_whose_workers_die_is_marked_and_those_that_waited_behind_it_are_measured(
    suite: Path, tmp_path: Path
) -> None:
    deadly = hosts.DIES.format(flag=str(tmp_path / "nowhere" / "flag")).replace(
        "flag.write_text", "bool"
    )
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        hosts.scheduler() as cluster,
        hosts.workers(cluster.scheduler_address, tmp_path, deadly, deadly),
    ):
        done = on_dask(suite, tmp_path / "out", cluster.scheduler_address)
    records = done.records.set_index("seq_len")
    assert (records.drop(5)["status"] == "ok").all()
    assert (records.loc[5, "status"] == "failed").all()
    assert (records.loc[5, "error"] == "the dask worker died 1 times while it measured this").all()
    check_whole(done, records["status"].tolist())


# The client leaves


@pytest.mark.slow
def test_a_client_that_comes_back_collects_what_was_finished_and_nothing_is_measured_twice(
    address: str, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = runner.Store.append

    def leave(self: Any, *arguments: Any) -> None:
        append(self, *arguments)
        raise KeyboardInterrupt

    with hosts.workers(address, tmp_path, "", ""):
        monkeypatch.setattr(runner.Store, "append", leave)
        with pytest.raises(KeyboardInterrupt):
            on_dask(suite, tmp_path / "out", address)
        monkeypatch.setattr(runner.Store, "append", append)
        before = lb.read_results(tmp_path / "out")
        assert len(before) == 2
        with distributed.Client(address) as client:  # for wait(), the default one
            distributed.wait(
                [client.get_dataset(name) for name in client.list_datasets()], timeout=120
            )
        done = runner.resume(tmp_path / "out", progress=False, executor="dask", scheduler=address)
        assert set(begun(address, done).values()) == {1}
    check_whole(done)
    check_kept(done, before)


@pytest.mark.slow
def test_where_the_scheduler_has_gone_too_what_is_missing_is_measured(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = runner.Store.append
    with hosts.scheduler() as cluster, hosts.workers(cluster.scheduler_address, tmp_path, ""):

        def end(self: Any, *arguments: Any) -> None:
            append(self, *arguments)
            cluster.close()

        monkeypatch.setattr(runner.Store, "append", end)
        monkeypatch.setitem(
            dask.config.config["distributed"]["comm"]["timeouts"], "connect", "2s"
        )  # not half a minute
        with pytest.raises(lb.LstmbenchError, match="no longer answers; repeat the command"):
            on_dask(suite, tmp_path / "out", cluster.scheduler_address)
    monkeypatch.setattr(runner.Store, "append", append)
    before = lb.read_results(tmp_path / "out")
    assert 0 < len(before) < 10
    done = on_dask(suite, tmp_path / "out")
    check_whole(done)
    check_kept(done, before)


# Other machines, other software


@pytest.mark.slow
def test_another_kind_of_machine_measures_nothing_of_a_run(
    address: str, suite: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        hosts.workers(address, tmp_path, ""),
        hosts.workers(address, tmp_path, hosts.OTHER, host="127.0.0.2"),
    ):
        done = on_dask(suite, tmp_path / "out", address)
        assert hosts_of(address, done) == {"127.0.0.1"}
    check_whole(done)
    assert "is not used by this run: it has machine zzz with 1 core, not " in capfd.readouterr().err


@pytest.mark.slow
def test_a_machine_that_differs_in_its_vector_instructions_alone_is_another_kind(
    address: str, suite: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        hosts.workers(address, tmp_path, ""),
        hosts.workers(address, tmp_path, hosts.NARROW, host="127.0.0.2"),
    ):
        done = on_dask(suite, tmp_path / "out", address)
        assert len(hosts_of(address, done)) == 1
    check_whole(done)
    assert re.search(
        "is not used by this run: it has machine .* with SSE, .* not ",
        capfd.readouterr().err,
    )


@pytest.mark.slow
def test_one_that_comes_later_hands_back_what_it_was_given(
    address: str, suite: Path, tmp_path: Path
) -> None:
    late = "real = dask_worker.traits()\ncalls = []\n"
    late += "other = {'machine': 'zzz'}\n"
    late += "dask_worker.traits = lambda: real | (calls and other or calls.append(1) or {})\n"
    with (
        hosts.workers(address, tmp_path, ""),
        hosts.workers(address, tmp_path, late, host="127.0.0.2"),
    ):
        done = on_dask(suite, tmp_path / "out", address)
        assert hosts_of(address, done) == {"127.0.0.1"}
    check_whole(done)


def hosts_of(address: str, run: lb.Run) -> set[str]:
    with distributed.Client(address, set_as_default=False) as client:
        events = client.get_events(f"lstmbench-{run.manifest['run_id']}")
    return {event["worker"].removeprefix("tcp://").partition(":")[0] for _, event in events}


def test_other_software_is_refused_before_anything_is_measured(
    address: str, suite: Path, tmp_path: Path
) -> None:
    other = (
        "real = environment.software()\nenvironment.software = lambda: real | {'numpy': '1.0'}\n"
    )
    with (
        hosts.workers(address, tmp_path, other),
        pytest.raises(
            lb.LstmbenchError, match=r"No worker can measure this run: \S+ has numpy 1.0, not 2"
        ),
    ):
        on_dask(suite, tmp_path / "out", address)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.slow
def test_a_run_goes_on_only_on_the_kind_of_machine_that_it_was_begun_on(
    address: str, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_measure", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        lb.run(suite, tmp_path / "out", progress=False)
    monkeypatch.undo()
    with (
        hosts.workers(address, tmp_path, hosts.OTHER),
        pytest.raises(lb.LstmbenchError, match="has machine zzz with 1 core, not "),
    ):
        runner.resume(tmp_path / "out", executor="dask", scheduler=address)


# What is refused


def test_workers_that_do_not_offer_to_measure_are_told_how(suite: Path, tmp_path: Path) -> None:
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, protocol="tcp", host="127.0.0.1", **IN_SILENCE
        ) as cluster,
        pytest.raises(
            lb.LstmbenchError, match="start them with --nthreads 1 --resources lstmbench=1"
        ),
    ):
        on_dask(suite, tmp_path / "out", cluster.scheduler_address)


def test_an_address_at_which_nobody_answers_is_one_sentence(suite: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            lb.LstmbenchError, match=f"No scheduler answers at {address}: .*refused"
        ):
            on_dask(suite, tmp_path / "out", address)


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "http://127.0.0.1:1", ""])
def test_what_is_no_address_is_one_sentence(address: str, suite: Path, tmp_path: Path) -> None:
    with pytest.raises(
        lb.LstmbenchError, match=f"'{address}' is not the address of a scheduler, such as tcp://"
    ):
        on_dask(suite, tmp_path / "out", address)


def test_without_the_package_it_is_one_sentence(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "lstmbench.measure.executors.dask_client",
        "lstmbench.measure.executors.dask_worker",
    ):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        lb.LstmbenchError, match=r"needs the package distributed: pip install 'lstmbench\[dask\]'"
    ):
        on_dask(suite, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"executor": "slurm"}, "There is no executor 'slurm'; the executors are local, dask."),
        ({"scheduler": "tcp://127.0.0.1:1"}, "--scheduler needs --executor dask."),
        (
            {"executor": "dask", "ab": ("numpy.fused", "numpy.reference")},
            "--ab cannot be combined with --executor dask",
        ),
        ({"executor": "dask", "wait": False}, "--no-wait cannot be combined with --executor dask"),
        ({"executor": "dask", "minutes": 1.0}, "--minutes cannot be combined with --executor dask"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: Any, sentence: str, suite: Path, tmp_path: Path
) -> None:
    with pytest.raises(lb.LstmbenchError, match=sentence):
        lb.run(suite, tmp_path / "out", progress=False, **options)
