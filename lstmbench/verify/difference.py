"""Where two versions of a file differ, in one sentence."""

from itertools import zip_longest

SHOWN = 48
"""So many characters of a line are shown."""


def difference(there: bytes, right: bytes) -> str:
    """Say where the bytes that are there first differ from those that are right; of text, the line.

    Args:
        there: the file as it is.
        right: as it should be; not the same.
    """
    if b"\0" in right[:1000]:
        at = next(
            (k for k, (one, other) in enumerate(zip(there, right, strict=False)) if one != other),
            None,
        )
        at = min(len(there), len(right)) if at is None else at
        return f"byte {at + 1} is not what is drawn from the records ({len(there):,} bytes, and {len(right):,} drawn)."
    lines, others = (data.decode(errors="surrogateescape").split("\n") for data in (there, right))
    wrong = [k for k, (one, other) in enumerate(zip_longest(lines, others)) if one != other]
    is_, should = (text[wrong[0]] if wrong[0] < len(text) else None for text in (lines, others))
    more = {1: "", 2: ", and another line differs"}.get(
        len(wrong), f", and {len(wrong) - 1} more lines differ"
    )
    return f"line {wrong[0] + 1} is {_part(is_, should)}, but the records give {_part(should, is_)}{more}."


def _part(line: str | None, other: str | None) -> str:
    """Return the part of a line that holds the first character in which it is not the other."""
    if line is None or other is None:
        return "not there" if line is None else repr(line[:SHOWN])
    at = next(
        (k for k, (a, b) in enumerate(zip(line, other, strict=False)) if a != b),
        min(len(line), len(other)),
    )
    start = 0 if len(line) <= SHOWN else max(0, at - SHOWN // 2)
    part = line[start : start + SHOWN]
    return repr(("…" if start else "") + part + ("…" if start + SHOWN < len(line) else ""))
