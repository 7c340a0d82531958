"""Run the shell steps of the GitHub action on a small project, with and without a regression.

    python validation/action_outcomes.py [--repetitions 3] [--slowdown 0.25] [--busy 2]

The project is examples/plugin, in three copies: base, the same again, and one that computes a part
of the sequence twice. Each comparison installs both versions into new environments, as the action
does, so pip needs a package index or a cache. Expected outcomes: `fine` without a change,
`regression` with it, and with busy neighbours never `regression` without a change. Exit code 0 if
all outcomes are as expected.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from processes import busy_neighbours

ROOT = Path(__file__).resolve().parents[1]
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
"""How GitHub runs a step whose shell is bash."""
TWICE = """    def run(self, x, h, c):
        self.run_once(x[: max(1, round({slowdown} * len(x)))], h, c)
        return self.run_once(x, h, c)

    def run_once(self, x, h, c):
"""


def make_projects(folder: Path, slowdown: float) -> None:
    """Copy the example as ``base``, ``same`` and ``slow``."""
    for name in ("base", "same", "slow"):
        shutil.copytree(ROOT / "examples" / "plugin", folder / name)
    module = folder / "slow" / "lstmbench_example.py"
    code = module.read_text(encoding="utf-8")
    signature = "    def run(self, x, h, c):\n"
    assert signature in code
    module.write_text(code.replace(signature, TWICE.format(slowdown=slowdown)), encoding="utf-8")


def outcome(folder: Path, base: str, head: str) -> str:
    """Run the action's shell steps for two copies of the project, and return its outcome."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        written = Path(temporary, "output")
        environment = os.environ | {
            "BASE": str(folder / base),
            "HEAD": str(folder / head),
            "LSTMBENCH": "",
            "IMPLEMENTATION": "example.numpy",
            "SUITE": "duel",
            "THRESHOLD": action["inputs"]["threshold"]["default"],
            "RUNNER_TEMP": temporary,
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(written),
            "GITHUB_STEP_SUMMARY": str(Path(temporary, "summary")),
        }
        for step in action["runs"]["steps"]:
            if "run" in step:
                command = [*BASH, step["run"]]
                subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
        lines = written.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)["outcome"]


def main() -> int:
    """Print one line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--slowdown", type=float, default=0.25)
    parser.add_argument("--busy", type=int, default=2, help="busy neighbours of the last kind")
    options = parser.parse_args()
    quiet, noisy = {"fine"}, {"fine", "undecided"}
    kinds = [("same", 0, quiet), ("slow", 0, {"regression"}), ("same", options.busy, noisy)]
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_projects(folder, options.slowdown)
        for repetition in range(options.repetitions):
            for head, busy, expected in kinds:
                with busy_neighbours(busy):
                    found = outcome(folder, "base", head)
                wrong += found not in expected
                print(
                    f"{repetition + 1}: {head}, {busy} busy neighbours: {found}, "
                    f"expected {' or '.join(sorted(expected))}",
                    flush=True,
                )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
