"""What of two runs can be compared, by which quantity, and the reason for each case that cannot be."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmbench.show.comparing.pairs import NAMES, RATIO, TIME, Columns, Mask, Pairs, words_of
from lstmbench.show.comparing.verdicts import Floats, Side, usable
from lstmbench.show.formats import shorten
from lstmbench.show.labels import status_words
from lstmbench.show.provenance import ENOUGH_PROCESSES

Objects = NDArray[np.object_]

_FLAGS: Final = ("exploratory", "noisy", "not converged")


class Comparable(NamedTuple):
    """What is compared, an entry for each pair.

    Attributes:
        reasons: why it cannot be compared; none where it can be.
        by_ratio: whether the ratio is compared; else the time.
        base, new: the numbers.
    """

    reasons: "Reasons"
    by_ratio: Mask
    base: Side
    new: Side


class Reasons:
    """A text for each case; the first that is given stays."""

    def __init__(self, size: int) -> None:
        self._codes = np.zeros(size, dtype=np.int32)
        self._words = {"": 0}

    @property
    def none(self) -> Mask:
        """Which cases have none yet."""
        return self._codes == 0

    def give(self, mask: Mask, reason: str | Callable[[int], str]) -> None:
        """Give a reason to those of the masked cases that have none; one for all, or by the case's place."""
        places = np.flatnonzero(mask & self.none)
        if isinstance(reason, str):
            self._codes[places] = self._words.setdefault(reason, len(self._words))
            return
        for place in places:
            self._codes[place] = self._words.setdefault(reason(int(place)), len(self._words))

    def texts(self) -> pd.Categorical:
        """Return the reasons, empty where there is none."""
        return words_of(self._codes, self._words)


def numbers(columns: Columns, name: str) -> Floats:
    """Return a column as floats, NaN where it is missing."""
    return columns[name].to_numpy(dtype=np.float64, na_value=np.nan)


def texts(columns: Columns, name: str) -> Objects:
    """Return a column of categories as Python strings, empty where it is missing."""
    values = columns[name]
    return np.array([*values.categories, ""], dtype=object)[values.codes]


def comparable(pairs: Pairs, by: str | None, barrier: str, across_machines: bool) -> Comparable:
    """Say what can be compared.

    Args:
        pairs: the cases of both runs.
        by: ``ratio``, ``time``, or None: by the ratio where both runs have one to the same reference, else by time.
            The reference itself, whose ratio is 1, is always compared by time.
        barrier: why times of these two runs cannot be compared, such as ``another machine``; empty if they can be.
        across_machines: whether ratios can be all the same.
    """
    reasons = Reasons(len(pairs))
    threads = pairs.cases["threads"].to_numpy(dtype=object, na_value="not recorded")
    elsewhere = pairs.elsewhere
    reasons.give(pairs.in_base & (elsewhere >= 0), lambda k: _other_threads(threads[k], threads[elsewhere[k]]))
    reasons.give(elsewhere >= 0, lambda k: _other_threads(threads[elsewhere[k]], threads[k]))
    reasons.give(~pairs.in_new, f"only in {NAMES[0]}")
    reasons.give(~pairs.in_base, f"only in {NAMES[1]}")

    found = [(texts(side, "status"), texts(side, "error")) for side in (pairs.base, pairs.new)]
    (base_status, base_error), (new_status, new_error) = found
    reasons.give(
        (base_status != "ok") | (new_status != "ok"),
        lambda k: _troubles(base_status[k], base_error[k], new_status[k], new_error[k]),
    )

    references = [texts(side, "ratio_to") for side in (pairs.base, pairs.new)]
    alike = (references[0] == references[1]) & (references[0] != "")
    by_ratio = alike & (texts(pairs.cases, "implementation") != references[0]) & (by != "time")
    if by == "ratio":
        reasons.give(~alike, lambda k: _other_reference(references[0][k], references[1][k]))
    if barrier:
        reasons.give(~by_ratio | (not across_machines), barrier)

    base, new = (_side(side, by_ratio) for side in (pairs.base, pairs.new))
    for side, name in ((base, NAMES[0]), (new, NAMES[1])):
        reasons.give(~usable(side) & by_ratio, f"no interval of the ratio in {name}")
        reasons.give(~usable(side), f"no interval of the time in {name}")
    return Comparable(reasons, by_ratio, base, new)


def flags(pairs: Pairs) -> pd.Categorical:
    """Return what the reader of a verdict should know about the numbers of either run, as words."""
    bits = np.zeros(len(pairs), dtype=np.int8)
    for side in (pairs.base, pairs.new):
        few = ~(numbers(side, "processes") >= ENOUGH_PROCESSES) & (texts(side, "status") == "ok")
        for bit, mask in enumerate((few, numbers(side, "noisy") == 1, numbers(side, "converged") == 0)):
            bits |= mask.astype(np.int8) << bit
    words = [", ".join(word for bit, word in enumerate(_FLAGS) if code >> bit & 1) for code in range(2 ** len(_FLAGS))]
    return words_of(bits, words)


def _side(side: Columns, by_ratio: Mask) -> Side:
    median, low, high = (
        np.where(by_ratio, numbers(side, ratio), numbers(side, time)) for ratio, time in zip(RATIO, TIME, strict=True)
    )
    return Side(median, low, high, numbers(side, "processes"))


@lru_cache(maxsize=10_000)
def _other_threads(base: object, new: object) -> str:
    return f"other threads: {base} in {NAMES[0]}, {new} in {NAMES[1]}"


@lru_cache(maxsize=10_000)
def _troubles(base_status: str, base_error: str, new_status: str, new_error: str) -> str:
    sides = zip((base_status, new_status), (base_error, new_error), NAMES, strict=True)
    return "; ".join(
        f"{status_words(status)} in {name}" + (f": {shorten(error)}" if error else "")
        for status, error, name in sides
        if status != "ok"
    )


@lru_cache(maxsize=10_000)
def _other_reference(base: str, new: str) -> str:
    return f"ratio to {base or 'nothing'} in {NAMES[0]}, to {new or 'nothing'} in {NAMES[1]}"
