"""Where two versions of a file differ, in one sentence."""

from collections.abc import Sequence
from itertools import takewhile, zip_longest
from operator import eq

MAX_CHARACTERS = 48
"""Shown of a line."""


def difference(actual: bytes, expected: bytes) -> str:
    """Return where a file begins to differ from what it should be: the line of a text, or the byte.

    Args:
        actual: the file as it is.
        expected: as it should be; not the same.
    """
    if b"\0" in expected[:1000]:
        start = _common(actual, expected) + 1
        sizes = f"{len(actual):,} bytes, and {len(expected):,} drawn"
        return f"byte {start} is not what is drawn from the records ({sizes})."
    texts = (data.decode(errors="surrogateescape").split("\n") for data in (actual, expected))
    pairs = enumerate(zip_longest(*texts), 1)
    (number, (line, right)), *others = [(n, pair) for n, pair in pairs if pair[0] != pair[1]]
    also = f", and {len(others)} more lines differ" if others[1:] else ""
    also = also or (", and another line differs" if others else "")
    return (
        f"line {number} is {_shown(line, right)}, but the records give {_shown(right, line)}{also}."
    )


def _shown(line: str | None, other: str | None) -> str:
    """Return the part of a line around the first character that differs from the other line."""
    if line is None:
        return "not there"
    start = _common(line, other or "") - MAX_CHARACTERS // 2
    start = max(0, start) if len(line) > MAX_CHARACTERS else 0
    end = start + MAX_CHARACTERS
    return repr("…" * (start > 0) + line[start:end] + "…" * (end < len(line)))


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """Return the length of the common beginning."""
    return sum(takewhile(bool, map(eq, one, other)))
