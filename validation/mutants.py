"""Put forty faults into the library, one at a time, and check that the tests fail.

    python validation/mutants.py [--whole] [NAME ...]

Each mutant is a copy of the checkout with one piece of text replaced: a sign, a bound, a wrong
quantile, a missing synchronisation, a swapped label. The 45 mutants of the cell itself are in
tests/variants/test_mutants.py; these are of everything around it. The tests that mirror the file
are run first; if they pass, and with ``--whole``, all tests. A mutant that passes has SURVIVED. It
takes about ten minutes, or five more for each survivor with ``--whole``.
Exit code: the number of survivors.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Mutant(NamedTuple):
    """A text in a file of the library, what takes its place, and the tests to run first."""

    file: str
    old: str
    new: str
    tests: str


STATISTICS = ("measure/statistics.py", "tests/measure/test_statistics.py")
DISTURBANCE = (
    "measure/disturbance.py",
    "tests/measure/test_disturbance.py tests/measure/test_workload_session.py",
)
SPEED = ("measure/metrics/speed.py", "tests/measure/test_metrics.py")
ROOFLINE = ("measure/metrics/roofline.py", "tests/measure/test_metrics.py")
STORE = ("results/store.py", "tests/results tests/measure/test_runner.py")
RUNNER = ("measure/runner.py", "tests/measure/test_runner.py")
WORKLOAD = (
    "measure/workload_session.py",
    "tests/measure/test_workload_session.py tests/measure/test_runner.py",
)
CASE_RUN = (
    "measure/case_run.py",
    "tests/measure/test_workload_session.py tests/measure/test_case_run.py "
    "tests/measure/test_isolation.py",
)
CONTROLS = ("measure/controls.py", "tests/measure/test_controls.py")
VERDICTS = ("report/comparison/verdicts.py", "tests/report/comparison")
TABLES = ("report/tables/fastest.py", "tests/report/tables")
VERIFY = ("verify/check_samples.py", "tests/verify")


def mutant_of(place: tuple[str, str], old: str, new: str) -> Mutant:
    """Return a mutant of one of the files above."""
    return Mutant(place[0], old, new, place[1])


MUTANTS = {
    "both tails of the interval at one end": mutant_of(
        STATISTICS, "stdtrit(freedom, (1 - CONFIDENCE) / 2)", "stdtrit(freedom, 1 - CONFIDENCE)"
    ),
    "interval not widened for few processes": mutant_of(
        STATISTICS, "freedom = own + prior.freedom", "freedom = own + prior.freedom + 100"
    ),
    "more freedom than cases": mutant_of(
        STATISTICS, "min(limit, 2 * _inverse_trigamma(excess))", "2 * _inverse_trigamma(excess)"
    ),
    "the mean of rounds": mutant_of(
        STATISTICS,
        "np.median((logarithms[first] + logarithms[second]) / 2)",
        "logarithms.mean()",
    ),
    "more rounds where processes differ more": mutant_of(
        STATISTICS, "start_rounds * within / between", "start_rounds * between / within"
    ),
    "idle turns kept, busy ones left out": mutant_of(
        DISTURBANCE, "busy < MIN_COMPUTING *", "busy > MIN_COMPUTING *"
    ),
    "half of all epochs may be left out": mutant_of(
        DISTURBANCE, "> MAX_DISCARDED * len", "> 2 * MAX_DISCARDED * len"
    ),
    "stolen time overlooked": mutant_of(DISTURBANCE, "stolen > MAX_STOLEN,", "stolen > 1,"),
    "standing in line counted as sleep": mutant_of(
        DISTURBANCE, "(self.cpu_s + self.queued_s)", "self.cpu_s"
    ),
    "ratio upside down": Mutant(
        "measure/metrics/__init__.py",
        "[own / base for own, base in pairs]",
        "[base / own for own, base in pairs]",
        "tests/measure/test_metrics.py",
    ),
    "percentiles of 10 and 90": mutant_of(SPEED, "[5, 95]", "[10, 90]"),
    "compile time not above the steady state": mutant_of(SPEED, "first - time.estimate", "first"),
    "dependence on disturbed rounds not said": mutant_of(
        SPEED, "estimate < interval.low or estimate > interval.high", "False"
    ),
    "disturbance of the reference overlooked": mutant_of(
        SPEED, "[own | base for own, base in", "[own for own, base in"
    ),
    "the smaller of two limits": mutant_of(
        ROOFLINE, "np.maximum(workload.flops", "np.minimum(workload.flops"
    ),
    "traffic of training counted once": mutant_of(
        ROOFLINE, '(2 if workload.mode == "training" else 1)', "1"
    ),
    "samples of many calls counted as one": Mutant(
        "measure/metrics/timing_validity.py",
        "one.calls * sum(one.seconds)",
        "sum(one.seconds)",
        "tests/measure/test_metrics.py",
    ),
    "a workload done before its samples are kept": mutant_of(
        STORE,
        "        _write_parquet(self.parts / "
        'f"{workload}.samples.parquet", frame(samples, SAMPLE_COLUMNS))\n'
        """        table = frame(records, COLUMNS, self._metric_types)
        _write_parquet(self.parts / f"{workload}.records.parquet", table, note)
""",
        """        table = frame(records, COLUMNS, self._metric_types)
        _write_parquet(self.parts / f"{workload}.records.parquet", table, note)
        _write_parquet(self.parts / f"{workload}.samples.parquet", frame(samples, SAMPLE_COLUMNS))
""",
    ),
    "rows twice after a crash": mutant_of(STORE, "if is_final:", "if True:"),
    "a changed manifest taken for whole": mutant_of(
        STORE,
        "if manifest.pop(CHECKSUM_KEY, None) not in (None, _checksum(manifest)):",
        "if False:",
    ),
    "a changed Parquet file taken for whole": Mutant(
        "results/checksums.py",
        "if data[start:end].tobytes() != PARQUET_MARK + digest.digest():",
        "if False:",
        "tests/results tests/test_bad_inputs.py",
    ),
    "all measured again": mutant_of(
        RUNNER,
        "for workload in workloads if workload.id not in done]",
        "for workload in workloads]",
    ),
    "complete without its records": mutant_of(
        RUNNER, 'manifest["complete"] and read_progress(folder)[0] >= ids', 'manifest["complete"]'
    ),
    "turns always in one order": mutant_of(
        WORKLOAD, "self.generator.sample(self.active, len(self.active))", "[*self.active]"
    ),
    "fewer rounds than asked for": mutant_of(
        WORKLOAD, "rounds < budget.min_rounds or", "rounds < 1 or"
    ),
    "a NaN passes the accuracy check": mutant_of(
        CASE_RUN, "not check[name] <= TOLERANCE", "check[name] > TOLERANCE"
    ),
    "too many threads let pass": mutant_of(
        CASE_RUN, "threads > allowed + MAX_EXTRA_THREADS", "threads > 99 * allowed"
    ),
    "an alarm on one side only": mutant_of(
        CONTROLS,
        'sum(not row["ratio_low"] <= 1 <= row["ratio_high"] for',
        'sum(row["ratio_low"] > 1 for',
    ),
    "controls that fail by chance": mutant_of(
        CONTROLS, "SIGNIFICANCE = 0.01", "SIGNIFICANCE = 0.5"
    ),
    "outputs of JAX not waited for": Mutant(
        "backends/jax_backend.py",
        "        jax.block_until_ready(outputs)\n",
        "        pass\n",
        "tests/backends",
    ),
    "samples that agree to a hundredth": mutant_of(VERIFY, "TOLERANCE = 1e-9", "TOLERANCE = 1e-2"),
    "an extra raw file overlooked": Mutant(
        "verify/check_files.py", "elif sums and name not in sums:", "elif False:", "tests/verify"
    ),
    "many comparisons as one": mutant_of(VERDICTS, "false_discovery_control(p_values)", "p_values"),
    "slower by significance alone": mutant_of(
        VERDICTS, '(change["change"] > limit) & change["significant"]', 'change["significant"]'
    ),
    "another number of cores the same machine": Mutant(
        "results/machine_identity.py",
        "_usable_cores(one) != _usable_cores(other) or ",
        "",
        "tests/results tests/report/comparison",
    ),
    "among the fastest, whatever the interval": mutant_of(
        TABLES,
        'rows["time_low_s"] <= rows.iloc[0]["time_high_s"]',
        'rows["time_median_s"] <= rows.iloc[0]["time_high_s"]',
    ),
    "one of PyTorch's biases dropped": Mutant(
        "interop/torch_names.py",
        'sum_biases(read("bias_ih", rows), read("bias_hh", rows))',
        'read("bias_ih", rows)',
        "tests/interop/test_torch_weights.py",
    ),
    "ONNX's directions swapped": Mutant(
        "interop/onnx_write.py",
        "{name: np.stack(parts) for",
        '{name: np.stack(parts[::-1] if name == "W" else parts) for',
        "tests/interop/test_onnx_models.py tests/interop/test_same_function.py",
    ),
    "dropout that shrinks the outputs": Mutant(
        "core/stack/dropout.py",
        "(generator.random(shape) >= dropout) / (1 - dropout)",
        "1.0 * (generator.random(shape) >= dropout)",
        "tests/core/stack/test_dropout.py",
    ),
    "two runs of one name taken for one": Mutant(
        "results/merge.py",
        "_digests(other) != _digests(run)",
        "False",
        "tests/results/test_merge.py",
    ),
    "bfloat16 cut off, not rounded": Mutant(
        "measure/inputs.py",
        "(bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000",
        "bits & 0xFFFF0000",
        "tests/measure/test_inputs.py",
    ),
}


def failing_test(mutant: Mutant, checkout: Path, whole: bool) -> str:
    """Return which test notices the mutant, in a checkout that may be changed; an empty text if
    none does.
    """
    path = checkout / "lstmbench" / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise SystemExit(
            f"{mutant.file} must hold the text to replace once, "
            f"not {text.count(mutant.old)} times: {mutant.old!r}"
        )
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        for tests in [mutant.tests.split(), *([["tests"]] if whole else [])]:
            command = [
                sys.executable,
                "-m",
                "pytest",
                "--all",
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                *tests,
            ]
            environment = os.environ | {"PYTHONPATH": str(checkout)}
            done = subprocess.run(
                command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                failed = [
                    line
                    for line in done.stdout.splitlines()
                    if line.startswith(("FAILED", "ERROR"))
                ]
                if not failed:
                    raise SystemExit(done.stdout + done.stderr)
                return failed[0].partition(" - ")[0]
    finally:
        path.write_text(text, encoding="utf-8")
    return ""


def main() -> None:
    """Print a line for each mutant, and how many were found; two are tried at once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only mutants whose name holds this"
    )
    parser.add_argument(
        "--whole", action="store_true", help="run all tests on what the first ones let pass"
    )
    options = parser.parse_args()
    chosen = [
        name for name in MUTANTS if not options.names or any(part in name for part in options.names)
    ]
    checkouts: Queue[Path] = Queue()

    def attempt(name: str) -> str:
        checkout = checkouts.get()
        try:
            return failing_test(MUTANTS[name], checkout, options.whole)
        finally:
            checkouts.put(checkout)

    with (
        tempfile.TemporaryDirectory(prefix="lstmbench-mutants-") as folder,
        ThreadPoolExecutor(2) as pool,
    ):
        left_out = shutil.ignore_patterns(".nox", ".*_cache", "__pycache__")
        for number in range(2):
            checkouts.put(
                Path(
                    shutil.copytree(
                        ROOT, Path(folder) / str(number), ignore=left_out, symlinks=True
                    )
                )
            )
        found = []
        for name, test in zip(chosen, pool.map(attempt, chosen), strict=True):
            print(f"{name}: {test or 'SURVIVED, in ' + MUTANTS[name].file}", flush=True)
            found.append(bool(test))
    print(f"{sum(found)} of {len(found)} found")
    sys.exit(len(found) - sum(found))


if __name__ == "__main__":
    main()
