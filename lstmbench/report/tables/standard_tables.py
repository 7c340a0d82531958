"""Tables as they are cited: pure functions of the records and of the manifest in their ``attrs``.

Every function here takes the records as ``read_results`` returns them.
"""

from collections.abc import Iterable

import pandas as pd

from lstmbench.core.tolerance import TOLERANCE
from lstmbench.report.labels import FORMULA, WORKLOAD, Row, cases_of, key_of, ordered
from lstmbench.report.number_format import number, pick_unit
from lstmbench.report.tables.cells import Cell, Notes, has_number, numbers, status
from lstmbench.report.tables.published_times import published_tables
from lstmbench.report.tables.table import Table, make
from lstmbench.report.tables.training_tables import is_training_run, learning_table
from lstmbench.results import schema
from lstmbench.results.schema import BYTES, SECONDS

EXTENT = ("samples", "processes", "rounds", "disturbed_rounds", "converged", "noisy", "flags")
"""The columns that say how well a time or a ratio is known."""
_RUN_WORKLOAD = ("run_id", *WORKLOAD)


def speed_table(records: pd.DataFrame) -> Table:
    """Return the median time of one call with its 95 % interval, in one unit."""
    rows, manifests = cases_of(records)
    unit = _unit(rows, "time_median_s")
    return make(
        "speed",
        manifests,
        rows,
        f"Time of one call in {unit}: median [95 % interval]",
        {f"time, {unit}": numbers("time_median_s", SECONDS[unit], marks=True)},
        ["time_median_s", "time_low_s", "time_high_s", *EXTENT],
    )


def ratio_table(records: pd.DataFrame) -> Table:
    """Return the time relative to ``ratio_to`` in the same rounds, with its 95 % interval.

    Below 1 is faster. The row of the base itself gives its absolute time.
    """
    cases, manifests = cases_of(records)
    rows = with_base(cases)
    bases = bases_of(rows)
    unit = _unit((row for row in rows if row["implementation"] in bases), "time_median_s")

    def ratio(row: Row, notes: Notes) -> str:
        if row["implementation"] == row["ratio_to"] and has_number(row, "time_median_s"):
            return f"1 ({number(row['time_median_s'] * SECONDS[unit])} {unit})"
        return ratio_cell(row, notes)

    return make(
        "ratio",
        manifests,
        rows,
        f"Time of one call relative to {base_words(bases)}: "
        "median of the ratios within rounds [95 % interval]",
        {"ratio": ratio},
        ["ratio", "ratio_low", "ratio_high", "ratio_to", "time_median_s", *EXTENT],
        more="Below 1 is faster; the base's own row gives its absolute time.",
        extra_keys=["ratio_to"] if len(bases) > 1 else [],
    )


def memory_table(records: pd.DataFrame) -> Table:
    """Return what one call allocates and the process's peak in MiB, beside the formula's bytes."""
    rows, manifests = cases_of(records)
    columns = ["allocated_bytes", "peak_host_bytes"]
    remarks = [
        "allocated: the most that the framework's own allocator held during one call, beyond the "
        "inputs; process peak: the high-water mark of the process's memory during the call, "
        "libraries included."
    ]
    if any(row["formula_bytes"] is not None for row in rows):
        remarks.append(
            "formula: the bytes that an LSTM must keep beyond inputs and weights; it has no "
            "process (–)."
        )
    if any(has_number(row, "peak_device_bytes") for row in rows):
        columns.append("peak_device_bytes")
        remarks.append(
            "device peak: the most of a GPU's memory that the process held; on the CPU there is "
            "none (–)."
        )
    return make(
        "memory",
        manifests,
        rows + _formula(rows),
        "Memory of one call in MiB (1 MiB is 1,048,576 bytes)",
        {f"{schema.BY_NAME[name].label}, MiB": numbers(name, BYTES["MiB"]) for name in columns},
        ["allocated_bytes", "peak_host_bytes", "peak_device_bytes", "formula_bytes"],
        remarks,
    )


def accuracy_table(records: pd.DataFrame) -> Table:
    """Return the relative L2 errors of outputs and gradients against the float64 oracle.

    The caption gives the tolerance. A case beyond it shows its error and the letter of its note.
    """
    rows, manifests = cases_of(records)
    modes = {row["mode"] for row in rows}
    columns = ["output_rel_error", "grad_rel_error"]
    shown = columns[:1] if modes == {"inference"} else columns
    dtypes = ordered("dtype", (row["dtype"] for row in rows if row["dtype"] in TOLERANCE))
    tolerance = ", ".join(f"{TOLERANCE[dtype]:.0e} in {dtype}" for dtype in dtypes) or "not known"

    def errors(column: str) -> Cell:
        def error(row: Row, notes: Notes) -> str:
            reason = "" if row["status"] == "ok" else status(row, notes)
            if row[column] is not None and row["status"] in ("ok", "wrong_result"):
                return f"{row[column]:.1e} {reason}".rstrip()
            no_gradients = column == "grad_rel_error" and row["mode"] == "inference"
            return reason or ("–" if no_gradients else status(row, notes))

        return error

    some_gradients = len(shown) > 1 and "inference" in modes
    return make(
        "accuracy",
        manifests,
        rows,
        "Relative L2 error against the float64 reference, the worst of all outputs and of all "
        "gradients",
        {schema.BY_NAME[column].label: errors(column) for column in shown},
        columns,
        ["–: inference computes no gradients."] if some_gradients else [],
        more=f"Tolerance: {tolerance}.",
    )


def first_call_table(records: pd.DataFrame) -> Table:
    """Return the time of the first call, and what it took beyond a steady one."""
    rows, manifests = cases_of(records)
    unit = _unit(rows, "first_call_s")
    return make(
        "first-call",
        manifests,
        rows,
        f"First call of a process in {unit}, median over processes",
        {
            f"first call, {unit}": numbers("first_call_s", SECONDS[unit]),
            f"beyond a steady call, {unit}": numbers("compile_s", SECONDS[unit]),
        },
        ["first_call_s", "compile_s", "processes"],
        ["beyond a steady call: compilation, lazy initialisation, first touch of memory."],
    )


def limit_table(records: pd.DataFrame) -> Table:
    """Return how near each case comes to two limits of this machine, in percent with its interval.

    Older runs have no intervals: their rates are from one moment.
    """
    rows, manifests = cases_of(records)
    in_rounds = any(has_number(row, "roofline_low") for row in rows)
    columns = ["roofline_low", "roofline_high", "products_low", "products_high"]
    columns += ["machine_flops_per_s", "machine_bytes_per_s"]
    when = "in the same rounds [95 % interval]" if in_rounds else "in the same run"
    return make(
        "limit",
        manifests,
        rows,
        f"Share of the machine's limit in %, both measured {when}",
        {
            "of the roofline, %": numbers("roofline_fraction", 100),
            "of its products, %": numbers("products_fraction", 100),
        },
        ["roofline_fraction", "products_fraction", "products_s", "flops", "time_median_s"]
        + (columns if in_rounds else []),
        [
            "of the roofline: the time that the matrix products' FLOP take at the rate of a large "
            "square product, or the inputs and outputs at the rate of a copy, whichever is longer, "
            "over the time taken.",
            "of its products: the time that the matrix products take by themselves in NumPy, in "
            "the shapes that they have, over the time taken; above 100 where an implementation's "
            "products are better than NumPy's.",
        ],
    )


def growth_table(records: pd.DataFrame) -> Table:
    """Return by how many bytes memory grows per time step, by the allocator and by the formula."""
    rows, manifests = cases_of(records)
    return make(
        "growth",
        manifests,
        rows + _formula(rows),
        "Growth of a call's memory in bytes per time step",
        {"bytes per step": numbers("allocated_bytes_per_step")},
        ["allocated_bytes_per_step", "formula_bytes_per_step"],
        [
            "The allocator's peak of the whole sequence less that of its first half, over the "
            "steps of the other half."
        ],
    )


def standard_tables(records: pd.DataFrame) -> list[Table]:
    """Return every table of these records, in the order in which they are read."""
    if is_training_run(records):
        return [learning_table(records)]
    kinds = (
        ratio_table, speed_table, limit_table, memory_table, growth_table, accuracy_table,
        first_call_table,
    )  # fmt: skip
    return [*(kind(records) for kind in kinds), *published_tables(records)]


def ratio_cell(row: Row, notes: Notes) -> str:
    """Return the cell of a ratio to another implementation, or the word for why there is none."""
    if has_number(row, "ratio") or row["status"] != "ok":
        return numbers("ratio", marks=True)(row, notes)
    reason = f"{row['ratio_to'] or 'the base'} has no time at this workload."
    return f"no base {notes.letter(row, 'no base', reason)}"


def bases_of(rows: Iterable[Row]) -> list[str]:
    """Return the implementations that ratios are relative to."""
    return ordered("implementation", {row["ratio_to"] for row in rows} - {None})


def base_words(bases: list[str]) -> str:
    """Return what ratios are relative to, as a phrase."""
    return f"that of {bases[0]}" if len(bases) == 1 else "that of the base"


def with_base(rows: list[Row]) -> list[Row]:
    """Return the rows, each with the base of its workload, also where it has no ratio itself."""
    bases = {key_of(row, _RUN_WORKLOAD): row["ratio_to"] for row in rows if row["ratio_to"]}
    distinct = bases_of(rows)
    only = distinct[0] if len(distinct) == 1 else None
    return [row | {"ratio_to": bases.get(key_of(row, _RUN_WORKLOAD), only)} for row in rows]


def _unit(rows: Iterable[Row], column: str) -> str:
    """Return the unit of time in which most of these numbers are 1 or more."""
    return pick_unit((row[column] for row in rows if has_number(row, column)), SECONDS)


def _formula(rows: list[Row]) -> list[Row]:
    """Return one row per workload that stands for the formula."""
    workloads = {
        key_of(row, _RUN_WORKLOAD): row for row in rows if row["formula_bytes"] is not None
    }
    return [
        row
        | {
            "implementation": FORMULA,
            "peer": None,
            "status": "ok",
            "peak_host_bytes": None,
            "peak_device_bytes": None,
            "allocated_bytes": row["formula_bytes"],
            "allocated_bytes_per_step": row["formula_bytes_per_step"],
        }
        for row in workloads.values()
    ]
