"""How memory grows with the sequence length: bytes per time step, measured and by formula."""

import pandas as pd

from lstmbench.report.gpu_coverage import keys
from lstmbench.report.labels import WORKLOAD, measured

COLUMNS = ["bytes_per_step", "formula_bytes_per_step", "times_formula"]


def growth(records: pd.DataFrame) -> pd.DataFrame:
    """Return what each further time step adds to the bytes that one call allocates.

    It is the slope between the shortest and the longest sequence of a workload, so bytes that do
    not depend on the length drop out.

    Args:
        records: as ``read_results`` returns them.

    Returns:
        One row per implementation and workload that was measured at two lengths or more: the
        workload, ``shortest``, ``longest`` (time steps), ``bytes_per_step``,
        ``formula_bytes_per_step``, ``times_formula``.
    """
    line = ["implementation", *(name for name in WORKLOAD if name != "seq_len")]
    cases = measured(records, "allocated_bytes").sort_values("seq_len")
    groups = cases.groupby(line, sort=False, dropna=False)
    ends = groups[["seq_len", "allocated_bytes", "formula_bytes"]]
    first, last = ends.first(), ends.last()
    steps = last["seq_len"] - first["seq_len"]
    table = pd.DataFrame({"shortest": first["seq_len"], "longest": last["seq_len"]})
    table[COLUMNS[:2]] = (last - first)[["allocated_bytes", "formula_bytes"]].div(steps, axis=0)
    table["times_formula"] = table["bytes_per_step"] / table["formula_bytes_per_step"]
    return table[steps > 0].reset_index()


def typical_growth(records: pd.DataFrame) -> pd.DataFrame:
    """Return the median of ``growth`` over workloads, by mode and implementation.

    If several devices were measured, each has rows of its own.
    """
    table = growth(records)
    return table.groupby(keys(table, "mode", "implementation"))[COLUMNS].median().round(1)
