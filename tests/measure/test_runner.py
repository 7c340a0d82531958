"""From a suite to a folder: what is recorded, what is done only once, what is refused before
anything is written.
"""

import json
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import skipped, write_suite

import lstmbench as lb
from lstmbench.measure import metrics, run_manifest, runner
from lstmbench.measure.executors import executor
from lstmbench.measure.process import worker_pool
from lstmbench.measure.statistics import process_interval
from lstmbench.measure.suites.suite_file import read_suite
from lstmbench.measure.suites.timing_suite import TimingSuite
from lstmbench.results.merge import merge
from lstmbench.results.schema import COLUMNS, SAMPLE_COLUMNS, STATUSES

pytestmark = pytest.mark.usefixtures("in_process")
BOTH = ["numpy.fused", "numpy.reference"]
FOUR = {"seq_len": [3, 4], "mode": ["inference", "training"]}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, in_process: None) -> lb.Run:
    """A run of four workloads, two implementations, two processes."""
    folder = tmp_path_factory.mktemp("runner")
    suite = write_suite(folder / "tiny.yaml", BOTH, FOUR, {"processes": 2})
    return lb.run(suite, folder / "out", progress=False, seed=5)


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold that no worker is started."""
    monkeypatch.setattr(
        worker_pool.WorkerPool, "worker", lambda *_, **__: pytest.fail("a worker was started")
    )


def rows(records: pd.DataFrame) -> list[tuple[Any, ...]]:
    columns = [
        "implementation",
        "mode",
        "seq_len",
        "status",
        "workload",
        "output_rel_error",
        "grad_rel_error",
    ]
    return list(records[columns].astype(object).fillna("").itertuples(index=False, name=None))


# What is recorded


def test_a_run_returns_its_folder_its_records_its_samples_and_its_manifest(done: lb.Run) -> None:
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "SHA256SUMS",
        "manifest.json",
        "records.csv",
        "records.parquet",
        "samples.parquet",
    ]
    assert len(done.records) == 8
    assert not done.failed
    assert lb.read_results(done.folder).attrs["manifest"] == done.manifest


def test_records_have_the_columns_and_types_of_the_schema_with_nothing_missing_that_was_measured(
    done: lb.Run,
) -> None:
    records = done.records
    assert list(records.columns) == list(COLUMNS)
    assert {name: str(kind) for name, kind in records.dtypes.items()} == COLUMNS
    assert set(records["status"]) <= set(STATUSES)
    training = records[records["mode"] == "training"]
    not_here = {"error", "peak_device_bytes"} | (
        set() if Path("/proc/self/clear_refs").exists() else {"peak_host_bytes"}
    )
    assert set(training.columns[training.isna().any()]) == not_here
    inference = records[records["mode"] == "inference"]
    assert set(inference.columns[inference.isna().any()]) == not_here | {"grad_rel_error"}


def test_times_stand_within_their_intervals_and_the_first_call_apart(done: lb.Run) -> None:
    records = done.records
    assert (records["time_low_s"] <= records["time_median_s"]).all()
    assert (records["time_median_s"] <= records["time_high_s"]).all()
    assert (records["ratio_low"] <= records["ratio"]).all()
    assert (records["ratio"] <= records["ratio_high"]).all()
    assert (records["first_call_s"] > 0).all()
    assert (records["processes"] == 2).all()
    assert (records["rounds"] >= 4).all()


def test_the_reference_against_itself_is_exactly_one(done: lb.Run) -> None:
    own = done.records[done.records["implementation"] == "numpy.fused"]
    assert (own[["ratio", "ratio_low", "ratio_high"]] == 1).all(axis=None)
    assert own["converged"].all()
    assert (done.records["ratio_to"] == "numpy.fused").all()


def test_samples_are_those_behind_the_records(done: lb.Run) -> None:
    samples, records = done.samples, done.records
    assert list(samples.columns) == list(SAMPLE_COLUMNS)
    assert (samples["seconds"] > 0).all()
    keys = ["implementation", "mode", "seq_len"]
    counted = samples.groupby(keys).size()
    assert counted.to_dict() == records.set_index(keys)["samples"].to_dict()
    rounds = samples.groupby([*keys, "process", "round"]).agg(
        {"seconds": "mean", "disturbed": "first"}
    )
    counts = rounds.groupby(keys).agg(
        rounds=("seconds", "size"), disturbed_rounds=("disturbed", "sum")
    )
    expected = records.set_index(keys)
    for column in counts:
        assert counts[column].to_dict() == expected[column].to_dict()
    for key, case in rounds.groupby(keys):
        processes = [own["seconds"].to_numpy() for _, own in case.groupby("process")]
        estimate = process_interval(processes).estimate
        assert expected.loc[key, "time_median_s"] == pytest.approx(estimate, rel=1e-12)


def test_all_implementations_take_part_in_every_round(done: lb.Run) -> None:
    samples = done.samples
    turns = samples.groupby(["mode", "seq_len", "process", "round"])["implementation"].nunique()
    assert (turns == 2).all()


def test_the_manifest_says_how_the_run_came_about(done: lb.Run) -> None:
    manifest = done.manifest
    assert manifest["complete"]
    assert manifest["started"] <= manifest["finished"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", manifest["finished"])
    assert manifest["run_id"].startswith("tiny-")
    assert manifest["seed"] == 5
    assert manifest["suite"]["name"] == "tiny"
    assert manifest["suite"]["grids"][0]["seq_len"] == [3, 4]
    assert manifest["python"] == sys.version.split()[0]
    described = {"cpu", "cpu_flags", "cores", "memory_bytes", "os", "kernel", "arch"}
    assert set(manifest["machine"]) - {"cpu_id"} == described
    assert all(manifest["machine"].values())
    assert set(manifest["git"]) == {"commit", "dirty"}
    for name in ("numpy", "pandas", "lstmbench"):
        assert manifest["packages"][name]
    assert done.records["run_id"].unique().tolist() == [manifest["run_id"]]
    assert set(done.records["environment_id"]) == set(manifest["environments"])
    for found in manifest["environments"].values():
        assert found["threads"] == 1
        assert found["frameworks"]["numpy"] == manifest["packages"]["numpy"]
        blas = [pool for pool in found["frameworks"]["pools"] if pool["user_api"] == "blas"]
        assert all(pool["num_threads"] == 1 for pool in blas)
        assert blas


def test_the_command_makes_the_run_again_and_names_no_path_of_this_machine(done: lb.Run) -> None:
    assert done.manifest["command"] == "lstmbench run tiny.yaml --out out --seed 5"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("quick", "quick"),
        ("results/mine", "results/mine"),
        ("/somewhere/else/mine", "mine"),
        ("HERE/results/x", "results/x"),
    ],
)
def test_a_path_is_published_without_its_root(given: str, shown: str) -> None:
    assert run_manifest._without_root(given.replace("HERE", os.getcwd())) == shown


def test_nothing_that_is_written_names_a_folder_or_the_host(done: lb.Run) -> None:
    written = (done.folder / "manifest.json").read_text() + (
        done.folder / "records.csv"
    ).read_text()
    for private in (
        str(done.folder),
        os.getcwd(),
        str(Path.home()),
        sys.prefix,
        socket.gethostname(),
    ):
        assert not re.search(rf"(?<!\w){re.escape(private)}(?!\w)", written), private


def test_a_column_that_a_metric_declares_is_stored_with_its_type_after_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repeats_for_a_test.py").write_text(
        "from lstmbench.results.schema import count, text\n"
        "NEEDS = frozenset({'samples'})\n"
        "COLUMNS = (count('repeats'), text('mood'))\n"
        "def compute(evidence):\n"
        "    long = evidence.workload.seq_len > 3\n"
        "    return {'mood': None, 'repeats': len(evidence.rounds) if long else None}\n"
    )
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    metrics.metrics.cache_clear()
    try:
        suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"], FOUR)
        records = lb.run(suite, tmp_path / "out", progress=False).records
    finally:
        monkeypatch.undo()
        metrics.metrics.cache_clear()
    assert list(records.columns) == [*COLUMNS, "repeats", "mood"]
    assert records.dtypes[-2:].astype(str).tolist() == ["Int64", "string"]
    assert records.groupby("seq_len")["repeats"].sum().to_dict() == {3: 0, 4: 2}


# The seed


def test_the_seed_makes_the_inputs(tmp_path: Path, done: lb.Run) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", BOTH, FOUR, {"processes": 1})
    same = lb.run(suite, tmp_path / "same", progress=False, seed=5).records
    other = lb.run(suite, tmp_path / "other", progress=False, seed=6).records
    errors = ["output_rel_error", "grad_rel_error"]
    pd.testing.assert_frame_equal(same[errors], done.records[errors])
    assert not other[errors].equals(same[errors])


def test_without_a_seed_one_is_drawn_and_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    used: list[int] = []
    measure = lambda self, workload, pool, seed, skip: used.append(seed) or ([], [], [])  # noqa: E731
    monkeypatch.setattr(TimingSuite, "measure", measure)
    suite = write_suite(tmp_path / "tiny.yaml", BOTH)
    first, second = (lb.run(suite, tmp_path / name, progress=False) for name in "ab")
    assert used == [first.manifest["seed"], second.manifest["seed"]]
    assert used[0] != used[1]


# Going on


@pytest.mark.usefixtures("no_worker")
def test_a_complete_run_is_returned_without_measuring(done: lb.Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.folder.iterdir()}
    again = lb.run(done.folder.parent / "tiny.yaml", done.folder, progress=False)
    assert again.folder == done.folder
    assert {path: path.stat().st_mtime_ns for path in done.folder.iterdir()} == before


@pytest.mark.usefixtures("no_worker")
def test_the_same_suite_from_a_file_of_another_name_is_the_same_suite(
    tmp_path: Path, done: lb.Run
) -> None:
    other = write_suite(
        tmp_path / "other.yaml", BOTH, FOUR, {"processes": 2}, description="In other words."
    )
    assert lb.run(other, done.folder, progress=False).manifest["suite"]["name"] == "tiny"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_goes_on_with_what_is_missing(
    error: type[BaseException], tmp_path: Path, done: lb.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, folder = done.folder.parent / "tiny.yaml", tmp_path / "out"
    measured: list[str] = []

    measure = TimingSuite.measure

    def third_time_unlucky(self: TimingSuite, workload_: Any, *arguments: Any) -> Any:
        measured.append(workload_.id)
        if len(measured) == 3:
            raise error
        return measure(self, workload_, *arguments)

    monkeypatch.setattr(TimingSuite, "measure", third_time_unlucky)
    with pytest.raises(error):
        lb.run(suite, folder, progress=False, seed=5)
    assert not runner.read_manifest(folder)["complete"]
    assert rows(lb.read_results(folder)) == rows(done.records)[:4]
    started = runner.read_manifest(folder)["started"]

    finished = lb.run(suite, folder, progress=False)
    assert measured[2:] == list(dict.fromkeys(done.records["workload"]))[2:3] * 2 + measured[4:]
    assert len(measured) == 5
    assert rows(finished.records) == rows(done.records)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in done.folder.iterdir()
    )
    assert finished.manifest["started"] == started
    assert finished.manifest["complete"]
    assert set(finished.records["run_id"]) == {finished.manifest["run_id"]}


def test_what_a_killed_run_left_half_written_is_not_counted_and_does_not_stay(
    tmp_path: Path, done: lb.Run
) -> None:
    suite, folder = done.folder.parent / "tiny.yaml", tmp_path / "out"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(
            runner.Store, "append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            lb.run(suite, folder, progress=False, seed=5)
    parts = folder / "parts"
    parts.mkdir()
    (parts / "00000.samples.parquet").write_bytes((done.folder / "samples.parquet").read_bytes())
    (parts / ".00000.records.parquet.k3x").write_bytes(b"PAR1")
    (folder / ".manifest.json.k3x").write_text("{")
    assert len(lb.read_results(folder)) == 0
    finished = lb.run(suite, folder, progress=False)
    assert rows(finished.records) == rows(done.records)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in done.folder.iterdir()
    )


def test_what_each_workload_showed_is_in_the_manifest_of_a_run_that_was_killed_and_went_on(
    tmp_path: Path, done: lb.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, a run writes nothing more: what it has learnt lies with the workloads."""
    suite, folder = done.folder.parent / "tiny.yaml", tmp_path / "out"
    writing = runner.Store.write_manifest
    monkeypatch.setattr(
        runner.Store,
        "write_manifest",
        lambda self, manifest: writing(self, manifest | {"environments": {}}),
    )
    append = runner.Store.append

    def killed(self: Any, workload: str, *arguments: Any) -> None:
        append(self, workload, *arguments)
        if workload == "00002":
            monkeypatch.setattr(runner.Store, "write_manifest", lambda *_: None)
            raise KeyboardInterrupt

    monkeypatch.setattr(runner.Store, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        lb.run(suite, folder, progress=False, seed=5)
    assert runner.read_manifest(folder)["controls"]["rows"] == []
    monkeypatch.undo()
    finished = lb.run(suite, folder, progress=False)
    shown = [(row["workload"], row["control"]) for row in finished.manifest["controls"]["rows"]]
    assert shown == [(row["workload"], row["control"]) for row in done.manifest["controls"]["rows"]]
    assert set(finished.records["environment_id"]) == set(finished.manifest["environments"])


def test_the_manifest_is_not_written_again_for_every_workload(
    tmp_path: Path, done: lb.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    monkeypatch.setattr(
        runner.Store, "write_manifest", lambda self, manifest: written.append(len(manifest))
    )
    monkeypatch.setattr(TimingSuite, "measure", lambda *_: ([], [], []))
    many = write_suite(tmp_path / "tiny.yaml", BOTH, {"seq_len": list(range(1, 30))})
    lb.run(many, tmp_path / "out", progress=False)
    assert len(written) == 3  # at the beginning, with what was learnt, and as complete


def test_a_run_whose_records_are_gone_is_measured_again(tmp_path: Path) -> None:
    suite, folder = write_suite(tmp_path / "tiny.yaml", BOTH), tmp_path / "out"
    lb.run(suite, folder, progress=False)
    (folder / "records.parquet").unlink()
    assert lb.run(suite, folder, progress=False).records["status"].tolist() == ["ok", "ok"]


# What is refused


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("change", [{"seq_len": 9}, {"dtype": "float64"}])
def test_a_folder_of_another_suite_is_refused(change: Any, tmp_path: Path, done: lb.Run) -> None:
    before = (done.folder / "manifest.json").read_bytes()
    other = write_suite(tmp_path / "other.yaml", BOTH, FOUR | change, {"processes": 2})
    with pytest.raises(
        lb.LstmbenchError, match="holds the results of another suite, 'tiny'; choose another folder"
    ):
        lb.run(other, done.folder, progress=False)
    assert (done.folder / "manifest.json").read_bytes() == before


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(
    "change", [{"cpu_flags": ["avx512f"]}, {"cpu_flags": ["sse"]}, {"cores": 1000}, {"gpu": "H"}]
)
def test_a_run_does_not_go_on_on_another_machine(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_worker: None
) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", BOTH, FOUR, {"processes": 2})
    here = executor.environment.machine() | {"cpu_flags": ["avx2", "sse"]}
    store = tmp_path / "out"
    store.mkdir()
    arguments = read_suite(suite), ["tiny.yaml"], store, 5, here | change, None
    manifest = run_manifest.new_manifest(*arguments)
    (store / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(executor.environment, "machine", lambda: here)
    with pytest.raises(lb.LstmbenchError, match="begun on another machine"):
        lb.run(suite, store, progress=False)
    assert json.loads((store / "manifest.json").read_text()) == manifest


def test_a_folder_of_another_seed_is_refused(done: lb.Run) -> None:
    with pytest.raises(
        lb.LstmbenchError, match="results of the seed 5, not of 6; choose another folder"
    ):
        lb.run(done.folder.parent / "tiny.yaml", done.folder, progress=False, seed=6)
    assert (
        lb.run(done.folder.parent / "tiny.yaml", done.folder, progress=False, seed=5).folder
        == done.folder
    )


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ("{", "manifest.json cannot be read: Expecting property name"),
        ("[]", "manifest.json cannot be read: not an object"),
        ("{}", "is not that of a run; choose another folder"),
        ('{"name": "a web page", "suite": "no"}', "is not that of a run; choose another folder"),
    ],
)
def test_a_folder_of_something_else_is_refused(
    manifest: str, expected: str, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(lb.LstmbenchError, match=re.escape(expected)):
        lb.run(write_suite(tmp_path / "tiny.yaml", BOTH), folder, progress=False)
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]


@pytest.mark.usefixtures("no_worker")
def test_a_folder_that_cannot_be_made_is_refused_in_a_sentence(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", BOTH)
    for folder in (suite, suite / "below", suite / "further" / "below", Path("/proc/lstmbench")):
        with pytest.raises(
            lb.LstmbenchError, match=f"Results cannot be written to {folder}: "
        ) as caught:
            lb.run(suite, folder, progress=False)
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


@pytest.mark.usefixtures("no_worker")
def test_a_bad_suite_leaves_nothing(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fast"])
    with pytest.raises(
        lb.LstmbenchError, match=re.escape("There is no implementation 'numpy.fast'")
    ):
        lb.run(suite, tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_disk_that_fills_up_costs_a_sentence_and_no_workload_that_is_done(
    tmp_path: Path, done: lb.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, folder = done.folder.parent / "tiny.yaml", tmp_path / "out"
    writing = pq.write_table

    def full(table: pa.Table, path: Path, **options: Any) -> None:
        if "00002" in path.name:
            path.write_bytes(b"PAR1")
            raise OSError(28, "No space left on device")
        writing(table, path, **options)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(lb.LstmbenchError, match="cannot be written: No space left on device"):
        lb.run(suite, folder, progress=False, seed=5)
    assert rows(lb.read_results(folder)) == rows(done.records)[:4]
    monkeypatch.setattr(pq, "write_table", writing)
    assert rows(lb.run(suite, folder, progress=False).records) == rows(done.records)


# What cannot run here


def test_a_dtype_that_a_framework_has_not_is_skipped_with_its_reason(
    measure: Callable[..., lb.Run],
) -> None:
    found = skipped(measure(["numpy.fused", "numpy.reference"], {"dtype": ["bfloat16", "float64"]}))
    assert (
        found["numpy.fused"]
        == "numpy.fused does not support bfloat16; it supports float32, float64"
    )
    assert set(found) == {"numpy.fused", "numpy.reference"}


def test_a_device_that_is_not_there_is_skipped_and_nothing_is_computed_for_it(
    measure: Callable[..., lb.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        worker_pool.WorkerPool, "write_inputs", lambda *_: pytest.fail("the oracle computed")
    )
    found = skipped(measure(["numpy.fused"], {"device": "cuda"}))
    assert found == {"numpy.fused": "numpy.fused sees no device 'cuda' here; it sees cpu"}


def test_more_threads_than_cores_are_skipped(measure: Callable[..., lb.Run]) -> None:
    (reason,) = skipped(measure(["numpy.fused"], {"threads": 1024})).values()
    assert reason == f"1024 threads were requested, and this machine has {os.cpu_count()} cores"


def test_without_a_folder_a_fresh_temporary_one_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    suite = write_suite(tmp_path / "tiny.yaml", BOTH)
    first, second = lb.run(suite, progress=False).folder, lb.run(suite, progress=False).folder
    assert first != second
    assert first.parent == second.parent == tmp_path
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["tiny.yaml", first.name, second.name]
    )


def test_the_bar_counts_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    workloads = read_suite("smoke").workloads()
    results = [(workload, [], [], {}) for workload in workloads]
    assert list(runner._with_progress(iter(results), workloads, show=True)) == results
    assert "100%" in capsys.readouterr().err


def test_the_manifest_is_json_of_sorted_keys(done: lb.Run) -> None:
    text = (done.folder / "manifest.json").read_text(encoding="utf-8")
    seal = json.loads(text)["sha256"]
    assert (
        text
        == json.dumps(
            done.manifest | {"sha256": seal}, indent=2, sort_keys=True, ensure_ascii=False
        )
        + "\n"
    )


# A time for the whole run


def test_what_has_not_begun_in_time_is_skipped_and_the_run_is_complete(tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "tiny.yaml", ["numpy.fused", "numpy.reference"], {"seq_len": [2, 3]}
    )
    run = lb.run(suite, tmp_path / "out", progress=False, minutes=0)
    assert run.records["status"].eq("skipped").all() and len(run.records) == 4
    assert run.records["error"].eq("it had not begun when the run's 0 minutes were over").all()
    assert run.manifest["complete"]
    assert "--minutes 0" in run.manifest["command"]
    assert (
        lb.run(suite, tmp_path / "out", progress=False).records["status"].eq("skipped").all()
    )  # as it is complete
    (merged,) = merge([tmp_path / "out"], tmp_path / "results")
    assert merged.copied


def test_baselines_are_scored_after_the_time_of_a_training_run(tmp_path: Path) -> None:
    path = tmp_path / "training.yaml"
    path.write_text(
        "implementations: [numpy.fused]\ntasks: [{task: adding, sizes: {seq_len: 4}}]\n"
    )
    records = lb.run(path, tmp_path / "out", progress=False, minutes=0).records
    baselines = records["implementation"] == "baseline"
    assert set(records["status"][baselines]) == {"ok"}
    assert records["status"][~baselines].tolist() == ["skipped"]


def test_what_has_begun_in_time_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"], {"seq_len": [2, 3]})
    clock = iter([0.0, 59.0, 61.0])
    monkeypatch.setattr(executor, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    records = lb.run(suite, tmp_path / "out", progress=False, minutes=1).records
    assert list(records.sort_values("seq_len")["status"]) == ["ok", "skipped"]


@pytest.mark.parametrize(
    ("suite", "options", "message"),
    [
        ("learning", {"ab": ("numpy.fused", "torch.fused")}, "'learning' is a training suite"),
        ("smoke", {"tasks": ["adding"]}, "--task needs a training suite; 'smoke' has no tasks"),
    ],
)
def test_an_option_of_another_kind_of_suite_is_refused(
    suite: str, options: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(lb.LstmbenchError, match=message):
        lb.run(suite, tmp_path / "out", progress=False, **options)
