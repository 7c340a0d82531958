"""``lstmbench verify``: what differs is named."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Ended, refused

from lstmbench.results.store import Store, read_manifest

pytestmark = pytest.mark.usefixtures("unpainted")


def test_a_run_as_it_was_measured_verifies_and_a_changed_digit_is_named(
    measured: tuple[Path, Path], call: Callable[..., Ended], tmp_path: Path
) -> None:
    _, folder = measured
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    assert (call("verify", run).code, (run / "SHA256SUMS").is_file()) == (0, True)
    path = run / "tables" / "tiny-speed.csv"
    path.write_text(path.read_text().replace("numpy.fused", "numpy.fuses", 1))
    ended = call("verify", run)
    assert ended.code == 1
    assert re.match(r"tables/tiny-speed\.csv: line \d+ is '.*numpy\.fuses", ended.out), ended.out
    assert ended.out.endswith("it differs.\n")


def test_what_cannot_be_verified_ends_with_2(
    measured: tuple[Path, Path], call: Callable[..., Ended], tmp_path: Path
) -> None:
    _, folder = measured
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    Store(run).write_manifest(read_manifest(run) | {"complete": False})
    (run / "SHA256SUMS").unlink()
    ended = call("verify", run)
    assert ended.code == 2
    assert ended.out.startswith("manifest.json: the run is not finished")
    assert "no results" in refused(call("verify", tmp_path / "nothing"))
