"""Tables as they are cited: pure functions of the records and of the manifest that came with
them."""

from collections.abc import Iterable

import pandas as pd

from lstmbench.core.tolerance import TOLERANCE
from lstmbench.report.labels import FORMULA, WORKLOAD, Row, key_of, ordered, rows_of
from lstmbench.report.number_format import interval, number, pick_unit
from lstmbench.report.tables.footnotes import Notes, marked, status
from lstmbench.report.tables.published import published_tables
from lstmbench.report.tables.table import Cell, Manifest, Table, make, manifest_of
from lstmbench.report.tables.training_tables import is_learning, learning_table
from lstmbench.results import schema
from lstmbench.results.schema import BYTES, SECONDS

EXTENT = ("samples", "processes", "rounds", "disturbed_rounds", "converged", "noisy", "flags")
"""The columns that say how well a time or a ratio is known."""


def speed_table(records: pd.DataFrame, manifest: Manifest = None) -> Table:
    """Return the median time of one call with its 95 % interval, in one unit.

    Args:
        records: as ``read_results`` returns them.
        manifest: of the run; that of ``records.attrs`` if None.
    """
    rows = rows_of(records)
    unit = _unit(rows, "time_median_s")
    return make(
        "speed",
        rows,
        manifest_of(records, manifest),
        f"Time of one call in {unit}: median [95 % interval]",
        {f"time, {unit}": numbers("time_median_s", SECONDS[unit], marks=True)},
        ["time_median_s", "time_low_s", "time_high_s", *EXTENT],
    )


def ratio_table(records: pd.DataFrame, manifest: Manifest = None) -> Table:
    """Return the time relative to ``ratio_to``, measured in the same rounds, with its 95 %
    interval.

    Below 1 is faster. The row of the base itself gives its absolute time. Arguments as for
    ``speed_table``.
    """
    rows = with_base(rows_of(records))
    bases = ordered(
        "implementation", (row["ratio_to"] for row in rows if row["ratio_to"] is not None)
    )
    unit = _unit((row for row in rows if row["implementation"] in bases), "time_median_s")

    def ratio(row: Row, notes: Notes) -> str:
        if row["implementation"] == row["ratio_to"] and _timed(row):
            return f"1 ({number(row['time_median_s'] * SECONDS[unit])} {unit})"
        return ratio_cell(row, notes)

    return make(
        "ratio",
        rows,
        manifest_of(records, manifest),
        f"Time of one call relative to {base_words(bases)}: median of the ratios within rounds [95 % interval]",
        {"ratio": ratio},
        ["ratio", "ratio_low", "ratio_high", "ratio_to", "time_median_s", *EXTENT],
        more=" Below 1 is faster; the base's own row gives its absolute time.",
        extra_keys=["ratio_to"] if len(bases) > 1 else [],
    )


def memory_table(records: pd.DataFrame, manifest: Manifest = None) -> Table:
    """Return what one call allocates and the process's peak, in MiB, beside the formula's bytes.

    Arguments as for ``speed_table``.
    """
    rows = rows_of(records)
    columns = ["allocated_bytes", "peak_host_bytes"]
    remarks = [
        "allocated: the most that the framework's own allocator held during one call, beyond the inputs; "
        "process peak: the high-water mark of the process's memory during the call, libraries included."
    ]
    if any(row["formula_bytes"] is not None for row in rows):
        remarks.append(
            "formula: the bytes that an LSTM must keep beyond inputs and weights; it has no process (–)."
        )
    if any(_has(row, "peak_device_bytes") for row in rows):
        columns.append("peak_device_bytes")
        remarks.append(
            "device peak: the most of a GPU's memory that the process held; on the CPU there is none (–)."
        )

    return make(
        "memory",
        rows + _formula(rows),
        manifest_of(records, manifest),
        "Memory of one call in MiB (1 MiB is 1,048,576 bytes)",
        {
            f"{schema.BY_NAME[column].label}, MiB": numbers(column, BYTES["MiB"])
            for column in columns
        },
        ["allocated_bytes", "peak_host_bytes", "peak_device_bytes", "formula_bytes"],
        remarks,
    )


def accuracy_table(records: pd.DataFrame, manifest: Manifest = None) -> Table:
    """Return the relative L2 errors of outputs and of gradients against the float64 oracle, beside
    the tolerance.

    A case beyond the tolerance shows its error and the letter of its note. Arguments as for
    ``speed_table``.
    """
    rows = rows_of(records)
    modes = {row["mode"] for row in rows}
    columns = (
        ["output_rel_error"] if modes == {"inference"} else ["output_rel_error", "grad_rel_error"]
    )
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

    return make(
        "accuracy",
        rows,
        manifest_of(records, manifest),
        "Relative L2 error against the float64 reference, the worst of all outputs and of all gradients",
        {schema.BY_NAME[column].label: errors(column) for column in columns},
        ["output_rel_error", "grad_rel_error"],
        ["–: inference computes no gradients."]
        if len(columns) > 1 and "inference" in modes
        else [],
        more=f" Tolerance: {tolerance}.",
    )


def first_call_table(records: pd.DataFrame, manifest: Manifest = None) -> Table:
    """Return the time of the first call, and what it took beyond a steady one. Arguments as for
    ``speed_table``."""
    rows = rows_of(records)
    unit = _unit(rows, "first_call_s")
    return make(
        "first-call",
        rows,
        manifest_of(records, manifest),
        f"First call of a process in {unit}, median over processes",
        {
            f"first call, {unit}": numbers("first_call_s", SECONDS[unit]),
            f"beyond a steady call, {unit}": numbers("compile_s", SECONDS[unit]),
        },
        ["first_call_s", "compile_s", "processes"],
        ["beyond a steady call: compilation, lazy initialisation, first touch of memory."],
    )


def limit_table(records: pd.DataFrame, manifest: Manifest = None) -> Table:
    """Return how near each case comes to what this machine can do, in percent with its interval, by
    two limits.

    Older runs have no intervals: their rates are from one moment. Arguments as for ``speed_table``.
    """
    rows = rows_of(records)
    in_rounds = any(_has(row, "roofline_low") for row in rows)
    columns = ["roofline_low", "roofline_high", "products_low", "products_high"]
    columns += ["machine_flops_per_s", "machine_bytes_per_s"]
    when = "in the same rounds [95 % interval]" if in_rounds else "in the same run"
    return make(
        "limit",
        rows,
        manifest_of(records, manifest),
        f"Share of the machine's limit in %, both measured {when}",
        {
            "of the roofline, %": numbers("roofline_fraction", 100),
            "of its products, %": numbers("products_fraction", 100),
        },
        ["roofline_fraction", "products_fraction", "products_s", "flops", "time_median_s"]
        + (columns if in_rounds else []),
        [
            "of the roofline: the time that the matrix products' FLOP take at the rate of a large square product, or "
            "the inputs and outputs at the rate of a copy, whichever is longer, over the time taken.",
            "of its products: the time that the matrix products take by themselves in NumPy, in the shapes that they "
            "have, over the time taken; above 100 where an implementation's products are better than NumPy's.",
        ],
    )


def growth_table(records: pd.DataFrame, manifest: Manifest = None) -> Table:
    """Return by how many bytes memory grows with each time step, by the allocator and by the
    formula.

    Arguments as for ``speed_table``.
    """
    rows = rows_of(records)
    return make(
        "growth",
        rows + _formula(rows),
        manifest_of(records, manifest),
        "Growth of a call's memory in bytes per time step",
        {"bytes per step": numbers("allocated_bytes_per_step")},
        ["allocated_bytes_per_step", "formula_bytes_per_step"],
        [
            "The allocator's peak of the whole sequence less that of its first half, over the steps of the other half."
        ],
    )


def standard_tables(records: pd.DataFrame, manifest: Manifest = None) -> list[Table]:
    """Return every table of these records, in the order in which they are read."""
    if is_learning(records):
        return [learning_table(records, manifest)]
    kinds = (
        ratio_table,
        speed_table,
        limit_table,
        memory_table,
        growth_table,
        accuracy_table,
        first_call_table,
    )
    return [*(kind(records, manifest) for kind in kinds), *published_tables(records, manifest)]


def numbers(column: str, per: float = 1.0, marks: bool = False) -> Cell:
    """Return what writes the number in this column times ``per``, with its interval if it has one.

    Args:
        column: of the records.
        per: the factor from the record's unit to the one that is shown.
        marks: whether what is odd about the number is marked behind it.
    """
    known = schema.BY_NAME[column]

    def cell(row: Row, notes: Notes) -> str:
        if not _has(row, column):
            on_cpu = (
                column == "peak_device_bytes" and row["device"] == "cpu" and row["status"] == "ok"
            )
            return "–" if on_cpu or row["implementation"] == FORMULA else status(row, notes)
        text = number(row[column] * per)
        if known.low is not None and known.high is not None:
            low, high = (
                None if row[end] is None else row[end] * per for end in (known.low, known.high)
            )
            text = interval(row[column] * per, low, high)
        return text + (marked(row, notes) if marks else "")

    return cell


def ratio_cell(row: Row, notes: Notes) -> str:
    """Return the cell of a ratio to another implementation, or the word for why there is none."""
    if _has(row, "ratio") or row["status"] != "ok":
        return numbers("ratio", marks=True)(row, notes)
    reason = f"{row['ratio_to'] or 'the base'} has no time at this workload."
    return f"no base {notes.letter(row, 'no base', reason)}"


def base_words(bases: list[str]) -> str:
    """Return what ratios are relative to, as a phrase."""
    return f"that of {bases[0]}" if len(bases) == 1 else "that of the base"


def with_base(rows: list[Row]) -> list[Row]:
    """Return the rows, each with the base of its workload, also where it has no ratio itself."""
    bases = {
        key_of(row, _RUN_WORKLOAD): row["ratio_to"] for row in rows if row["ratio_to"] is not None
    }
    distinct = set(bases.values())
    only = distinct.pop() if len(distinct) == 1 else None
    return [row | {"ratio_to": bases.get(key_of(row, _RUN_WORKLOAD), only)} for row in rows]


_RUN_WORKLOAD = ("run_id", *WORKLOAD)


def _has(row: Row, column: str) -> bool:
    """Say whether this case counts (it computed the LSTM) and has this number."""
    return row["status"] == "ok" and row[column] is not None


def _timed(row: Row) -> bool:
    return _has(row, "time_median_s")


def _unit(rows: Iterable[Row], column: str) -> str:
    """Return the unit of time in which most of these numbers are 1 or more."""
    return pick_unit((row[column] for row in rows if _has(row, column)), SECONDS)


def _formula(rows: list[Row]) -> list[Row]:
    """Return one row per workload that stands for the formula."""
    workloads = {
        key_of(row, _RUN_WORKLOAD): row for row in rows if row["formula_bytes"] is not None
    }
    own = {
        "implementation": FORMULA,
        "peer": None,
        "status": "ok",
        "peak_host_bytes": None,
        "peak_device_bytes": None,
    }
    return [
        row
        | own
        | {
            "allocated_bytes": row["formula_bytes"],
            "allocated_bytes_per_step": row["formula_bytes_per_step"],
        }
        for row in workloads.values()
    ]
