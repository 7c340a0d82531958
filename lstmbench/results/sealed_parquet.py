"""Parquet files that know whether they are what was written: a SHA-256 of all other bytes stands
before the footer.

Readers of Parquet find the pages by their distance from the file's start, and the footer by its own
from the end: what stands between the two disturbs none of them. Parquet's own page checksums would
leave the footer unguarded, which holds the types, the names and the places of the columns.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

MARK = b"lstmbench sha256"
LENGTH = len(MARK) + hashlib.sha256().digest_size
CHUNK = 2**20


def seal(path: Path) -> None:
    """Seal a Parquet file that was just written."""
    with path.open("r+b") as file:
        digest = _digest(file, 0)
        at = _footer(file)
        file.seek(at)
        footer = file.read()
        file.seek(at)
        file.write(MARK + digest + footer)


def check(path: Path) -> None:
    """Hold a file against its seal; one that has none, as from another program, is let pass.

    Raises:
        ValueError: if a byte of it is not as it was written.
    """
    with path.open("rb") as file:
        at = _footer(file) - LENGTH
        if at < 0:
            return
        file.seek(at)
        found = file.read(LENGTH)
        if found.startswith(MARK) and _digest(file, at) != found[len(MARK) :]:
            raise ValueError("it is not as it was written: its checksum differs")


def _footer(file: BinaryIO) -> int:
    """Return where the footer begins; 0 where there is none."""
    size = file.seek(0, os.SEEK_END)
    if size < 8:
        return 0
    file.seek(size - 8)
    return max(0, size - 8 - int.from_bytes(file.read(4), "little"))


def _digest(file: BinaryIO, at: int) -> bytes:
    """Return the SHA-256 of a file, without the seal at ``at`` where that is not 0."""
    digest = hashlib.sha256()
    file.seek(0)
    left = at
    while left and (read := file.read(min(left, CHUNK))):
        digest.update(read)
        left -= len(read)
    if at:
        file.seek(at + LENGTH)
    while read := file.read(CHUNK):
        digest.update(read)
    return digest.digest()
