"""Run the accuracy gate, the GPU tests and a suite on a GPU host, within some minutes.

    python validation/on_gpu_host.py --out results/h100 --suite gpu --minutes 9
    python validation/on_gpu_host.py --out results/h100 --packages vendor

It needs a plain checkout, no installation and no network. ``vendor`` is a folder with small
packages that the host lacks, filled elsewhere by ``pip install --target vendor pydantic pyyaml
...``. The results in --out:

    gate.csv     every implementation compared with the oracle, in every dtype, on the GPU
    tests.txt    the output of pytest, or that it is missing
    SUITE/       the run, with tables and figures; ``lstmbench merge DIR --out RESULTS`` takes it in

Exit code: that of ``lstmbench run``, else 4 if the gate or a test failed.
"""

import argparse
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GATE = """
import sys
from lstmbench.measure.accuracy_check import check_accuracy
device, path = sys.argv[1:]
dtypes = ["float64", "float32", "bfloat16", "float16"] + ["tf32"] * (device == "cuda")
found = check_accuracy(seq_lens=[16], hidden_size=96, batch_size=18, dtypes=dtypes, device=device)
found.to_csv(path, index=False)
shown = found[["implementation", "dtype", "status", "output_rel_error", "grad_rel_error"]]
print(shown[shown["status"] != "skipped"].to_string(index=False, float_format="{:.1e}".format))
print(*sorted(set(found.loc[found["status"] == "skipped", "error"])), sep="\\n")
sys.exit(4 if (found["status"] == "wrong_result").any() else 0)
"""
NEEDED = ("pytest", "hypothesis")
TESTS = [
    "tests/variants/test_cuda.py",
    "tests/variants/test_conformance.py",
    "tests/variants/test_split.py",
]
RENDERING_S = 60
"""Time for tables and figures after the suite."""
TIMED_OUT = 124
"""The exit code of a step that reached its time limit, as of the program ``timeout``."""


def environment(packages: Path | None) -> dict[str, str]:
    """Return the environment of all that is started: this checkout is found, and JAX leaves memory
    to others.
    """
    folders = [
        str(ROOT),
        *([str(packages.resolve())] if packages else []),
        os.environ.get("PYTHONPATH", ""),
    ]
    path = os.pathsep.join(filter(None, folders))
    return os.environ | {"PYTHONPATH": path, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def step(
    name: str, command: list[str], env: dict[str, str], seconds: float, log: Path | None = None
) -> int:
    """Run a program with a time limit, print how it ended, and return its exit code."""
    start = time.monotonic()
    with open(log or os.devnull, "w", encoding="utf-8") as file:
        try:
            output = file if log else None
            code = subprocess.run(
                command,
                cwd=ROOT,
                env=env,
                timeout=seconds,
                check=False,
                stdout=output,
                stderr=output,
            ).returncode
        except subprocess.TimeoutExpired:
            code = TIMED_OUT
    print(f"{name}: exit code {code} after {time.monotonic() - start:.0f} s", flush=True)
    return code


def main(words: list[str] | None = None) -> int:
    """Do all of it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder that all is left in")
    parser.add_argument(
        "--suite", default="gpu", help="a suite's name, or a YAML file (default: gpu)"
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="for all of it (default: 9)")
    parser.add_argument("--packages", type=Path, help="a folder of packages that the host lacks")
    parser.add_argument("--device", default="cuda", help="where gate and tests run (default: cuda)")
    parser.add_argument("--no-tests", action="store_true", help="leave the tests out")
    options = parser.parse_args(words)
    suite = str(Path(options.suite).resolve()) if Path(options.suite).is_file() else options.suite
    end, out, env = (
        time.monotonic() + 60 * options.minutes,
        options.out.resolve(),
        environment(options.packages),
    )
    out.mkdir(parents=True, exist_ok=True)
    python = sys.executable
    gate = step(
        "gate",
        [python, "-c", GATE, options.device, str(out / "gate.csv")],
        env,
        60 * options.minutes / 4,
    )
    tested = 0
    if not options.no_tests:
        if all(
            find_spec(name) or (options.packages and (options.packages / name).is_dir())
            for name in NEEDED
        ):
            command = [python, "-m", "pytest", "-q", "-x", *TESTS, "-k", options.device]
            tested = step("tests", command, env, 60 * options.minutes / 4, out / "tests.txt")
        else:
            (out / "tests.txt").write_text(
                "pytest and hypothesis are not here: nothing was tested\n", encoding="utf-8"
            )
    left = max(0.0, (end - time.monotonic() - RENDERING_S) / 60)
    folder = out / Path(options.suite).stem
    command = [
        python,
        "-m",
        "lstmbench",
        "run",
        suite,
        "--out",
        str(folder),
        "--minutes",
        f"{left:.2f}",
    ]
    ran = step(
        "suite", [*command, "--no-progress"], env, max(1.0, end - time.monotonic()) + RENDERING_S
    )
    print(
        f"all results are in {options.out}; merge them with: "
        f"lstmbench merge {options.out} --out results",
        flush=True,
    )
    return ran or (4 if {gate, tested} - {0, TIMED_OUT} else 0)


if __name__ == "__main__":
    sys.exit(main())
