"""The words for columns and values, and the order in which they come."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.results.record import COLUMNS

Row = dict[str, Any]

WORKLOAD: Final = (
    "device", "dtype", "threads", "mode", "input",
    "lengths", "bidirectional", "batch_size", "num_layers", "input_size", "hidden_size", "seq_len",
)  # fmt: skip
"""What all rows of one comparison share, in the order in which tables are sorted."""

SHAPE: Final = "shape"
"""A column of words for all that ``SHAPE_KEYS`` say: where sizes lie along no axis, a workload is a place by itself."""
SHAPE_KEYS: Final = (
    "batch_size", "num_layers", "input_size", "hidden_size", "seq_len", "bidirectional", "lengths",
)  # fmt: skip

FORMULA: Final = "formula"
"""What stands in the place of an implementation where the formula's bytes are shown; it comes last."""

SECONDS: Final = {"s": 1.0, "ms": 1e3, "µs": 1e6}
BYTES: Final = {"MiB": 2.0**-20}
RATIO: Final = {"ratio": 1.0}
RELATIVE: Final = {"relative L2": 1.0}


@dataclass(frozen=True)
class Quantity:
    """How a column of numbers is named and scaled.

    Attributes:
        column: its name in the records.
        name: its name in words.
        units: name of each unit that it may be shown in, with how many of them make one of the record's.
        low, high: the columns with the ends of its interval, if it has one.
    """

    column: str
    name: str
    units: Mapping[str, float]
    low: str | None = None
    high: str | None = None


_QUANTITIES: Final = {
    quantity.column: quantity
    for quantity in (
        Quantity("time_median_s", "time of one call", SECONDS, "time_low_s", "time_high_s"),
        Quantity("first_call_s", "first call", SECONDS),
        Quantity("compile_s", "first call beyond a steady one", SECONDS),
        Quantity("ratio", "time ratio", RATIO, "ratio_low", "ratio_high"),
        Quantity("allocated_bytes", "allocated", BYTES),
        Quantity("formula_bytes", "formula", BYTES),
        Quantity("peak_host_bytes", "process peak", BYTES),
        Quantity("peak_device_bytes", "device peak", BYTES),
        Quantity("output_rel_error", "output error", RELATIVE),
        Quantity("grad_rel_error", "gradient error", RELATIVE),
        Quantity("roofline_fraction", "fraction of the machine's limit", RATIO, "roofline_low", "roofline_high"),
        Quantity("seq_len", "sequence length T", {"steps": 1.0}),
        Quantity("batch_size", "batch size B", {"sequences": 1.0}),
        Quantity("input_size", "input size I", {"numbers": 1.0}),
        Quantity("hidden_size", "hidden size H", {"numbers": 1.0}),
        Quantity("num_layers", "layers L", {"layers": 1.0}),
        Quantity("threads", "threads", {"threads": 1.0}),
        Quantity(SHAPE, "workload", {"": 1.0}),
    )
}


def quantity(column: str) -> Quantity:
    """Return how the column is shown; an unknown one by the unit that its name ends with."""
    if column in _QUANTITIES:
        return _QUANTITIES[column]
    for ending, units in (("_per_s", {"1/s": 1.0}), ("_s", SECONDS), ("_bytes", BYTES)):
        if column.endswith(ending):
            return Quantity(column, column.removesuffix(ending).replace("_", " "), units)
    return Quantity(column, column.replace("_", " "), {"": 1.0})


_ORDER: Final = {
    "device": ("cpu", "cuda"),
    "dtype": ("float64", "float32", "tf32", "bfloat16", "float16"),
    "mode": ("inference", "training"),
    "input": ("random", "temperatures"),
    "lengths": ("full", "staggered"),
    "implementation": (
        "numpy.reference", "numpy.fused", "torch.loop", "torch.fused", "torch.nn", "jax.scan", "jax.fused",
    ),
}  # fmt: skip


def rank(column: str, value: Any) -> tuple[int, float, str]:
    """Return the sort key of a value in a column: the known ones in their order, then numbers, then the alphabet.

    Numbers within words count as numbers: v2 comes before v10.
    """
    known = _ORDER.get(column, ())
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
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row, keys), []).append(row)
    by_rank = sorted(found, key=lambda values: [rank(key, value) for key, value in zip(keys, values, strict=True)])
    return {values: found[values] for values in by_rank}


def varying_keys(rows: Sequence[Row], *left_out: str) -> list[str]:
    """Return the columns in which these workloads differ."""
    return [key for key in workload_keys(rows) if key not in left_out and len({row[key] for row in rows}) > 1]


def is_square(rows: Iterable[Row]) -> bool:
    """Say whether the input size is the hidden size everywhere: then one of the two is enough."""
    return all(row["input_size"] == row["hidden_size"] for row in rows)


def workload_keys(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the columns that tell these workloads apart; without the input size where it always is the hidden size."""
    square = is_square(rows)
    return tuple(key for key in ("run_id", *WORKLOAD) if not (square and key == "input_size"))


_SYMBOLS: Final = {"batch_size": "B", "input_size": "I", "hidden_size": "H", "num_layers": "L", "seq_len": "T"}


_USUAL: Final = {"bidirectional": (False, None), "lengths": ("full", None)}
"""What goes without saying, where something else is said."""


def status_words(status: str | None) -> str:
    """Return a status as words."""
    return str(status or "no status").replace("_", " ")


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """Return how many rows have each status, ``ok`` first."""
    words = [status_words(row["status"]) for row in rows]
    return {word: words.count(word) for word in sorted(set(words), key=lambda word: (word != "ok", word))}


def counts(statuses: Mapping[str, int]) -> str:
    """Return counted statuses as one phrase, such as ``2 failed, 1 timeout``."""
    return ", ".join(f"{count} {word}" for word, count in statuses.items()) or "none"


def phrase(column: str, value: Any) -> str:
    """Return a column's value as it stands in a caption, such as ``B = 8`` or ``1 thread``."""
    if value is None:
        return f"{column.replace('_', ' ')} not recorded"
    if column in _SYMBOLS:
        return f"{_SYMBOLS[column]} = {value}"
    if column == "threads":
        return f"{value} thread{'' if value == 1 else 's'}"
    if column == "device":
        return {"cpu": "CPU", "cuda": "GPU (cuda)"}.get(value, str(value))
    if column == "bidirectional":
        return "both directions" if value else "one direction"
    if column == "lengths":
        return f"{value} lengths"
    if column == "input":
        return f"{str(value).removesuffix('s')} input"
    if column == "ratio_to":
        return f"relative to {value}"
    if column in ("mode", "dtype", "implementation", "status"):
        return str(value)
    return f"{column.replace('_', ' ')} {value}"


def describe(values: Mapping[str, Any], square: bool = False) -> str:
    """Return columns and values as one phrase, such as ``training, random input, I = H = 64``.

    Args:
        values: by their columns.
        square: whether the input size is known to be the hidden size, though it is not among the values.
    """
    square = square or values.get("input_size") == values.get("hidden_size") is not None
    usual = [column for column, value in values.items() if value in _USUAL.get(column, ())]
    if len(usual) == len(values):
        usual = []
    parts = []
    for column, value in values.items():
        if column in usual:
            continue
        if square and column == "hidden_size":
            parts.append(f"I = H = {value}")
        elif not (square and column == "input_size"):
            parts.append(phrase(column, value))
    return ", ".join(parts)


def shapes(rows: Sequence[Row]) -> list[str]:
    """Return for each row what of its shape is not the same in all of them, in few letters: ``B=16 H=256 T=100``."""
    varying = varying_keys(rows)
    keys = [key for key in SHAPE_KEYS if key in varying]
    return [
        " ".join(phrase(key, row[key]).replace(" = ", "=") for key in keys if row[key] not in _USUAL.get(key, ()))
        for row in rows
    ]


MOST_ROWS: Final = 100_000
"""No table or figure is made of more records: each of them becomes an object of Python's."""


def rows_of(records: pd.DataFrame, needed: Sequence[str] = ()) -> list[Row]:
    """Return the records as plain Python values: every known column is there, what is missing is None.

    Raises:
        LstmbenchError: if this is no table of records, it has no rows, or it lacks a column.
    """
    if not isinstance(records, pd.DataFrame):
        raise LstmbenchError(f"Records are a DataFrame, as read_results returns it, not a {type(records).__name__}.")
    wanted = dict.fromkeys(("implementation", "status", *needed))
    missing = [name for name in wanted if name not in records.columns]
    if missing:
        raise LstmbenchError(f"The records have no column {' and no column '.join(missing)}.")
    if records.empty:
        raise LstmbenchError("There are no records to show: the table has no rows.")
    if len(records) > MOST_ROWS:
        raise LstmbenchError(
            f"These are {len(records):,} records, and no more than {MOST_ROWS:,} are shown: select some."
        )
    bare = records.copy(deep=False)
    bare.attrs = {}  # or pandas copies the manifest with every column that is looked at
    columns = {str(name): _values(bare[name], COLUMNS.get(name, "")) for name in bare.columns}
    blank = dict.fromkeys(COLUMNS)
    return [blank | dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _values(column: pd.Series, kind: str) -> list[Any]:
    """Return a column as Python values; a column of integers in which some are missing may have come as floats."""
    found = []
    for value, missing in zip(column.astype(object), column.isna(), strict=True):
        python = None if missing else value.item() if hasattr(value, "item") else value
        found.append(int(python) if kind == "Int64" and python is not None else python)
    return found
