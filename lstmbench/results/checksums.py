"""SHA-256 sums of files, kept in a file beside them, as ``sha256sum -c SHA256SUMS`` reads it."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically

SUMS = "SHA256SUMS"


def sum_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits.

    Raises:
        LstmbenchError: if it cannot be read.
    """
    if path.is_fifo():
        raise LstmbenchError(f"{path} cannot be read: it is a pipe, and would be waited for.")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LstmbenchError(f"{path} cannot be read: {error.strerror}.") from None


def read_sums(folder: Path) -> dict[str, str]:
    """Return the sums that are kept in a folder, by the names of the files; none if it keeps none.

    Raises:
        LstmbenchError: if they cannot be read.
    """
    path = folder / SUMS
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise LstmbenchError(f"{path} cannot be read: {error}.") from None
    found = {}
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if match is None:
            raise LstmbenchError(f"{path} cannot be read: line {number} is no sum with the name of a file.")
        found[match[2]] = match[1]
    return found


def write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Replace the sums that are kept in a folder."""
    text = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    write_atomically(folder / SUMS, lambda path: path.write_text(text, encoding="utf-8", newline="\n"))


def add_sum(path: Path) -> None:
    """Keep the sum of a file beside it; the sums of other files stay as they are."""
    with _alone_in(path.parent):
        write_sums(path.parent, read_sums(path.parent) | {path.name: sum_of(path)})


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one process after the other in: notebooks are executed side by side."""
    import fcntl  # which Windows has not

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
