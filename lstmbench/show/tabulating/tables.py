"""Tables as they are cited: pure functions of the records and of the manifest that came with them."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from lstmbench.cell.tolerance import TOLERANCE
from lstmbench.show.formats import interval, number, pick_unit
from lstmbench.show.labels import BYTES, FORMULA, SECONDS, WORKLOAD, Row, ordered, rows_of
from lstmbench.show.tabulating.layout import Layout
from lstmbench.show.tabulating.learning import is_learning, learning_table
from lstmbench.show.tabulating.published import published_tables
from lstmbench.show.tabulating.table import Notes, Show, Table, make, marked, status

_MIB = BYTES["MiB"]
_EXTENT = ("samples", "processes", "rounds", "disturbed_rounds", "converged", "noisy", "flags")


def speed_table(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> Table:
    """Return the median time of one call with its 95 % interval, in one unit.

    Args:
        records: as ``read_results`` returns them.
        manifest: of the run; that of ``records.attrs`` if None.
    """
    rows = rows_of(records)
    unit = _unit(rows, "time_median_s")

    def time(row: Row, notes: Notes) -> str:
        if not _has(row, "time_median_s"):
            return status(row, notes)
        per = SECONDS[unit]
        text = interval(*(_scaled(row[name], per) for name in ("time_median_s", "time_low_s", "time_high_s")))
        return text + marked(row, notes)

    return make(
        rows,
        _manifest(records, manifest),
        "speed",
        lambda layout: caption_of(f"Time of one call in {unit}: median [95 % interval]", layout),
        {f"time, {unit}": time},
        ["time_median_s", "time_low_s", "time_high_s", *_EXTENT],
    )


def ratio_table(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> Table:
    """Return the time relative to ``ratio_to``, measured in the same rounds, with its 95 % interval; below 1 is faster.

    The row of the base itself gives its absolute time. Arguments as for ``speed_table``.
    """
    rows = with_base(rows_of(records))
    bases = ordered("implementation", (row["ratio_to"] for row in rows if row["ratio_to"] is not None))
    unit = _unit([row for row in rows if row["implementation"] in bases], "time_median_s")

    def ratio(row: Row, notes: Notes) -> str:
        base = row["ratio_to"]
        if row["implementation"] == base and _has(row, "time_median_s"):
            return f"1 ({number(row['time_median_s'] * SECONDS[unit])} {unit})"
        return ratio_cell(row, notes)

    def caption(layout: Layout) -> str:
        against = f"that of {bases[0]}" if len(bases) == 1 else "that of the base"
        what = f"Time of one call relative to {against}: median of the ratios within rounds [95 % interval]"
        return f"{caption_of(what, layout)} Below 1 is faster; the base's own row gives its absolute time."

    return make(
        rows,
        _manifest(records, manifest),
        "ratio",
        caption,
        {"ratio": ratio},
        ["ratio", "ratio_low", "ratio_high", "ratio_to", "time_median_s", *_EXTENT],
        extra_keys=["ratio_to"] if len(bases) > 1 else [],
    )


def ratio_cell(row: Row, notes: Notes) -> str:
    """Return the cell of a ratio to another implementation, or the word for why there is none."""
    if _has(row, "ratio"):
        return interval(row["ratio"], row["ratio_low"], row["ratio_high"]) + marked(row, notes)
    if row["status"] != "ok":
        return status(row, notes)
    reason = f"{row['ratio_to'] or 'the base'} has no time at this workload."
    return f"no base {notes.letter(row, 'no base', reason)}"


def memory_table(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> Table:
    """Return what one call allocates and the process's peak, in MiB, beside the formula's bytes.

    Arguments as for ``speed_table``.
    """
    rows = rows_of(records)
    names = {"allocated_bytes": "allocated, MiB", "peak_host_bytes": "process peak, MiB"}
    if any(_has(row, "peak_device_bytes") for row in rows):
        names["peak_device_bytes"] = "device peak, MiB"
    remarks = [
        "allocated: the most that the framework's own allocator held during one call, beyond the inputs; "
        "process peak: the high-water mark of the process's memory during the call, libraries included."
    ]
    if any(row["formula_bytes"] is not None for row in rows):
        remarks.append("formula: the bytes that an LSTM must keep beyond inputs and weights; it has no process (–).")
    if "peak_device_bytes" in names:
        remarks.append("device peak: the most of a GPU's memory that the process held; on the CPU there is none (–).")

    def show(column: str) -> Show:
        def memory(row: Row, notes: Notes) -> str:
            if _has(row, column):
                return number(row[column] * _MIB)
            no_device = column == "peak_device_bytes" and row["device"] == "cpu" and row["status"] == "ok"
            return "–" if row["implementation"] == FORMULA or no_device else status(row, notes)

        return memory

    return make(
        rows + _formula(rows),
        _manifest(records, manifest),
        "memory",
        lambda layout: caption_of("Memory of one call in MiB (1 MiB is 1,048,576 bytes)", layout),
        {title: show(column) for column, title in names.items()},
        ["allocated_bytes", "peak_host_bytes", "peak_device_bytes", "formula_bytes"],
        remarks,
    )


def accuracy_table(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> Table:
    """Return the relative L2 errors of outputs and of gradients against the float64 oracle, beside the tolerance.

    A case beyond the tolerance shows its error and the letter of its note. Arguments as for ``speed_table``.
    """
    rows = rows_of(records)
    names = {"output_rel_error": "output error", "grad_rel_error": "gradient error"}
    without = any(row["mode"] == "inference" for row in rows)
    if all(row["mode"] == "inference" for row in rows):
        del names["grad_rel_error"]
    dtypes = ordered("dtype", (row["dtype"] for row in rows if row["dtype"] in TOLERANCE))
    tolerance = ", ".join(f"{TOLERANCE[dtype]:.0e} in {dtype}" for dtype in dtypes) or "not known"

    def show(column: str) -> Show:
        def error(row: Row, notes: Notes) -> str:
            if row[column] is not None and row["status"] in ("ok", "wrong_result"):
                text = f"{row[column]:.1e}"
                return text if row["status"] == "ok" else f"{text} {status(row, notes)}"
            if column == "grad_rel_error" and row["mode"] == "inference" and row["status"] == "ok":
                return "–"
            return status(row, notes)

        return error

    what = "Relative L2 error against the float64 reference, the worst of all outputs and of all gradients"
    return make(
        rows,
        _manifest(records, manifest),
        "accuracy",
        lambda layout: f"{caption_of(what, layout)} Tolerance: {tolerance}.",
        {title: show(column) for column, title in names.items()},
        ["output_rel_error", "grad_rel_error"],
        ["–: inference computes no gradients."] if without and len(names) > 1 else [],
    )


def first_call_table(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> Table:
    """Return the time of the first call, and what it took beyond a steady one. Arguments as for ``speed_table``."""
    rows = rows_of(records)
    unit = _unit(rows, "first_call_s")

    def show(column: str) -> Show:
        def time(row: Row, notes: Notes) -> str:
            return number(row[column] * SECONDS[unit]) if _has(row, column) else status(row, notes)

        return time

    return make(
        rows,
        _manifest(records, manifest),
        "first-call",
        lambda layout: caption_of(f"First call of a process in {unit}, median over processes", layout),
        {f"first call, {unit}": show("first_call_s"), f"beyond a steady call, {unit}": show("compile_s")},
        ["first_call_s", "compile_s", "processes"],
        ["beyond a steady call: compilation, lazy initialisation, first touch of memory."],
    )


def limit_table(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> Table:
    """Return how near each case comes to what this machine can do, in percent with its interval, by two limits.

    Older runs have no intervals: their rates are from one moment. Arguments as for ``speed_table``.
    """
    rows = rows_of(records)
    columns = ["roofline_fraction", "products_fraction", "products_s", "flops", "time_median_s"]
    in_turn = any(_has(row, "roofline_low") for row in rows)
    if in_turn:
        ends = [f"{limit}_{end}" for limit in ("roofline", "products") for end in ("low", "high")]
        columns += [*ends, "machine_flops_per_s", "machine_bytes_per_s"]
    when = "in the same rounds [95 % interval]" if in_turn else "in the same run"

    def show(limit: str) -> Show:
        def share(row: Row, notes: Notes) -> str:
            if not _has(row, f"{limit}_fraction"):
                return status(row, notes)
            return interval(*(_scaled(row[f"{limit}_{part}"], 100) for part in ("fraction", "low", "high")))

        return share

    return make(
        rows,
        _manifest(records, manifest),
        "limit",
        lambda layout: caption_of(f"Share of the machine's limit in %, both measured {when}", layout),
        {"of the roofline, %": show("roofline"), "of its products, %": show("products")},
        columns,
        [
            "of the roofline: the time that the matrix products' FLOP take at the rate of a large square product, or "
            "the inputs and outputs at the rate of a copy, whichever is longer, over the time taken.",
            "of its products: the time that the matrix products take by themselves in NumPy, in the shapes that they "
            "have, over the time taken; above 100 where an implementation's products are better than NumPy's.",
        ],
    )


def growth_table(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> Table:
    """Return by how many bytes memory grows with each time step, by the allocator and by the formula.

    Arguments as for ``speed_table``.
    """
    rows = rows_of(records)

    def growth(row: Row, notes: Notes) -> str:
        return number(row["allocated_bytes_per_step"]) if _has(row, "allocated_bytes_per_step") else status(row, notes)

    formula = [row | {"allocated_bytes_per_step": row["formula_bytes_per_step"]} for row in _formula(rows)]
    return make(
        rows + formula,
        _manifest(records, manifest),
        "growth",
        lambda layout: caption_of("Growth of a call's memory in bytes per time step", layout),
        {"bytes per step": growth},
        ["allocated_bytes_per_step", "formula_bytes_per_step"],
        ["The allocator's peak of the whole sequence less that of its first half, over the steps of the other half."],
    )


def tables(records: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> list[Table]:
    """Return every table of these records, in the order in which they are read."""
    if is_learning(records):
        return [learning_table(records, manifest)]
    kinds = (ratio_table, speed_table, limit_table, memory_table, growth_table, accuracy_table, first_call_table)
    return [*(kind(records, manifest) for kind in kinds), *published_tables(records, manifest)]


def _manifest(records: pd.DataFrame, given: Mapping[str, Any] | None) -> Any:
    return records.attrs.get("manifest") if given is None else given


def _has(row: Row, column: str) -> bool:
    """Say whether this case counts (it computed the LSTM) and has this number."""
    return row["status"] == "ok" and row[column] is not None


def _scaled(value: float | None, per: float) -> Any:
    return None if value is None else value * per


def _unit(rows: Iterable[Row], column: str) -> str:
    return pick_unit((row[column] for row in rows if _has(row, column)), SECONDS)


def caption_of(what: str, layout: Layout) -> str:
    """Return the caption: what is shown, what holds for all cells, and what the columns are."""
    along = {"seq_len": "sequence length T", "hidden_size": "hidden size H", "batch_size": "batch size B"}
    columns = f" Columns: {along[layout.axis]}." if layout.axis in along else ""
    constants = f" All cases: {layout.constants}." if layout.constants else ""
    return f"{what}.{constants}{columns}"


def _workload(row: Row) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("run_id", *WORKLOAD))


def with_base(rows: list[Row]) -> list[Row]:
    """Return the rows, each with the base of its workload, also where it has no ratio itself."""
    known = {row["ratio_to"] for row in rows if row["ratio_to"] is not None}
    only = next(iter(known)) if len(known) == 1 else None
    bases = {_workload(row): row["ratio_to"] for row in rows if row["ratio_to"] is not None}
    return [row | {"ratio_to": bases.get(_workload(row), only)} for row in rows]


def _formula(rows: list[Row]) -> list[Row]:
    """Return one row per workload that stands for the formula."""
    found = {_workload(row): row for row in rows if row["formula_bytes"] is not None}
    return [
        row | {"implementation": FORMULA, "peer": None, "status": "ok", "allocated_bytes": row["formula_bytes"]}
        | {"peak_host_bytes": None, "peak_device_bytes": None}
        for row in found.values()
    ]  # fmt: skip
