"""The words for columns and values, and the order in which they come."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.number_format import plural
from lstmbench.results import schema
from lstmbench.results.schema import COLUMNS

Row = dict[str, Any]

WORKLOAD: Final = (
    "device", "dtype", "threads", "mode", "input",
    "lengths", "bidirectional", "batch_size", "num_layers", "input_size", "hidden_size", "seq_len",
)  # fmt: skip
"""What all rows of one comparison share, in the order in which tables are sorted."""

SHAPE: Final = "shape"
"""A column of words for all that ``SHAPE_KEYS`` say, for figures in which no size is an axis."""
SHAPE_KEYS: Final = (
    "batch_size", "num_layers", "input_size", "hidden_size", "seq_len", "bidirectional", "lengths",
)  # fmt: skip

FORMULA: Final = "formula"
"""The name that stands for an implementation where the formula's bytes are shown; it comes last."""


def quantity(name: str) -> schema.Column:
    """Return the column: as the schema, its metric or the ending of its name says."""
    known = schema.BY_NAME.get(name) or _declared().get(name)
    return known or schema.number(name, "workload" if name == SHAPE else "")


def _declared() -> dict[str, schema.Column]:
    """Return the columns that metrics declare themselves."""
    from lstmbench.measure.metrics import columns  # only here: most records have no such column

    return columns()


def rank(column: str, value: Any) -> tuple[int, float, str]:
    """Return the sort key of a value: the known ones in their order, then numbers, then the
    alphabet.

    Numbers within words count as numbers: v2 comes before v10.
    """
    known = schema.BY_NAME[column].values if column in schema.BY_NAME else ()
    if value in known:
        return 0, known.index(value), ""
    if value == FORMULA:
        return 3, 0.0, ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return 2, 0.0, re.sub(r"\d+", lambda digits: digits[0].zfill(12), str(value))


def ordered(column: str, values: Iterable[Any]) -> list[Any]:
    """Return the distinct values, sorted by ``rank``."""
    return sorted(set(values), key=lambda value: rank(column, value))


def key_of(row: Row, keys: Sequence[str]) -> tuple[Any, ...]:
    """Return a row's values in these columns."""
    return tuple(row[key] for key in keys)


def combinations(rows: Iterable[Row], keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the distinct combinations of values in these columns, in order."""
    return list(grouped(rows, keys))


def grouped(rows: Iterable[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    """Return the rows of each combination of values in these columns, the combinations in order."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(key_of(row, keys), []).append(row)
    in_order = sorted(
        groups, key=lambda values: [rank(*pair) for pair in zip(keys, values, strict=True)]
    )
    return {values: groups[values] for values in in_order}


def varying_keys(rows: Sequence[Row], *left_out: str) -> list[str]:
    """Return the columns in which these workloads differ."""
    return [
        key
        for key in workload_keys(rows)
        if key not in left_out and len({row[key] for row in rows}) > 1
    ]


def is_square(rows: Iterable[Row]) -> bool:
    """Say whether the input size is the hidden size everywhere: then one of the two is enough."""
    return all(row["input_size"] == row["hidden_size"] for row in rows)


def workload_keys(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the columns that tell these workloads apart; of equal sizes I and H, only H."""
    square = is_square(rows)
    return tuple(key for key in ("run_id", *WORKLOAD) if not (square and key == "input_size"))


_USUAL: Final = {"bidirectional": (False, None), "lengths": ("full", None)}
"""What goes without saying, where something else is said."""


def status_words(status: str | None) -> str:
    """Return a status as words."""
    return str(status or "no status").replace("_", " ")


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """Return how many rows have each status, ``ok`` first."""
    words = [status_words(row["status"]) for row in rows]
    return {
        word: words.count(word)
        for word in sorted(set(words), key=lambda word: (word != "ok", word))
    }


def counts(statuses: Mapping[str, int]) -> str:
    """Return counted statuses as one phrase, such as ``2 failed, 1 timeout``."""
    return ", ".join(f"{count} {word}" for word, count in statuses.items()) or "none"


_SYMBOLS: Final = {
    "batch_size": "B",
    "input_size": "I",
    "hidden_size": "H",
    "num_layers": "L",
    "seq_len": "T",
}
_PHRASES: Final[Mapping[str, Callable[[Any], str]]] = {
    **dict.fromkeys(("mode", "dtype", "implementation", "status", "machine"), str),
    "threads": lambda value: plural(value, "thread"),
    "device": lambda value: {"cpu": "CPU", "cuda": "GPU (cuda)"}.get(value, str(value)),
    "bidirectional": lambda value: "both directions" if value else "one direction",
    "lengths": "{} lengths".format,
    "input": lambda value: f"{str(value).removesuffix('s')} input",
    "ratio_to": "relative to {}".format,
}


def phrase(column: str, value: Any) -> str:
    """Return a column's value as it stands in a caption, such as ``B = 8`` or ``1 thread``."""
    words = column.replace("_", " ")
    if value is None:
        return f"{words} not recorded"
    if column in _SYMBOLS:
        return f"{_SYMBOLS[column]} = {value}"
    return _PHRASES[column](value) if column in _PHRASES else f"{words} {value}"


def describe(values: Mapping[str, Any], square: bool = False) -> str:
    """Return columns and values as one phrase, such as ``training, random input, I = H = 64``.

    Args:
        values: by their columns.
        square: whether the input size is known to be the hidden size, though it is not among the
            values.
    """
    square = square or values.get("input_size") == values.get("hidden_size") is not None
    unusual = {
        name: value for name, value in values.items() if value not in _USUAL.get(name, ())
    } or values
    return ", ".join(
        f"I = {phrase(name, value)}"
        if square and name == "hidden_size" and value is not None
        else phrase(name, value)
        for name, value in unusual.items()
        if not (square and name == "input_size")
    )


def shapes(rows: Sequence[Row]) -> list[str]:
    """Return for each row what of its shape is not the same in all rows, in short: ``B=16 H=256
    T=100``."""
    varying = varying_keys(rows)
    keys = [key for key in SHAPE_KEYS if key in varying]
    return [
        " ".join(
            phrase(key, row[key]).replace(" = ", "=")
            for key in keys
            if row[key] not in _USUAL.get(key, ())
        )
        for row in rows
    ]


MAX_ROWS: Final = 100_000
"""Maximum number of records in a table or figure: each becomes a Python object."""


def rows_of(records: pd.DataFrame, needed: Sequence[str] = ()) -> list[Row]:
    """Return the records as plain Python values: every known column is there, what is missing is
    None.

    Raises:
        LstmbenchError: if this is no table of records, it has no rows, or it lacks a column.
    """
    if not isinstance(records, pd.DataFrame):
        raise LstmbenchError(
            f"Records are a DataFrame, as read_results returns it, not a {type(records).__name__}."
        )
    wanted = dict.fromkeys(("implementation", "status", *needed))
    missing = [name for name in wanted if name not in records.columns]
    if missing:
        raise LstmbenchError(f"The records have no column {' and no column '.join(missing)}.")
    if records.empty:
        raise LstmbenchError("There are no records to show: the table has no rows.")
    if len(records) > MAX_ROWS:
        raise LstmbenchError(
            f"These are {len(records):,} records, and no more than {MAX_ROWS:,} are shown: select some."
        )
    bare = records.copy(deep=False)
    bare.attrs = {}  # or pandas copies the manifest with every column that is looked at
    columns = {str(name): _values(bare[name], COLUMNS.get(name, "")) for name in bare.columns}
    blank = dict.fromkeys(COLUMNS)
    return [
        blank | dict(zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]


def _values(column: pd.Series, kind: str) -> list[Any]:
    """Return a column as Python values; a column of integers with missing ones may have come as
    floats."""
    whole = (
        int if kind == "Int64" else lambda value: value.item() if hasattr(value, "item") else value
    )
    pairs = zip(column.astype(object), column.isna(), strict=True)
    return [None if missing else whole(value) for value, missing in pairs]
