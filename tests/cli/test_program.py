"""The program around the verbs: help, exit codes, one sentence for what is not possible."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from command_line import Ended, refused
from tiny import all_end, install, mutants, uninstall, write_suite
from typer.testing import CliRunner

import lstmbench as lb
from lstmbench import cli, exit_codes

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


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_with_an_example(verb: str) -> None:
    ended = CliRunner().invoke(cli.app, [verb, "--help"], terminal_width=200)
    assert ended.exit_code == 0
    assert re.search(rf"Examples?: .*lstmbench {verb} ", ended.output, re.DOTALL)


def test_without_a_verb_there_is_the_help_with_every_verb() -> None:
    ended = CliRunner().invoke(cli.app, [])
    assert all(verb in ended.output for verb in VERBS)


def test_it_is_there_as_a_module_and_imports_no_framework_to_say_so() -> None:
    code = "import sys, runpy; sys.argv = ['lstmbench', '--help']\n"
    code += "try: runpy.run_module('lstmbench', run_name='__main__')\n"
    code += "finally: print(sorted({'torch', 'jax', 'pandas', 'matplotlib'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0
    assert "Measure LSTM implementations" in ended.stdout
    assert ended.stdout.endswith("[]\n")


def test_the_readme_has_every_exit_code() -> None:
    table = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    ended = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    values = [value for value in vars(exit_codes).values() if isinstance(value, int)]
    assert ended == set(values)


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
        (
            ["run", "SUITE", "--out", "OUT", "--threshold", "0.1"],
            "--threshold applies to --ab A B only.",
        ),
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
        assert len(children) >= 5  # the fork servers of the oracle, numpy and mutant; two workers
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
