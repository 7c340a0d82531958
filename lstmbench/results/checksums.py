"""SHA-256 checksums: of files, in a list that ``sha256sum -c`` reads, and inside Parquet files.

A Parquet file gets the checksum of all its other bytes just before the footer. Readers find the
pages by their offset from the start, and the footer by its offset from the end, so they ignore the
bytes between. Parquet's own page checksums do not protect the footer, which holds the types, names
and positions of the columns.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically

CHECKSUMS = "SHA256SUMS"
"""The file with the checksums of the other files in its folder."""

PARQUET_MARK = b"lstmbench sha256"
"""Stands before the checksum in a Parquet file."""


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Raises:
        LstmbenchError: if it cannot be read.
    """
    if path.is_fifo():
        raise LstmbenchError(f"{path} cannot be read: it is a named pipe, not a file.")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LstmbenchError(f"{path} cannot be read: {error.strerror}.") from None


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the checksums by file name; empty if the folder has no list of them.

    Raises:
        LstmbenchError: if the list cannot be read.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise LstmbenchError(f"{path} cannot be read: {error}.") from None
    checksums = {}
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if match is None:
            expected = "is not of the form `<sha256>  <file name>`"
            raise LstmbenchError(f"{path} cannot be read: line {number} {expected}.")
        checksums[match[2]] = match[1]
    return checksums


def write_checksums(folder: Path, checksums: Mapping[str, str]) -> None:
    """Write the list of checksums of a folder."""
    text = "".join(f"{checksums[name]}  {name}\n" for name in sorted(checksums))
    write_atomically(folder / CHECKSUMS, text)


def add_checksum(path: Path) -> None:
    """Add the checksum of a file to the list in its folder."""
    folder = path.parent
    with _locked(folder):
        write_checksums(folder, read_checksums(folder) | {path.name: file_sha256(path)})


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, since notebooks are executed in parallel."""
    import fcntl  # not on Windows

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def add_parquet_checksum(path: Path) -> None:
    """Put the checksum into a Parquet file that was just written."""
    data = np.memmap(path, mode="r")
    start, digest = _footer_start(data), hashlib.sha256(data.data).digest()
    footer = data[start:].tobytes()
    with path.open("r+b") as file:
        file.seek(start)
        file.write(PARQUET_MARK + digest + footer)


def verify_parquet_checksum(path: Path) -> None:
    """Verify a Parquet file; one without a checksum, from another program, passes.

    Raises:
        ValueError: if the checksum differs.
    """
    data = np.memmap(path, mode="r")
    end = _footer_start(data)
    start = end - len(PARQUET_MARK) - hashlib.sha256().digest_size
    if start < 0 or not data[start:end].tobytes().startswith(PARQUET_MARK):
        return
    digest = hashlib.sha256(data[:start].data)
    digest.update(data[end:].data)
    if data[start:end].tobytes() != PARQUET_MARK + digest.digest():
        raise ValueError("it is not as it was written: its checksum differs")


def _footer_start(data: NDArray[np.uint8]) -> int:
    """Return the offset of the footer; 0 if the file is too short to have one."""
    return max(0, len(data) - 8 - int.from_bytes(data[-8:-4].tobytes(), "little"))
