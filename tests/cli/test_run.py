"""``lstmbench run``: what it leaves, prints and ends with."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, refused
from tiny import install, measure_in_process, mutants, uninstall, write_suite

import lstmbench as lb
from lstmbench import exit_codes
from lstmbench.measure import runner
from lstmbench.measure.suites.timing_suite import TimingSuite
from lstmbench.results.schema import frame

pytestmark = pytest.mark.usefixtures("unpainted")

THOUSAND = list(range(1, 1001))


def test_run_leaves_records_tables_figures_and_says_where(
    measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    suite, folder = measured
    assert {
        "manifest.json",
        "records.parquet",
        "records.csv",
        "samples.parquet",
        "README.md",
    } <= set(os.listdir(folder))
    assert any((folder / "tables").glob("*.md"))
    assert any((folder / "figures").glob("*.svg"))
    again = call("run", suite, "--out", folder)
    assert f"{folder}: 4 ok" in again.out
    assert "noise floor" in again.out


@pytest.mark.parametrize(
    ("statuses", "controls_failed", "code"),
    [
        (["ok", "skipped"], False, 0),
        (["ok", "ok"], True, 3),
        (["ok", "failed"], False, 2),
        (["ok", "timeout"], True, 2),
        (["ok", "out_of_memory"], False, 2),
        (["skipped", "skipped"], False, 5),
        (["skipped", "failed"], False, 2),
        ([], False, 5),
        (["ok", "wrong_result"], False, 4),
        (["failed", "wrong_result"], True, 4),
    ],
)
def test_the_exit_code_tells_how_it_went(
    statuses: list[str],
    controls_failed: bool,
    code: int,
    call: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    rows = [
        {"implementation": "a.b", "status": status, "error": "[/because]"} for status in statuses
    ]

    manifest = {"controls": {"failed": controls_failed, "noise_floor": "1 %"}}
    monkeypatch.setattr(runner, "read_manifest", lambda folder: manifest)
    monkeypatch.setattr(runner, "read_results", lambda folder: frame(rows))
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Run(tmp_path))
    monkeypatch.setattr("lstmbench.report.write", lambda folder: None)
    ended = call("run", "smoke", "--out", tmp_path)
    assert ended.code == code
    bad = [status for status in statuses if status not in ("ok", "skipped")]
    assert [
        line.rpartition(": ")[2] for line in ended.out.splitlines() if ", [/because]" in line
    ] == [f"{status}, [/because]" for status in bad]


def test_resume_goes_on_with_the_suite_of_the_folder_and_a_finished_run_is_left_as_it_is(
    measured: tuple[Path, Path],
    call: Callable[..., Ended],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "lstmbench.report.write", lambda folder: pytest.fail("it was rendered again")
    )
    ended = call("run", "--resume", measured[1])
    assert ended.code in (exit_codes.OK, exit_codes.CONTROLS_FAILED)
    assert f"{measured[1]}: 4 ok" in ended.out

    monkeypatch.setattr("lstmbench.report.write", lambda folder: None)
    monkeypatch.setattr(
        TimingSuite,
        "measure",
        lambda self, workload, *_: (seen.append(workload.seq_len) or [], [], []),
    )
    seen: list[int] = []
    suite = tmp_path / "of-another-name.yaml"
    suite.write_bytes(measured[0].read_bytes())
    append = runner.Store.append
    with monkeypatch.context() as killed:
        killed.setattr(runner.Store, "append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert (
            call("run", suite, "--out", tmp_path / "out", "--no-progress").code
            == exit_codes.INTERRUPTED
        )
    suite.unlink()
    assert runner.Store.append is append
    assert (
        call("run", "--resume", tmp_path / "out", "--no-progress").code
        == exit_codes.NOTHING_MEASURED
    )  # no rows
    assert seen == [3, 3, 4]


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"suite": {"grids": "no"}}, "holds no suite that can be measured here"),
        ({"suite": None}, "holds no suite that can be measured here"),
        (
            {
                "suite": {
                    "grids": [dict.fromkeys(("seq_len", "batch_size", "hidden_size"), THOUSAND)]
                }
            },
            "cases; at most 100,000 are allowed",
        ),
        (
            {"suite": {"grids": [{"seq_len": 1, "batch_size": 1, "hidden_size": 1}]}}
            | {"command": "lstmbench run duel --ab numpy.fused numpy.fused@/bin/sh"},
            "comparison with another interpreter cannot be resumed by --resume",
        ),
    ],
)
def test_a_manifest_from_elsewhere_is_measured_only_as_a_suite_would_be(
    manifest: dict[str, Any], expected: str, call: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert expected in refused(call("run", "--resume", tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_duel_prints_its_verdicts_and_ends_with_their_code(
    call: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_in_process(monkeypatch)
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"], budget={"processes": 2})
    ended = call(
        "run",
        suite,
        "--out",
        tmp_path / "out",
        "--ab",
        "numpy.fused",
        "numpy.reference",
        "--no-progress",
    )
    assert ended.code in (0, 1, 3, 6), ended.output
    assert "numpy.reference is |" in ended.out
    assert (
        "--ab numpy.fused numpy.reference"
        in lb.read_results(tmp_path / "out").attrs["manifest"]["command"]
    )


@pytest.mark.process
def test_a_wrong_result_is_named_with_its_reason(
    call: Callable[..., Ended], tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        install(monkeypatch, tmp_path / "site", mutants())
        monkeypatch.setattr("lstmbench.report.write", lambda folder: None)
        suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused", "mutant.swapped"])
        ended = call("run", suite, "--out", tmp_path / "out", "--no-progress", "--seed", 3)
        uninstall(monkeypatch)
    assert ended.code == exit_codes.WRONG_RESULT
    assert "1 ok, 1 wrong_result" in ended.out
    assert "mutant.swapped inference T=4 H=3: wrong_result, output_rel_error is" in ended.out
    assert lb.read_results(tmp_path / "out").attrs["manifest"]["seed"] == 3
