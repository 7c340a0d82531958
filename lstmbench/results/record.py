"""What one row says: the columns of a record, their types and units."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

STATUSES = ("ok", "failed", "skipped", "timeout", "out_of_memory", "wrong_result")

CASE_COLUMNS: dict[str, str] = {
    "implementation": "string",
    "backend": "string",
    "variant": "string",
    "peer": "boolean",
    "device": "string",
    "dtype": "string",
    "mode": "string",
    "batch_size": "Int64",
    "seq_len": "Int64",
    "input_size": "Int64",
    "hidden_size": "Int64",
    "num_layers": "Int64",
    "bidirectional": "boolean",
    "lengths": "string",
    "threads": "Int64",
    "input": "string",
}
"""What was asked for: the implementation and its workload."""

COLUMNS: dict[str, str] = CASE_COLUMNS | {
    "status": "string",
    "error": "string",
    "time_median_s": "Float64",
    "time_low_s": "Float64",
    "time_high_s": "Float64",
    "time_p05_s": "Float64",
    "time_p95_s": "Float64",
    "samples": "Int64",
    "processes": "Int64",
    "rounds": "Int64",
    "disturbed_rounds": "Int64",
    "noisy": "boolean",
    "accounted_share": "Float64",
    "cores_busy": "Float64",
    "flags": "string",
    "first_call_s": "Float64",
    "compile_s": "Float64",
    "ratio": "Float64",
    "ratio_low": "Float64",
    "ratio_high": "Float64",
    "ratio_to": "string",
    "converged": "boolean",
    "peak_host_bytes": "Int64",
    "peak_device_bytes": "Int64",
    "allocated_bytes": "Int64",
    "allocated_bytes_per_step": "Float64",
    "formula_bytes": "Int64",
    "formula_bytes_per_step": "Int64",
    "output_rel_error": "Float64",
    "grad_rel_error": "Float64",
    "flops": "Float64",
    "roofline_fraction": "Float64",
    "roofline_low": "Float64",
    "roofline_high": "Float64",
    "products_s": "Float64",
    "products_fraction": "Float64",
    "products_low": "Float64",
    "products_high": "Float64",
    "machine_flops_per_s": "Float64",
    "machine_bytes_per_s": "Float64",
    "suite": "string",
    "workload": "string",
    "run_id": "string",
    "environment_id": "string",
}
"""Every column that a reader may count on, in this order. What was not measured is missing, never 0."""

LEARNING_COLUMNS: dict[str, str] = {
    "task": "string",
    "cell": "string",
    "seed": "Int64",
    "sizes": "string",
    "recipe": "string",
    "metric": "string",
    "higher_is_better": "boolean",
    "score": "Float64",
    "solved": "boolean",
    "best_epoch": "Int64",
    "epochs": "Int64",
    "updates": "Int64",
    "epoch_s": "Float64",
    "loss": "Float64",
    "ended": "string",
}
"""What the records of lessons have beside the others. ``score`` is the metric on the test data, with the weights of
the epoch that was best on the validation data; ``epoch_s`` the median seconds of an epoch's updates. In the samples,
one row per epoch, ``round`` is its number, ``loss`` the mean over its batches, ``score`` that of the validation data."""

HOST_COLUMNS: dict[str, str] = {"host": "string"}
"""What the records of a run on several hosts have beside the others: the name of the one that measured this row."""

LESSON_KEYS = ("task", "cell", "seed", "sizes", "recipe")
"""What tells the records of one implementation apart in a run of lessons."""

SAMPLE_COLUMNS: dict[str, str] = CASE_COLUMNS | {
    "process": "Int64",
    "round": "Int64",
    "sample": "Int64",
    "disturbed": "boolean",
    "disturbance": "string",
    "calls": "Int64",
    "seconds": "Float64",
    "products_s": "Float64",
    "machine_flops_per_s": "Float64",
    "machine_bytes_per_s": "Float64",
}
"""One row per timed sample: ``seconds`` is the time of one call, the mean over ``calls`` calls in a row. The machine's
limits are those of the sample's round."""


def frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str] = COLUMNS) -> pd.DataFrame:
    """Return the rows as a tidy DataFrame with the columns' types; columns that the schema doesn't know come last."""
    table = pd.DataFrame(list(rows))
    return typed(table, columns)


def typed(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return the table with all these columns, and those that lessons and hosts add where it has them, in their types."""
    added = LEARNING_COLUMNS | HOST_COLUMNS
    known = dict(columns) | {name: kind for name, kind in added.items() if name in table.columns}
    extra = [name for name in table.columns if name not in known]
    return table.reindex(columns=[*known, *extra]).astype(known)
