"""The words for columns and values, the order of values, and the rows that share them."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.report.number_format import plural
from lstmbench.results import schema
from lstmbench.results.schema import COLUMNS

Row = dict[str, Any]

SIZES = ("batch_size", "num_layers", "input_size", "hidden_size", "seq_len")
WORKLOAD = (
    "device", "dtype", "threads", "mode", "input", "lengths", "bidirectional", *SIZES,
)  # fmt: skip
"""What all rows of one comparison share, in the order in which tables are sorted."""

SHAPE = "shape"
"""A column of words for all that ``SHAPE_KEYS`` say, for figures in which no size is an axis."""
SHAPE_KEYS = (*SIZES, "bidirectional", "lengths")

FORMULA = "formula"
"""The name that stands for an implementation where the formula's bytes are shown; it comes last."""


def quantity(name: str) -> schema.Column:
    """Return the column as the schema, its metric or the ending of its name describes it."""
    known = schema.BY_NAME.get(name)
    if known is None:
        # Imported only here, since few records have a column that a metric declares itself
        from lstmbench.measure.metrics import columns

        known = columns().get(name)
    return known or schema.number(name, "workload" if name == SHAPE else "")


def rank(column: str, value: Any) -> tuple[int, float, str]:
    """Return the sort key of a value: known values in their order, numbers, then the alphabet.

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
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[key_of(row, keys)].append(row)
    return dict(sorted(groups.items(), key=lambda group: [*map(rank, keys, group[0])]))


def varying(rows: Sequence[Row], keys: Iterable[str]) -> list[str]:
    """Return those of these columns in which the rows differ."""
    return [key for key in keys if len({row[key] for row in rows}) > 1]


def varying_keys(rows: Sequence[Row], *left_out: str) -> list[str]:
    """Return the columns in which these workloads differ."""
    return varying(rows, [key for key in workload_keys(rows) if key not in left_out])


def varying_columns(records: pd.DataFrame) -> list[str]:
    """Return the columns of the workload in which the records differ."""
    return [key for key in WORKLOAD if records[key].nunique(dropna=False) > 1]


def measured(records: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the cases that computed the LSTM and have a number in this column."""
    return records[(records["status"] == "ok") & records[column].notna()]


def shared(rows: Sequence[Row], keys: Iterable[str]) -> dict[str, Any]:
    """Return the values that all rows have in common; those of the run and unknown ones not."""
    common = {key: rows[0][key] for key in keys if not varying(rows, [key])}
    return {key: value for key, value in common.items() if value is not None and key != "run_id"}


def is_square(rows: Iterable[Row]) -> bool:
    """Return whether the input size is the hidden size everywhere, so that one is enough."""
    return all(row["input_size"] == row["hidden_size"] for row in rows)


def workload_keys(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the columns that tell these workloads apart; of equal sizes I and H, only H."""
    square = is_square(rows)
    return tuple(key for key in ("run_id", *WORKLOAD) if not (square and key == "input_size"))


_USUAL = {"bidirectional": (False, None), "lengths": ("full", None)}
"""Values that are not mentioned where there is something else to mention."""


def status_words(status: str | None) -> str:
    """Return a status as words."""
    return str(status or "no status").replace("_", " ")


def counted(statuses: Iterable[str | None]) -> dict[str, int]:
    """Return how many cases have each status, ``ok`` first."""
    words = Counter(map(status_words, statuses))
    return dict(sorted(words.items(), key=lambda item: (item[0] != "ok", item[0])))


def counts(statuses: Mapping[Any, int]) -> str:
    """Return counted statuses as one phrase, such as ``2 failed, 1 timeout``."""
    return ", ".join(f"{count} {word}" for word, count in statuses.items()) or "none"


_PHRASES: Mapping[str, Callable[[Any], str]] = {
    **dict.fromkeys(("mode", "dtype", "implementation", "status", "machine"), str),
    "threads": lambda value: plural(value, "thread"),
    "device": lambda value: {"cpu": "CPU", "cuda": "GPU (cuda)"}.get(value, str(value)),
    "bidirectional": lambda value: "both directions" if value else "one direction",
    "lengths": "{} lengths".format,
    "input": lambda value: f"{str(value).removesuffix('s')} input",
    "ratio_to": "relative to {}".format,
}


def symbol(column: str) -> str:
    """Return the symbol of a size, such as ``T``, or the last word of another column's label."""
    return quantity(column).label.split()[-1]


def phrase(column: str, value: Any) -> str:
    """Return a column's value as it stands in a caption, such as ``B = 8`` or ``1 thread``."""
    words = column.replace("_", " ")
    if value is None:
        return f"{words} not recorded"
    if column in SIZES:
        return f"{symbol(column)} = {value}"
    return _PHRASES[column](value) if column in _PHRASES else f"{words} {value}"


def describe(values: Mapping[str, Any], square: bool = False) -> str:
    """Return columns and values as one phrase, such as ``training, random input, I = H = 64``.

    Args:
        values: by their columns.
        square: whether the input size is known to be the hidden size, though it is not among the
            values.
    """
    square = square or values.get("input_size") == values.get("hidden_size") is not None
    unusual = {name: value for name, value in values.items() if value not in _USUAL.get(name, ())}
    return ", ".join(
        f"I = {phrase(name, value)}"
        if square and name == "hidden_size" and value is not None
        else phrase(name, value)
        for name, value in (unusual or values).items()
        if not (square and name == "input_size")
    )


def shapes(rows: Sequence[Row]) -> list[str]:
    """Return the part of each row's shape that differs among the rows: ``B=16 H=256 T=100``."""
    differing = varying_keys(rows)
    keys = [key for key in SHAPE_KEYS if key in differing]
    return [
        " ".join(
            phrase(key, row[key]).replace(" = ", "=")
            for key in keys
            if row[key] not in _USUAL.get(key, ())
        )
        for row in rows
    ]


MAX_ROWS = 100_000
"""Maximum number of records in a table or figure: each becomes a Python object."""


def rows_of(records: pd.DataFrame, needed: Iterable[str] = ()) -> list[Row]:
    """Return the records as Python values, with every column of the schema; None if missing.

    Raises:
        LstmbenchError: if these are not records, there are none or too many, or a column is
            missing.
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
            f"Too many records to show: {len(records):,}, at most {MAX_ROWS:,}. Select some."
        )
    bare = records.copy(deep=False)
    bare.attrs = {}  # or pandas would copy the manifest with every column
    return plain_rows(schema.typed(bare, COLUMNS))


def cases_of(records: pd.DataFrame) -> tuple[list[Row], Any]:
    """Return the records as ``rows_of`` does, and the manifest or manifests of their runs."""
    return rows_of(records), records.attrs.get("manifest")


def plain_rows(frame: pd.DataFrame) -> list[Row]:
    """Return the rows as Python values by column; None where one is missing."""
    values = frame.astype(object).where(frame.notna(), None)
    return cast("list[Row]", values.to_dict("records"))
