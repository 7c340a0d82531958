"""The cases of two runs side by side: the same implementation at the same workload stands in one row."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError
from lstmbench.results.schema import COLUMNS
from lstmbench.show.labels import WORKLOAD, describe, rank

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]
Columns = dict[str, Any]
"""Arrays of pandas by name; texts are categories."""

KEYS: Final = ("implementation", *WORKLOAD)
"""What tells the cases of one run apart."""

TIME: Final = ("time_median_s", "time_low_s", "time_high_s")
RATIO: Final = ("ratio", "ratio_low", "ratio_high")
VALUES: Final = ("status", "error", *TIME, *RATIO, "ratio_to", "processes", "converged", "noisy")
"""What is read of a record, beside its keys."""

NAMES: Final = ("BASE", "NEW")

_MOST = 2**62


@dataclass(frozen=True)
class Pairs:
    """The cases of both runs, a row for each, in the order of tables.

    Attributes:
        cases: the columns ``KEYS``.
        base, new: the columns ``VALUES`` of each run; missing where it lacks the case.
        in_base, in_new: whether a run has the case.
        elsewhere: for a case that only one run has, the row of the other run that differs in its threads alone; or -1.
    """

    cases: Columns
    base: Columns
    new: Columns
    in_base: Mask
    in_new: Mask
    elsewhere: Integers

    def __len__(self) -> int:
        return len(self.in_base)


def words_of(codes: Any, words: Iterable[str]) -> pd.Categorical:
    """Return a column of texts from their places among these words; -1 is missing."""
    return pd.Categorical.from_codes(codes, pd.Index(list(words), dtype=object))


def pair(base: pd.DataFrame, new: pd.DataFrame) -> Pairs:
    """Match the cases of two runs; nothing but ``KEYS`` counts.

    Args:
        base, new: records; texts may be categories, as ``read_columns`` returns them.

    Raises:
        LstmbenchError: if one of them is no table of records, or holds a case twice.
    """
    sides = [_checked(records, name) for records, name in zip((base, new), NAMES, strict=True)]
    coded = {key: _codes(key, *(side.pop(key) for side in sides)) for key in KEYS}
    identity = _combined([codes for codes, _ in coded.values()])
    found, first = np.unique(identity, return_index=True)
    cases = {key: _decoded(key, codes[first], values) for key, (codes, values) in coded.items()}
    own = identity[: len(base)], identity[len(base) :]
    at_base, at_new = (_places(each, found, cases, name) for each, name in zip(own, NAMES, strict=True))
    but_threads = _combined([codes[first] for key, (codes, _) in coded.items() if key != "threads"])
    return Pairs(
        cases,
        _taken(sides[0], at_base),
        _taken(sides[1], at_new),
        at_base >= 0,
        at_new >= 0,
        _partners(but_threads, at_new < 0, at_base < 0),
    )


def _checked(records: Any, name: str) -> Columns:
    """Return the columns that count, numbers with the types of records."""
    if not isinstance(records, pd.DataFrame):
        raise LstmbenchError(f"{name} must be a DataFrame of records, but it is a {type(records).__name__}.")
    missing = [key for key in (*KEYS, "status") if key not in records.columns]
    if missing:
        raise LstmbenchError(f"The records of {name} have no column {' and no column '.join(missing)}.")
    try:
        return {key: _column(records, key) for key in (*KEYS, *VALUES)}
    except (ValueError, TypeError) as error:
        raise LstmbenchError(f"The records of {name} have a column of another type: {error}.") from None


def _column(records: pd.DataFrame, key: str) -> Any:
    kind: Any = _kind(key)
    column = records.get(key, pd.Series(None, index=records.index, dtype=object)).array
    return column if column.dtype == kind else column.astype(kind)


def _kind(column: str) -> str:
    return "category" if COLUMNS[column] == "string" else COLUMNS[column]


def _codes(key: str, base: Any, new: Any) -> tuple[Integers, list[Any]]:
    """Return the values of both runs as numbers, and the values that these stand for, in the order of tables."""
    numbers = []
    known: dict[Any, None] = {}
    for column in (base, new):
        codes, values = (column.codes, column.categories) if _kind(key) == "category" else column.factorize()
        own = [*values, *([None] if (codes < 0).any() else [])]  # -1 is the code of what is missing
        known |= dict.fromkeys(own)
        numbers.append((codes, own))
    ordered = sorted(known, key=lambda value: rank(key, value))
    place = {value: code for code, value in enumerate(ordered)}
    kind = np.min_scalar_type(len(ordered))  # a million codes for a few values need little memory
    codes = [np.array([place.get(value, 0) for value in own or [None]], dtype=kind)[codes] for codes, own in numbers]
    return np.concatenate(codes), ordered


def _decoded(key: str, codes: Integers, values: list[Any]) -> Any:
    """Return the column that the codes stand for: texts as categories."""
    kind: Any = _kind(key)
    if kind != "category":
        return pd.array(values, dtype=kind).take(codes)
    words = [value for value in values if value is not None]
    place = np.array([words.index(value) if value is not None else -1 for value in values])
    return words_of(place[codes], words)


def _combined(several: list[Integers]) -> Integers:
    """Return one number for each combination of codes; sorted, they are in the order of the first, then the second."""
    combined = np.zeros(len(several[0]), dtype=np.int64)
    size = 1
    for codes in several:
        count = int(codes.max(initial=0)) + 1
        if count == 1:
            continue
        if size * count >= _MOST:
            combined = np.unique(combined, return_inverse=True)[1]
            size = int(combined.max(initial=0)) + 1
        combined = combined * count + codes
        size *= count
    return combined


def _places(identity: Integers, found: Integers, cases: Columns, name: str) -> Integers:
    """Return where in a run's records each case is, or -1."""
    order = np.argsort(identity, kind="stable")
    ascending = identity[order]
    twice = np.flatnonzero(ascending[1:] == ascending[:-1])
    if len(twice):
        row = int(np.searchsorted(found, ascending[twice[0]]))
        which = describe({key: None if pd.isna(cases[key][row]) else cases[key][row] for key in KEYS})
        raise LstmbenchError(f"Two records of {name} are of the same case: {which}.")
    if not len(order):
        return np.full(len(found), -1)
    place = np.minimum(np.searchsorted(ascending, found), len(order) - 1)
    return np.where(ascending[place] == found, order[place], -1)


def _taken(side: Columns, rows: Integers) -> Columns:
    """Return these rows of the values; -1 gives missing ones."""
    if np.array_equal(rows, np.arange(len(side["status"]))):
        return side
    return {name: side.pop(name).take(rows, allow_fill=True) for name in VALUES}


def _partners(identity: Integers, only_base: Mask, only_new: Mask) -> Integers:
    """Return, for each case of one run alone, a case of the other run alone that has the same identity, or -1."""
    found = np.full(len(identity), -1)
    for mine, theirs in ((only_base, only_new), (only_new, only_base)):
        here, there = np.flatnonzero(mine), np.flatnonzero(theirs)
        if len(here) and len(there):
            there = there[np.argsort(identity[there], kind="stable")]
            place = np.minimum(np.searchsorted(identity[there], identity[here]), len(there) - 1)
            found[here] = np.where(identity[there[place]] == identity[here], there[place], -1)
    return found
