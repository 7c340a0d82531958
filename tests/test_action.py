"""The GitHub action: what its shell steps make of each way in which a comparison can end."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
"""How GitHub runs a step whose shell is bash."""
INPUTS = {"IMPLEMENTATION": "mine.fast", "SUITE": "duel", "THRESHOLD": "0.05"}
PROGRAM = """#!/usr/bin/env bash
printf '%s\\n' "$@" > "$RUNNER_TEMP/arguments"
echo "| workload | change |"
exit {code}
"""


class Ended(NamedTuple):
    code: int
    printed: str
    outputs: dict[str, str]
    summary: str
    arguments: list[str]


def script(name: str) -> str:
    """Return the shell script of the step whose name begins so."""
    (step,) = (step for step in ACTION["runs"]["steps"] if step["name"].startswith(name))
    return str(step["run"])


def compare(folder: Path, code: int) -> Ended:
    """Run the comparing step with an ``lstmbench`` that ends with this code."""
    program = folder / "lstmbench-HEAD" / "bin" / "lstmbench"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM.format(code=code))
    program.chmod(0o755)
    files = {"GITHUB_OUTPUT": folder / "output", "GITHUB_STEP_SUMMARY": folder / "summary"}
    environment = os.environ | INPUTS | {"RUNNER_TEMP": str(folder)}
    done = subprocess.run(
        [*BASH, script("Let the two")],
        env=environment | {name: str(path) for name, path in files.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    summary = files["GITHUB_STEP_SUMMARY"].read_text()
    arguments = (folder / "arguments").read_text().splitlines()
    return Ended(done.returncode, done.stdout, outputs, summary, arguments)


@pytest.mark.parametrize(
    ("code", "outcome", "status", "message"),
    [
        (0, "fine", 0, ""),
        (1, "regression", 1, "::error::mine.fast became slower"),
        (3, "undecided", 0, "::warning::This machine was too noisy"),
        (6, "undecided", 0, "::warning::This machine was too noisy"),
        (2, "failed", 1, "::error::The comparison could not be made: exit code 2"),
        (4, "failed", 1, "::error::The comparison could not be made: exit code 4"),
        (70, "failed", 1, "::error::The comparison could not be made: exit code 70"),
    ],
)
def test_each_exit_code_has_its_outcome(
    code: int, outcome: str, status: int, message: str, tmp_path: Path
) -> None:
    ended = compare(tmp_path, code)
    assert (ended.code, ended.outputs["outcome"]) == (status, outcome)
    assert ended.printed.startswith(message) if message else ended.printed == ""
    assert ended.summary.startswith(f"## mine.fast: {outcome}\n\n| workload")


def test_the_base_runs_on_its_own_interpreter_and_the_head_on_the_one_that_measures(
    tmp_path: Path,
) -> None:
    arguments = compare(tmp_path, 0).arguments
    at = arguments.index("--ab")
    base = f"mine.fast@{tmp_path}/lstmbench-BASE/bin/python"
    assert arguments[at + 1 : at + 3] == [base, "mine.fast"]


def test_an_input_is_never_a_part_of_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_each_side_is_installed_into_its_own_environment(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "python3"
    program.parent.mkdir()
    fake = 'mkdir -p "$3/bin"; printf \'#!/bin/sh\\necho "$0" "$@"\\n\' > "$3/bin/python"'
    program.write_text(f'#!/usr/bin/env bash\n{fake}\nchmod +x "$3/bin/python"\n')
    program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_ACTION_PATH": "/action",
        "BASE": "mine==1.0",
        "HEAD": "./mine of mine",
        "LSTMBENCH": "",
    }
    done = subprocess.run(
        [*BASH, script("Install")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"{tmp_path}/lstmbench-{side}/bin/python -m pip install --quiet /action {what}"
        for side, what in (("BASE", "mine==1.0"), ("HEAD", "./mine of mine"))
    ]


@pytest.mark.parametrize(("code", "ends_with"), [(0, 0), (2, 1), (3, 0), (4, 1)])
def test_the_workflow_goes_on_after_a_base_whose_controls_failed(
    code: int, ends_with: int, tmp_path: Path
) -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/bench.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["compare"]["steps"]
    (step,) = (step for step in steps if step.get("name") == "Measure the base")
    for name, body in (("git", 'mkdir -p "$3"'), ("python3", f"exit {code}")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path / "runner"),
        "RESULTS": str(tmp_path / "results"),
        "BASE": "0" * 40,
    }
    done = subprocess.run([*BASH, step["run"]], env=environment, check=False)
    assert done.returncode == ends_with
    assert (tmp_path / "runner" / "base").is_dir()


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")))
def test_a_workflow_may_read_the_repository_and_no_more(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
