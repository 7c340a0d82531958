"""The script for a GPU host does its steps one after the other, and leaves a folder that ``merge``
takes in.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from scripts import load_script
from tiny import write_suite

import lstmbench as lb
from lstmbench.results.merge import merge

SCRIPT = Path(__file__).parents[1] / "validation" / "on_gpu_host.py"


@pytest.fixture
def script() -> Any:
    return load_script("validation/on_gpu_host.py")


def gate(code: int) -> str:
    return f"import sys; open(sys.argv[2], 'w').write(sys.argv[1]); sys.exit({code})"


def cpu_run(script: Any, folder: Path) -> int:
    """Return how the script ends for a tiny suite on the CPU; what it leaves is in ``host``."""
    suite = write_suite(folder / "tiny.yaml", ["numpy.fused"])
    words = ["--out", str(folder / "host"), "--suite", str(suite), "--device", "cpu"]
    return int(script.main([*words, "--no-tests", "--minutes", "5"]))


@pytest.mark.slow
@pytest.mark.process
def test_what_it_leaves_is_taken_in(script: Any, tmp_path: Path) -> None:
    script.GATE = gate(0)
    assert cpu_run(script, tmp_path) == 0
    assert (tmp_path / "host" / "gate.csv").read_text() == "cpu"
    (merged,) = merge([tmp_path / "host"], tmp_path / "results")
    assert lb.read_results(merged.folder)["status"].eq("ok").all()
    assert "--minutes" in json.loads((merged.folder / "manifest.json").read_text())["command"]


@pytest.mark.slow
@pytest.mark.process
def test_a_gate_that_fails_is_not_forgotten(script: Any, tmp_path: Path) -> None:
    script.GATE = gate(4)
    assert cpu_run(script, tmp_path) == 4


def test_a_step_is_ended_when_its_time_is_over(script: Any, tmp_path: Path) -> None:
    command = [script.sys.executable, "-c", "import time; time.sleep(600)"]
    assert (
        script.step("sleep", command, script.environment(tmp_path), seconds=0.5) == script.TIMED_OUT
    )


def test_carried_packages_come_after_the_checkout_and_before_the_rest(
    script: Any, tmp_path: Path
) -> None:
    path = script.environment(tmp_path)["PYTHONPATH"].split(":")
    assert path[:2] == [str(SCRIPT.parents[1]), str(tmp_path)]
