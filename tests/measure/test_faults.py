"""A full disk, missing permissions or a wrong clock: one sentence, and no row is lost."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from tiny import write_suite

import lstmbench as lb
from lstmbench import report
from lstmbench.measure import runner
from lstmbench.verify.verify import verify

pytestmark = pytest.mark.usefixtures("unpainted", "in_process")
SAME = ["workload", "implementation", "status", "error", "output_rel_error"]
KIB = 1024
DISK = 1024 * KIB


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workloads, whose inputs take a third of a mebibyte each."""
    grid = {"seq_len": [32, 33], "batch_size": 4, "hidden_size": 32, "input_size": 32}
    return write_suite(
        tmp_path_factory.mktemp("suite") / "tiny.yaml", ["numpy.fused", "numpy.reference"], grid
    )


@pytest.fixture(scope="module")
def whole(suite: Path, in_process: None) -> pd.DataFrame:
    """The rows of a run without faults."""
    return lb.run(suite, suite.parent / "whole", progress=False, seed=1).records[SAME]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not shutil.which("mount") or _mount(
        "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)
    ):
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _mount(*words: str) -> int:
    return subprocess.run(["mount", *words], stderr=subprocess.DEVNULL).returncode


def refused(suite: Path, out: Path) -> str:
    with pytest.raises(lb.LstmbenchError) as caught:
        lb.run(suite, out, progress=False, seed=1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("room", [0, 4 * KIB, 24 * KIB, 200 * KIB])
def test_a_full_disk_is_reported_in_one_sentence_and_the_run_can_continue(
    room: int, suite: Path, whole: pd.DataFrame, disk: Path
) -> None:
    """Room for no manifest, for part of one, for no inputs, and for some of them."""
    (disk / "ballast").write_bytes(b"x" * (DISK - room))
    assert refused(suite, disk / "out").endswith("No space left on device.")
    if (disk / "out" / "manifest.json").is_file():
        assert lb.read_results(disk / "out").empty
    (disk / "ballast").unlink()
    assert lb.run(suite, disk / "out", progress=False, seed=1).records[SAME].equals(whole)


def test_a_disk_that_fills_up_loses_no_finished_row(
    suite: Path, whole: pd.DataFrame, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = runner.Store.append

    def then_fill(self: runner.Store, *arguments: object) -> None:
        append(self, *arguments)  # type: ignore[arg-type]
        with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(KIB))

    with monkeypatch.context() as filling:
        filling.setattr(runner.Store, "append", then_fill)
        assert refused(suite, disk / "out").endswith("No space left on device.")
    kept = lb.read_results(disk / "out")
    assert kept["status"].tolist() == ["ok", "ok"]
    (disk / "ballast").unlink()
    done = lb.run(suite, disk / "out", progress=False).records
    assert done[SAME].equals(whole)
    assert done[:2].equals(kept)


def test_a_read_only_folder_is_refused_but_its_finished_run_is_read(
    suite: Path, whole: pd.DataFrame, disk: Path
) -> None:
    lb.run(suite, disk / "whole", progress=False, seed=1)
    assert _mount("-o", "remount,ro", str(disk)) == 0
    assert (
        refused(suite, disk / "out")
        == f"Results cannot be written to {disk / 'out'}: Read-only file system."
    )
    finished = lb.run(suite, disk / "whole", progress=False)
    assert not finished.new
    assert finished.records[SAME].equals(whole)
    with pytest.raises(lb.LstmbenchError, match="cannot be written: Read-only file system"):
        report.write(disk / "whole")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_another_user_is_refused(suite: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert (
        refused(suite, tmp_path) == f"Results cannot be written to {tmp_path}: Permission denied."
    )
    tmp_path.chmod(0o700)


def test_setting_the_clock_back_during_an_interruption_changes_no_row(
    suite: Path, whole: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, out = runner.Store.append, tmp_path / "out"

    def once(self: runner.Store, *arguments: object) -> None:
        append(self, *arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(runner.Store, "append", once)
        with pytest.raises(KeyboardInterrupt):
            lb.run(suite, out, progress=False, seed=1)
    kept = lb.read_results(out)
    assert len(kept) == 2
    monkeypatch.setattr(runner, "now", lambda: "1970-01-01T00:00:00Z")
    done = lb.run(suite, out, progress=False)
    assert done.records[SAME].equals(whole)
    assert done.records[:2].equals(kept)
    assert done.manifest["finished"] < done.manifest["started"]
    report.write(out)
    assert verify(out) == []
