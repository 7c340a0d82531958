"""Files that are whole or not there."""

from pathlib import Path
from typing import Any

import pytest

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "below" / "file.txt"
    write_atomically(path, lambda temporary: temporary.write_text("old"))

    def fail(error: BaseException) -> Any:
        def write(temporary: Path) -> None:
            temporary.write_text("half")
            raise error

        return write

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail(KeyboardInterrupt()))
    with pytest.raises(
        LstmbenchError, match=r"file.txt cannot be written: No space left on device\.$"
    ):
        write_atomically(path, fail(OSError(28, "No space left on device")))
    assert path.read_text() == "old"
    assert [actual.name for actual in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("content", ["naïve\n", b"\xff\r\n"], ids=["text", "bytes"])
def test_text_is_written_as_utf_8_and_bytes_as_they_are(
    content: str | bytes, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    write_atomically(path, content)
    assert path.read_bytes() == (b"na\xc3\xafve\n" if isinstance(content, str) else content)


def test_what_is_there_is_whole_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, lambda temporary: temporary.write_text("old"))

    def write(temporary: Path) -> None:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        temporary.write_text("new")
        assert path.read_text() == "old"

    write_atomically(path, write)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
