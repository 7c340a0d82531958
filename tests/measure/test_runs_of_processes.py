"""Runs with real worker processes, started from scripts, threads and notebooks."""

import io
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny import skipped, write_suite

import lstmbench as lb
from lstmbench.measure.process import forkserver

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_process_left")]
BOTH = ["numpy.fused", "numpy.reference"]
KIB = 1024


def test_the_machine_s_peaks_are_measured_in_every_dtype(tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "tiny.yaml",
        ["numpy.fused"],
        {"seq_len": [3, 4], "dtype": ["float32", "float64"]},
    )
    records = lb.run(suite, tmp_path / "out", progress=False).records
    assert (records["machine_flops_per_s"] > 1e8).all()
    assert (records["machine_bytes_per_s"] > 1e8).all()
    assert (records["roofline_low"] <= records["roofline_fraction"]).all()
    assert (records["roofline_fraction"] <= records["roofline_high"]).all()
    assert records["roofline_fraction"].between(0, 1, inclusive="right").all()


def test_a_missing_framework_is_skipped_and_the_others_are_measured(
    measure: Callable[..., lb.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "jax"):
        (tmp_path / "empty" / name).mkdir(parents=True)
        source = f"raise ModuleNotFoundError('No module named {name}', name='{name}')"
        (tmp_path / "empty" / name / "__init__.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path / "empty"))
    done = measure(["numpy.fused", "torch.nn", "torch.fused", "jax.scan"])
    expected = {name: name.partition(".")[0] for name in ("torch.nn", "torch.fused", "jax.scan")}
    assert skipped(done) == {
        name: f"{name} is not available here: the package {backend} is not installed"
        for name, backend in expected.items()
    }
    assert done.records["status"].tolist()[0] == "ok"


# Started from anywhere


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    """Even in a folder with a file named like a module that workers import."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "socket.py").write_text("raise SystemExit('this is no socket')")
    write_suite(tmp_path / "tiny.yaml", BOTH)
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, lstmbench as lb\n"
        "run = lb.run('../tiny.yaml', '../out', progress=False)\n"
        "print(run.records['status'].tolist(), sorted({'torch', 'jax'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path / "work", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "['ok', 'ok'] []\n", "")


def test_standard_streams_may_be_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a Jupyter kernel, whose streams have no file behind them."""
    suite = write_suite(tmp_path / "tiny.yaml", BOTH)
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.StringIO())
        with pytest.raises(io.UnsupportedOperation):
            getattr(sys, name).fileno()
    assert not lb.run(suite, progress=True).failed


@pytest.mark.slow
def test_a_run_may_be_started_from_any_thread(tmp_path: Path) -> None:
    """Linux sends the parent-death signal when the thread ends that started the child."""
    suite = write_suite(tmp_path / "tiny.yaml", BOTH)
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(lb.run, suite, progress=False).result().failed


# On a machine with too few resources


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Two workloads, whose inputs take a third of a mebibyte each."""
    grid = {"seq_len": [32, 33], "batch_size": 4, "hidden_size": 32, "input_size": 32}
    return write_suite(tmp_path / "tiny.yaml", BOTH, grid)


def test_a_file_size_limit_is_reported_in_one_sentence_and_loses_no_row(
    suite: Path, tmp_path: Path
) -> None:
    """As with a spent disk quota."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "lstmbench",
            "run",
            suite,
            "--out",
            tmp_path / "out",
            "--seed",
            "1",
            "--no-progress",
        ],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64 * KIB, 64 * KIB)),
    )
    assert done.returncode == 2
    scratch = tmp_path / "out" / ".scratch"
    assert done.stderr.strip().splitlines() == [
        f"lstmbench: The inputs cannot be written to {scratch}: File too large."
    ]
    assert lb.read_results(tmp_path / "out").empty
    assert lb.run(suite, tmp_path / "out", progress=False).records["status"].eq("ok").all()


def test_a_failed_fork_is_reported_in_one_sentence_and_the_run_can_continue(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as poor:
        poor.setattr(forkserver.subprocess, "Popen", refuse)
        with pytest.raises(lb.LstmbenchError) as caught:
            lb.run(suite, tmp_path / "out", progress=False)
    reason = "[Errno 11] Resource temporarily unavailable"
    assert str(caught.value) == f"The run in {tmp_path / 'out'} cannot go on: {reason}."
    assert lb.run(suite, tmp_path / "out", progress=False).records["status"].eq("ok").all()
