"""What comes from elsewhere may hold anything: each verb reads it, or refuses it in a sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up import fill, quick_rows
from typer.testing import CliRunner

from lstmbench import cli
from lstmbench.errors import LstmbenchError

pytestmark = pytest.mark.usefixtures("unpainted")

HALF = "\ud800"
SUITE = (
    b"implementations: [numpy.fused]\nreference: numpy.fused\n"
    b"grids: [{seq_len: 3, batch_size: 2, hidden_size: %s}]\n"
)


def answer(*words: Any) -> str:
    """Return what a command says, and hold that it has an answer to everything."""
    done = CliRunner().invoke(cli.app, [str(word) for word in words])
    if isinstance(done.exception, LstmbenchError):
        assert "\n" not in str(done.exception)
        return str(done.exception)
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done.output


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fill(tmp_path / "run", quick_rows()[:4])


def slow(value: Any) -> Any:
    return pytest.param(value, marks=pytest.mark.slow)


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def write(content: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (os.mkfifo, "There is no suite"),
        (Path.mkdir, "There is no suite"),
        (link_to_itself, "There is no suite"),
        (write(SUITE.replace(b"%s", b"9" * 10_000)), "is not valid YAML"),
        (write(SUITE.replace(b"%s", b"2020-99-99")), "is not valid YAML"),
        (write(SUITE.replace(b"%s", b".nan")), "key 'grids.0.hidden_size"),
        (write(SUITE.replace(b"%s", b"0x7fffffffffffffffff")), "key 'grids.0.hidden_size"),
        (write(b"[" * 100_000), "is not valid YAML"),
        (write(SUITE.decode().encode("utf-16")), "cannot be read"),
        (write(b"a: b\x00c"), "is not valid YAML"),
        (write(b"implementations: !!python/object/apply:os.system [exit]\n"), "is not valid YAML"),
        (write(b"? [1, 2]\n: 3\n"), "is not valid YAML"),
        (write(b'"\\uD800": 1\n'), ", line 1, key "),
    ],
)
def test_a_suite_that_is_none_is_refused(
    make: Callable[[Path], Any], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    make(path)
    said = answer("run", path, "--out", tmp_path / "out")
    assert expected in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["manifest.json", *map(slow, ["records.parquet", "samples.parquet", "SHA256SUMS"])]
)
@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, link_to_itself, write(b""), write(b"PAR1PAR1")]
)
def test_a_file_of_a_run_that_is_something_else_is_no_reason_to_hang_or_to_stumble(
    make: Callable[[Path], Any], name: str, run: Path, tmp_path: Path
) -> None:
    (run / name).unlink(missing_ok=True)
    make(run / name)
    for words in (
        ["table", run],
        ["verify", run],
        ["compare", run, run],
        ["run", "--resume", run],
        ["merge", run],
    ):
        assert answer(*words, *(["--out", tmp_path / "both"] if words[0] == "merge" else []))


@pytest.mark.parametrize(
    "change",
    [
        {"controls": None},
        {"controls": HALF},
        {"suite": -1},
        slow({"controls": {}}),
        slow({"environments": HALF}),
        slow({"finished": HALF}),
        slow({"machine": {"cpu_flags": -1}}),
        slow({"limits": []}),
        slow({"packages": [1]}),
        slow({"packages": {"lstmbench": [1]}}),
        slow({"git": "main"}),
    ],
)
def test_a_manifest_with_something_else_in_it_is_read_or_refused(
    change: dict[str, Any], run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest.pop("sha256")
    (run / "manifest.json").write_text(json.dumps(manifest | change))
    for words in (
        ["table", run],
        ["verify", run],
        ["compare", run, other],
        ["run", "--resume", run],
        ["merge", run, "--out", tmp_path / "both"],
        ["cite", "quick-ratio", "--results", run],
        ["reproduce", "quick-ratio", "--results", run, "--run", other],
    ):
        assert answer(*words)
