"""How memory grows with the sequence length: bytes for each further time step, beside the formula's."""

import pandas as pd

from lstmbench.show.devices import keys
from lstmbench.show.labels import WORKLOAD

COLUMNS = ["bytes_per_step", "formula_bytes_per_step", "times_formula"]


def growth(records: pd.DataFrame) -> pd.DataFrame:
    """Return what each further time step adds to the bytes that one call allocates.

    It is the slope between the shortest and the longest sequence of a workload; what is held once, whatever the
    length, drops out of it.

    Args:
        records: as ``read_results`` returns them.

    Returns:
        One row per implementation and workload that was measured at two lengths or more: the workload,
        ``shortest``, ``longest`` (time steps), ``bytes_per_step``, ``formula_bytes_per_step``, ``times_formula``.
    """
    line = ["implementation", *(name for name in WORKLOAD if name != "seq_len")]
    measured = records[records["allocated_bytes"].notna() & (records["status"] == "ok")].sort_values("seq_len")
    ends = measured.groupby(line, sort=False, dropna=False)
    lengths = {"shortest": ends["seq_len"].first(), "longest": ends["seq_len"].last()}
    table = pd.DataFrame(lengths).query("shortest < longest")
    steps = table["longest"] - table["shortest"]
    for column, name in zip(("allocated_bytes", "formula_bytes"), COLUMNS[:2], strict=True):
        table[name] = (ends[column].last() - ends[column].first()).loc[table.index] / steps
    table["times_formula"] = table["bytes_per_step"] / table["formula_bytes_per_step"]
    return table.reset_index()


def typical_growth(records: pd.DataFrame) -> pd.DataFrame:
    """Return the median over workloads of what ``growth`` finds, by mode and implementation.

    Where it was measured on several devices, each has rows of its own.
    """
    found = growth(records)
    return found.groupby(keys(found, "mode", "implementation"))[COLUMNS].median().round(1)
