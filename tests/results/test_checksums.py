"""Sums are those of sha256sum, and every file keeps its own, however many are added at once."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lstmbench.errors import LstmbenchError
from lstmbench.results.checksums import (
    CHECKSUMS,
    add_checksum,
    file_sha256,
    read_checksums,
    write_checksums,
)


def test_a_sum_is_the_sha_256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert (
        file_sha256(tmp_path / "a")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_what_is_written_is_read_and_none_are_kept_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_checksums(tmp_path) == {}
    sums = {"b c": "1" * 64, "a": "0" * 64}
    write_checksums(tmp_path, sums)
    assert read_checksums(tmp_path) == sums
    assert (tmp_path / CHECKSUMS).read_bytes() == b"0" * 64 + b"  a\n" + b"1" * 64 + b"  b c\n"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_sha256sum_takes_them_and_sees_a_changed_file(tmp_path: Path) -> None:
    def check() -> int:
        return subprocess.run(
            ["sha256sum", "-c", "--quiet", CHECKSUMS], cwd=tmp_path, capture_output=True
        ).returncode

    (tmp_path / "some file").write_text("1")
    add_checksum(tmp_path / "some file")
    assert check() == 0
    (tmp_path / "some file").write_text("2")
    assert check() == 1


def test_sums_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}" for k in range(24)]
    for path in paths:
        path.write_text(path.name)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_checksum, paths))
    assert read_checksums(tmp_path) == {path.name: file_sha256(path) for path in paths}


@pytest.mark.parametrize("content", [b"abc  a\n", b"\xff", b"0" * 64 + b"\n", b"\n"])
def test_what_is_no_list_of_sums_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CHECKSUMS).write_bytes(content)
    with pytest.raises(LstmbenchError, match="cannot be read"):
        read_checksums(tmp_path)


def test_a_file_that_is_not_there_has_no_sum(tmp_path: Path) -> None:
    with pytest.raises(LstmbenchError, match="cannot be read"):
        file_sha256(tmp_path / "a")
