"""How a call of the command line ended."""

from typing import NamedTuple

from lstmbench import exit_codes


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def refused(ended: Ended) -> str:
    """The one sentence on standard error of a call that could not do what it was asked for."""
    assert ended.code == exit_codes.NOT_POSSIBLE
    assert ended.out == ""
    assert ended.err.startswith("lstmbench: ")
    assert ended.err.count("\n") == 1
    return ended.err
