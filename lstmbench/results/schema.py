"""The columns of a record, each said once: name, type, label, units, interval, order of its values.

Tables, figures, pages and the store read them here. A metric that adds a column of its own declares
it in its own file, with the constructors below (see ``lstmbench.measure.metrics``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import pandas as pd

STATUSES = ("ok", "failed", "skipped", "timeout", "out_of_memory", "wrong_result")

SECONDS: Final = {"s": 1.0, "ms": 1e3, "µs": 1e6}
BYTES: Final = {"MiB": 2.0**-20}
_UNITS_BY_ENDING: Final = {"_per_s": {"1/s": 1.0}, "_s": SECONDS, "_bytes": BYTES, "": {"": 1.0}}
_RATIO: Final = {"ratio": 1.0}
_RELATIVE: Final = {"relative L2": 1.0}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as in the DataFrame; its unit is part of it.
        dtype: the type in pandas.
        label: its name in words.
        units: what it may be shown in: the factor from the record's unit to each, largest unit
            first.
        low, high: the columns with the ends of its 95 % interval, if it has one.
        values: its known values in the order in which they are shown.
    """

    name: str
    dtype: str
    label: str
    units: Mapping[str, float]
    low: str | None = None
    high: str | None = None
    values: tuple[str, ...] = ()


def column(
    dtype: str,
    name: str,
    label: str = "",
    units: Mapping[str, float] | None = None,
    interval: tuple[str | None, str | None] = (None, None),
    values: tuple[str, ...] = (),
) -> Column:
    """Return a column; without units and label, the name gives them: its ending, and the rest."""
    ending = next(ending for ending in _UNITS_BY_ENDING if name.endswith(ending))
    words = label or name.removesuffix(ending).replace("_", " ")
    return Column(name, dtype, words, units or _UNITS_BY_ENDING[ending], *interval, values)


text = partial(column, "string")
flag = partial(column, "boolean")
count = partial(column, "Int64")
number = partial(column, "Float64")

_IMPLEMENTATIONS = (
    "numpy.reference", "numpy.fused", "torch.loop", "torch.fused", "torch.nn", "jax.scan",
    "jax.fused",
)  # fmt: skip

_MACHINE_PEAKS = ("machine_flops_per_s", "machine_bytes_per_s")
PEAK_COLUMNS = ("products_s", *_MACHINE_PEAKS)
"""The peaks of the machine: in the samples one value a round, in the records their median."""

_CASE = (
    text("implementation", values=_IMPLEMENTATIONS),
    text("backend"),
    text("variant"),
    flag("peer"),
    text("device", values=("cpu", "cuda")),
    text("dtype", values=("float64", "float32", "tf32", "bfloat16", "float16")),
    text("mode", values=("inference", "training")),
    count("batch_size", "batch size B", {"sequences": 1.0}),
    count("seq_len", "sequence length T", {"steps": 1.0}),
    count("input_size", "input size I", {"numbers": 1.0}),
    count("hidden_size", "hidden size H", {"numbers": 1.0}),
    count("num_layers", "layers L", {"layers": 1.0}),
    flag("bidirectional"),
    text("lengths", values=("full", "staggered")),
    count("threads", "threads", {"threads": 1.0}),
    text("input", values=("random", "temperatures")),
)
_RESULT = (
    *map(text, ("status", "error")),
    number("time_median_s", "time of one call", interval=("time_low_s", "time_high_s")),
    *map(number, ("time_low_s", "time_high_s", "time_freedom", "time_p05_s", "time_p95_s")),
    *map(count, ("samples", "processes", "rounds", "disturbed_rounds")),
    flag("noisy"),
    *map(number, ("accounted_share", "cores_busy")),
    text("flags"),
    number("first_call_s"),
    number("compile_s", "first call beyond a steady one"),
    number("ratio", "time ratio", _RATIO, ("ratio_low", "ratio_high")),
    *map(number, ("ratio_low", "ratio_high", "ratio_freedom")),
    text("ratio_to"),
    flag("converged"),
    count("peak_host_bytes", "process peak"),
    count("peak_device_bytes", "device peak"),
    count("allocated_bytes"),
    number("allocated_bytes_per_step"),
    *map(count, ("formula_bytes", "formula_bytes_per_step")),
    number("output_rel_error", "output error", _RELATIVE),
    number("grad_rel_error", "gradient error", _RELATIVE),
    number("flops"),
    number(
        "roofline_fraction",
        "fraction of the machine's limit",
        _RATIO,
        ("roofline_low", "roofline_high"),
    ),
    *map(number, ("roofline_low", "roofline_high", "products_s")),
    number("products_fraction", interval=("products_low", "products_high")),
    *map(number, ("products_low", "products_high", *_MACHINE_PEAKS)),
    *map(text, ("suite", "workload", "run_id", "environment_id")),
)
_TRAINING = (
    text("task"),
    text("cell", values=("lstm", "rnn", "baselines")),
    count("seed"),
    *map(text, ("sizes", "recipe", "metric")),
    flag("higher_is_better"),
    number("score"),
    flag("solved"),
    *map(count, ("best_epoch", "epochs", "updates")),
    *map(number, ("epoch_s", "loss")),
    text("ended"),
)
_SAMPLE = (
    *map(count, ("process", "round", "sample")),
    flag("disturbed"),
    text("disturbance"),
    count("calls"),
    *map(number, ("seconds", *PEAK_COLUMNS)),
)
_HOST = (text("host"),)
_ADDED_BY_TABLES = (
    *map(text, ("machine", "source", "published_what", "published_device", "published_dtype")),
    *map(number, ("published_s", "published_ratio", "step_s", "published_step_s")),
)

BY_NAME: Final = {
    column.name: column
    for column in (*_SAMPLE, *_CASE, *_RESULT, *_TRAINING, *_HOST, *_ADDED_BY_TABLES)
}
"""Every column of records, samples and tables."""


def _dtypes(*columns: Column) -> dict[str, str]:
    return {column.name: column.dtype for column in columns}


CASE_COLUMNS: Final = _dtypes(*_CASE)
"""What was asked for: the implementation and its workload."""

COLUMNS: Final = _dtypes(*_CASE, *_RESULT)
"""The columns of every record, in this order. What was not measured is missing."""

TRAINING_COLUMNS: Final = _dtypes(*_TRAINING)
"""What the records of training runs add. ``score`` is the metric on the test data, with the weights
of the epoch that was best on the validation data; ``epoch_s`` the median seconds of an epoch's
updates. In the samples, one row per epoch, ``round`` is its number, ``loss`` the mean over its
batches, ``score`` that of the validation data."""

HOST_COLUMNS: Final = _dtypes(*_HOST)
"""What the records of a run on several hosts add: the name of the host that measured this row."""

TRAINING_KEYS = ("task", "cell", "seed", "sizes", "recipe")
"""What tells the records of one implementation apart in a run of training benchmarks."""

SAMPLE_COLUMNS: Final = _dtypes(*_CASE, *_SAMPLE)
"""One row per timed sample: ``seconds`` is the time of one call, the mean over ``calls`` calls in a
row. The machine's limits are those of the sample's round."""


def frame(
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, str] = COLUMNS,
    optional: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return the rows as a tidy DataFrame, see ``typed``."""
    return typed(pd.DataFrame(list(rows)), columns, optional)


def typed(
    table: pd.DataFrame,
    columns: Mapping[str, str],
    optional: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return the table with typed columns.

    Args:
        table: rows, whose columns of unknown names come last.
        columns: names and types of those that the result has in any case.
        optional: those that it has if the table has them, as it has the columns of training runs
            and of hosts: the ones that metrics declare.
    """
    added = TRAINING_COLUMNS | HOST_COLUMNS | dict(optional)
    known = dict(columns) | {name: kind for name, kind in added.items() if name in table.columns}
    extra = [name for name in table.columns if name not in known]
    return table.reindex(columns=[*known, *extra]).astype(known)
