"""The command line: every verb, its exit code, and one sentence for what cannot be done."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from tiny import all_end, install, measure_in_process, mutants, uninstall, write_suite
from typer.testing import CliRunner

import lstmbench as lb
from lstmbench import cli, exit_codes, notebooks
from lstmbench import doctor as doctor_
from lstmbench.measure import runner
from lstmbench.measure.suites.suite import Suite
from lstmbench.measure.suites.suite_file import suites
from lstmbench.results.schema import frame
from lstmbench.results.store import Store, read_manifest

pytestmark = pytest.mark.usefixtures("unpainted")

VERBS = [
    "list",
    "run",
    "table",
    "merge",
    "compare",
    "reproduce",
    "verify",
    "cite",
    "notebook",
    "doctor",
]
FORMATS = ["bibtex", "latex", "markdown"]
THOUSAND = list(range(1, 1001))


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Call the command line as its script does."""

    def run(*words: Any) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lstmbench", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return Ended(int(caught.value.code or 0), captured.out, captured.err)

    monkeypatch.setenv("COLUMNS", "200")
    return run


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A suite and the folder that the verb run left, with its tables and figures."""
    folder = tmp_path_factory.mktemp("cli")
    suite = write_suite(
        folder / "tiny.yaml", ["numpy.fused", "numpy.reference"], {"seq_len": [3, 4]}
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        measure_in_process(monkeypatch)
        done = CliRunner().invoke(
            cli.app, ["run", str(suite), "--out", str(folder / "out"), "--no-progress"]
        )
    assert done.exit_code in (exit_codes.OK, exit_codes.CONTROLS_FAILED), done.output
    return suite, folder / "out"


def refused(ended: Ended) -> str:
    """The one sentence on standard error of a call that could not do what it was asked for."""
    assert ended.code == exit_codes.NOT_POSSIBLE
    assert ended.out == ""
    assert ended.err.startswith("lstmbench: ")
    assert ended.err.count("\n") == 1
    return ended.err


# Help


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_with_an_example(verb: str) -> None:
    found = CliRunner().invoke(cli.app, [verb, "--help"], terminal_width=200)
    assert found.exit_code == 0
    assert re.search(rf"Examples?: .*lstmbench {verb} ", found.output, re.DOTALL)


def test_without_a_verb_there_is_the_help_with_every_verb() -> None:
    found = CliRunner().invoke(cli.app, [])
    assert all(verb in found.output for verb in VERBS)


def test_it_is_there_as_a_module_and_imports_no_framework_to_say_so() -> None:
    code = "import sys, runpy; sys.argv = ['lstmbench', '--help']\n"
    code += "try: runpy.run_module('lstmbench', run_name='__main__')\n"
    code += "finally: print(sorted({'torch', 'jax', 'pandas', 'matplotlib'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0
    assert "Measure LSTM implementations" in found.stdout
    assert found.stdout.endswith("[]\n")


def test_the_readme_has_every_exit_code() -> None:
    table = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    found = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    values = [value for value in vars(exit_codes).values() if isinstance(value, int)]
    assert found == set(values)


# list


def test_list_shows_implementations_and_suites(call: Callable[..., Ended]) -> None:
    found = call("list")
    assert found.code == 0
    for name in ("numpy.reference", "torch.nn (peer)", "jax.scan", *suites()):
        assert name in found.out


def test_list_as_json_holds_what_the_library_says(call: Callable[..., Ended]) -> None:
    found = json.loads(call("list", "--json").out)
    expected = json.loads(lb.implementations().to_json(orient="records"))
    assert found == {"implementations": expected, "suites": list(suites())}


def test_list_names_what_is_slower_here_and_why(
    call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {
        "recurrence": "not compiled, and torch.fused is slower: no compiler",
        "numpy.exp": "AVX2",
    }
    monkeypatch.setattr("lstmbench.doctor.code_paths", lambda: paths)
    found = call("list").out
    assert "\nrecurrence: not compiled, and torch.fused is slower: no compiler\n" in found
    assert "AVX2" not in found


def test_a_reason_in_brackets_is_text_and_not_markup(
    call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"name": "mine.fast", "available": False, "reason": "[/nowhere] [bold]", "peer": False}
    row |= {"devices": (), "dtypes": (), "modes": ()}
    monkeypatch.setattr("lstmbench.core.registry.implementation_row", lambda name: row)
    assert "[/nowhere] [bold]" in call("list").out


# run


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
        Suite,
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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["run", "smok", "--out", "OUT"],
            "There is no suite 'smok': it is neither one of deepbench, duel, flashrnn, frontier, "
            "gpu, learning, learning_full, learning_lags, long, ours, peers",
        ),
        (["run", "--out", "OUT"], "No suite was given."),
        (["run", "--resume", "OUT"], "There is no run in OUT: it has no manifest.json."),
        (
            ["run", "smoke", "--resume", "FOLDER"],
            "it cannot be combined with a suite",
        ),
        (["run", "SUITE", "--out", "OUT", "--threshold", "0.1"], "--threshold applies to --ab A B only."),
        (
            ["run", "--out", "OUT", "--ab", "torch.nn", "torch.no"],
            "There is no implementation 'torch.no'",
        ),
        (
            ["run", "--out", "OUT", "--ab", "torch.nn", "torch.nn", "--threshold", "2"],
            "lies between 0 and 1",
        ),
        (
            ["run", "SUITE", "--out", "SUITE/below"],
            "Results cannot be written to SUITE/below: Not a directory.",
        ),
        (["run", "BAD", "--out", "OUT"], "The suite BAD, line 1, key 'grids': it is missing."),
        (["run", "SUITE", "--out", "FOLDER", "--seed", "77"], "holds results of the seed"),
        (["run", "smoke", "--out", "FOLDER"], "FOLDER holds the results of another suite, 'tiny'"),
        (["table", "OUT"], "There are no results in OUT"),
        (
            ["table", "FOLDER", "--id", "none"],
            "There is no table 'none' in FOLDER; the tables are tiny-",
        ),
        (
            ["table", "FOLDER", "--id", "tiny-speed", "--format", "pdf"],
            "There is no format 'pdf'; the formats are md",
        ),
        (["table", "FOLDER", "--format", "csv"], "--format applies to one table"),
        (["notebook", "07_none"], "There is no notebook '07_none'; the notebooks are 00_index"),
        (
            ["notebook", "03_speed", "--out", "OUT", "-p", "suit=smoke"],
            "has no parameter 'suit'; its parameters are",
        ),
        (
            ["notebook", "03_speed", "--out", "OUT", "-p", "smoke"],
            "A parameter must be given as NAME=VALUE",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(
    words: list[str],
    expected: str,
    call: Callable[..., Ended],
    measured: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("description: nothing to do\n")
    names = {"SUITE": measured[0], "FOLDER": measured[1], "OUT": tmp_path / "out", "BAD": bad}

    def named(text: str) -> str:
        for name, path in names.items():
            text = text.replace(name, str(path))
        return text

    before = {path: path.stat().st_mtime_ns for path in measured[1].rglob("*")}
    assert named(expected) in refused(call(*map(named, words)))
    assert list(tmp_path.iterdir()) == [bad]
    assert {path: path.stat().st_mtime_ns for path in measured[1].rglob("*")} == before


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "smoke"],
        ["run", "smoke", "--out", "x", "--bogus"],
        ["run", "smoke", "--out", "x", "--seed", "-1"],
        ["run", "smoke", "--out", "x", "--seed", "many"],
        ["run", "smoke", "quick", "--out", "x"],
        ["doctor", "--seconds", "0"],
        ["measure"],
        ["--bogus"],
    ],
)
def test_what_is_no_command_is_told_so_with_code_2(
    words: list[str], call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call(*words)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert "--help" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="needs Linux's file descriptors of processes"
)
def test_ctrl_c_ends_in_a_sentence_with_what_is_done_kept_and_no_process_left(
    tmp_path: Path,
) -> None:
    """As a terminal sends it: to the whole group of processes. One of them hangs in its second
    workload.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    names = ["numpy.fused", "mutant.hangs"]
    grids = [{"dtype": "bfloat16", "seq_len": 3}, {"seq_len": 4}]  # NumPy has no bfloat16: skipped
    suite = write_suite(tmp_path / "tiny.yaml", names, grids)
    with pytest.MonkeyPatch.context() as monkeypatch:
        install(monkeypatch, tmp_path / "site", mutants())
        monkeypatch.setenv("HANGS_NOW", str(pipe))
        command = [
            sys.executable,
            "-m",
            "lstmbench",
            "run",
            str(suite),
            "--out",
            str(tmp_path / "out"),
        ]
        run = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert pipe.read_text() == "hanging"
        children = [child.pid for child in psutil.Process(run.pid).children(recursive=True)]
        assert len(children) >= 5  # the zygotes of the oracle, numpy and mutant; two workers
        with all_end(children):
            os.killpg(run.pid, signal.SIGINT)
            out, err = run.communicate(timeout=60)
        uninstall(monkeypatch)
    assert run.returncode == exit_codes.INTERRUPTED
    assert err.endswith("lstmbench: interrupted; to continue a run, give the same command again.\n")
    assert "Traceback" not in err + out
    records = lb.read_results(tmp_path / "out")
    assert not records.attrs["manifest"]["complete"]
    assert records["status"].tolist() == ["skipped", "skipped"]


# table


def test_table_prints_and_writes_the_tables_of_a_run(
    measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    _, folder = measured
    before = {path.name: path.read_bytes() for path in (folder / "tables").iterdir()}
    found = call("table", folder)
    assert found.code == 0
    assert "numpy.reference" in found.out
    assert {path.name: path.read_bytes() for path in (folder / "tables").iterdir()} == before


@pytest.mark.parametrize(
    ("form", "sign"), [("md", "| "), ("tex", r"\toprule"), ("csv", "implementation,")]
)
def test_one_table_is_printed_in_each_form(
    form: str, sign: str, measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    found = call("table", measured[1], "--id", "tiny-speed", "--format", form)
    assert found.code == 0
    assert sign in found.out


def test_of_a_folder_of_runs_the_index_is_made(
    measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    root = measured[1].parent
    assert str(root / "README.md") in call("table", root).out
    assert "tiny" in (root / "README.md").read_text()


# verify, cite


def test_a_run_as_it_was_measured_verifies_and_a_changed_digit_is_named(
    measured: tuple[Path, Path], call: Callable[..., Ended], tmp_path: Path
) -> None:
    _, folder = measured
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    assert (call("verify", run).code, (run / "SHA256SUMS").is_file()) == (0, True)
    path = run / "tables" / "tiny-speed.csv"
    path.write_text(path.read_text().replace("numpy.fused", "numpy.fuses", 1))
    found = call("verify", run)
    assert found.code == 1
    assert re.match(r"tables/tiny-speed\.csv: line \d+ is '.*numpy\.fuses", found.out), found.out
    assert found.out.endswith("it differs.\n")


def test_what_cannot_be_verified_ends_with_2(
    measured: tuple[Path, Path], call: Callable[..., Ended], tmp_path: Path
) -> None:
    _, folder = measured
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    Store(run).write_manifest(read_manifest(run) | {"complete": False})
    (run / "SHA256SUMS").unlink()
    found = call("verify", run)
    assert found.code == 2
    assert found.out.startswith("manifest.json: the run is not finished")
    assert "no results" in refused(call("verify", tmp_path / "nothing"))


def test_a_table_is_cited_in_the_format_that_is_asked_for(
    measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    _, folder = measured
    whole = call("cite", "tiny-speed", "--results", folder)
    parts = [
        call("cite", "tiny-speed", "--results", folder.parent, "--format", name).out
        for name in FORMATS
    ]
    assert whole.code == 0
    assert all(part in whole.out for part in parts)
    assert [part.partition("{")[0].partition(" ")[0] for part in parts[:2]] == ["@misc", "%"]
    assert "bibtex, latex, markdown" in refused(
        call("cite", "tiny-speed", "--results", folder, "--format", "html")
    )
    assert "tiny-ratio, tiny-speed" in refused(call("cite", "nothing", "--results", folder))


# notebook


def test_without_a_place_for_the_copy_the_parameters_are_listed(call: Callable[..., Ended]) -> None:
    found = call("notebook", "03_speed")
    assert found.code == 0
    for each in notebooks.parameters_of(notebooks.find("03_speed")).values():
        assert f"{each.name}: {each.kind} = {each.default!r}" in found.out


def test_parameters_reach_the_notebook_with_their_types(
    call: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = "steps: int = 3  # how many\nname: str = 'a'\nrates: list[float] = [1.0]\nfast: bool = False\n"
    cells = [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": cell}]
    (tmp_path / "mine.ipynb").write_text(json.dumps({"cells": cells}))
    given: dict[str, Any] = {}
    monkeypatch.setattr(
        notebooks, "execute", lambda name, out, given_, html: given.update(given_, html=html) or out
    )
    words = [
        "--html",
        "-p",
        "steps=7",
        "-p",
        "name=5",
        "--parameter",
        "rates=[1, 2.5]",
        "-p",
        "fast=true",
    ]
    ended = call("notebook", tmp_path / "mine.ipynb", "--out", tmp_path / "done.ipynb", *words)
    assert (ended.code, ended.out.strip()) == (0, str(tmp_path / "done.ipynb"))
    assert given == {"steps": 7, "name": "5", "rates": [1, 2.5], "fast": True, "html": True}


# doctor


@pytest.fixture
def quick_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = doctor_.Noise(1e-3, 0.013, 0.0, 0.5, 6e-8)
    monkeypatch.setattr(doctor_, "measure_noise", lambda seconds: noise)


@pytest.mark.usefixtures("quick_doctor")
def test_doctor_says_what_is_here_how_quiet_it_is_and_what_is_skipped(
    call: Callable[..., Ended],
) -> None:
    found = call("doctor")
    assert found.code == 0
    for part in (
        "cores",
        "Python 3.",
        "numpy.fused",
        "jupyterlab: ",
        "+-1.3%",
        "quiet enough",
        "suite quick: ",
    ):
        assert part in found.out


@pytest.mark.usefixtures("quick_doctor")
def test_doctor_as_json_holds_the_same(call: Callable[..., Ended]) -> None:
    found = json.loads(call("doctor", "--json").out)
    assert found["noise"]["verdict"] == "quiet enough"
    assert found["noise"]["spread"] == 0.013
    assert set(found["skipped"]) == set(suites())
    assert {row["name"] for row in found["implementations"]} >= {"numpy.fused", "torch.nn"}
