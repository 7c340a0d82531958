"""Whether the ratios of a table come out the same in another run, row by row, and which implementation does not.

A ratio agrees if the interval of the quotient of both runs' ratios holds 1, or lies within the tolerance. Intervals are
those of ``verdicts.py``, for all rows together. Times belong to their machine: they are shown, and not judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmbench.errors import LstmbenchError
from lstmbench.show.comparing.compare import compare
from lstmbench.show.comparing.comparison import Comparison
from lstmbench.show.comparing.pairs import KEYS, words_of
from lstmbench.show.comparing.verdicts import SAME
from lstmbench.show.formats import csv_text
from lstmbench.show.labels import ordered
from lstmbench.show.tabulating.extract import run_tables
from lstmbench.show.tabulating.table import Table

TOLERANCE = 0.05
ENOUGH = 0.95
"""So many of the compared rows must agree."""

KINDS: Final = ("ratio", "speed")
"""The kinds of tables whose rows have a ratio."""

JUDGEMENTS = ("differs", "not compared", "agrees")
"""In the order in which they are told."""
DIFFERS, NOT_COMPARED, AGREES = JUDGEMENTS

THE_REFERENCE: Final = "the reference of all ratios: by itself it has a time only"

REPRODUCED, NOT_REPRODUCED, NOTHING_COMPARED = 0, 1, 2

_COLUMNS: Final = (
    *KEYS, "judgement", "change_percent", "low_percent", "high_percent", "base_ratio", "new_ratio", "base_time_s",
    "new_time_s", "base_status", "new_status", "flags", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Reproduction:
    """What became of the rows of a table in another run.

    Attributes:
        base, new: the table, as it was and as the other run gives it.
        frame: one row per row of the table: the case, ``judgement``, the change of the ratio in percent with its
            interval (above 0 is slower), ratios and absolute times in both runs, statuses, ``flags``, ``reason``.
        comparison: the comparison of the two runs.
        standing_out: the implementations whose ratios moved against those of all others, with the logarithm of
            by how much; the reference may be among them.
        reference: what the ratios are taken to; empty if not one and the same everywhere.
    """

    base: Table
    new: Table
    frame: pd.DataFrame
    comparison: Comparison
    standing_out: Mapping[str, float]
    reference: str

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each judgement."""
        found = self.frame["judgement"].value_counts()
        return {judgement: int(found.get(judgement, 0)) for judgement in JUDGEMENTS}

    @property
    def exit_code(self) -> int:
        """0 if 95 % of the ratios that can be compared agree, 1 if not or a result is wrong, 2 if none can."""
        counts = self.counts
        compared = counts[AGREES] + counts[DIFFERS]
        if self.comparison.wrong.any():
            return NOT_REPRODUCED
        if not compared:
            return NOTHING_COMPARED
        return REPRODUCED if counts[AGREES] >= ENOUGH * compared else NOT_REPRODUCED

    def csv(self) -> str:
        """Return ``frame`` as CSV, with all digits."""
        columns = [self.frame[name].astype(object) for name in _COLUMNS]
        rows = ([None if pd.isna(value) else value for value in row] for row in zip(*columns, strict=True))
        return csv_text(_COLUMNS, rows)

    def markdown(self) -> str:
        """Return the report."""
        from lstmbench.show.comparing.reproduction_page import page

        return page(self)

    def _repr_markdown_(self) -> str:
        return self.markdown()


def reproduction(table: str, base: str | Path, new: str | Path) -> Reproduction:
    """Hold the rows of a table against another run.

    Args:
        table: its stable name, such as ``quick-ratio``.
        base: the folder of the run that it is a table of.
        new: the folder of the other run.

    Raises:
        LstmbenchError: if one of the runs has no such table, its rows have no ratios, both are the same run, or they
            cannot be read.
    """
    before, after = (find_table(table, folder) for folder in (base, new))
    found = compare(base, new, threshold=TOLERANCE, by="ratio", across_machines=True)
    runs = {run["run_id"] for run in found.runs.values()}
    if len(runs) == 1:
        raise LstmbenchError(f"Both folders hold the run {runs.pop()}: a run cannot confirm itself.")
    frame = _judged(found.frame[found.frame["base_status"].notna()])
    references = ordered("implementation", frame["base_ratio_to"].dropna())
    only = str(references[0]) if len(references) == 1 else ""
    return Reproduction(before, after, frame, found, standing_out(frame, only) if only else {}, only)


def find_table(name: str, folder: str | Path) -> Table:
    """Return a table of a run, one whose rows have ratios.

    Raises:
        LstmbenchError: if it is of another kind, or the run has none of this name.
    """
    if name.rpartition("-")[2] not in KINDS:
        raise LstmbenchError(
            f"What carries over from run to run are ratios: {name!r} is no table of them; its name would end with "
            f"-{' or -'.join(KINDS)}."
        )
    tables = {made.id: made for made in run_tables(folder)}
    if name not in tables:
        raise LstmbenchError(f"There is no table {name!r} in {folder}; the tables are {', '.join(tables)}.")
    return tables[name]


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a comparison with what they mean here; the most different first."""
    low, high = (frame[name].to_numpy(dtype=np.float64) for name in ("low_percent", "high_percent"))
    by_ratio = (frame["quantity"] == "ratio").to_numpy()
    bounded = by_ratio & (low > -100)  # else a single process, of which nothing is known
    with np.errstate(invalid="ignore"):
        agrees = bounded & ((low <= 0) & (high >= 0) | (frame["verdict"] == SAME).to_numpy())
    judgement = np.where(agrees, JUDGEMENTS.index(AGREES), JUDGEMENTS.index(DIFFERS))
    judgement = np.where(bounded, judgement, JUDGEMENTS.index(NOT_COMPARED))
    reason = frame["reason"].astype(object)
    itself = frame["is_reference"] & (frame["base_status"] == "ok") & (frame["new_status"] == "ok")
    reason = reason.where(~itself, THE_REFERENCE).where(~bounded, "")
    judged = frame.assign(judgement=words_of(judgement, JUDGEMENTS), reason=reason)
    order = np.lexsort((np.arange(len(frame)), -abs(frame["change_percent"].fillna(0)), judgement))
    return judged.iloc[order].reset_index(drop=True)


def standing_out(frame: pd.DataFrame, reference: str, tolerance: float = TOLERANCE) -> dict[str, float]:
    """Return the implementations that became slower or faster than the others, with the logarithm of by how much.

    The reference is in every ratio: if it alone becomes slower, all others seem faster. So at each workload its own
    change, which is 0, stands beside those of the others, and their median is taken as no change. An implementation
    stands out if the median of what it has beyond that is more than the tolerance, and more than noise leaves open:
    half an interval over the root of its number of workloads.
    Of fewer than three at a workload, the median says nothing.

    Args:
        frame: judged rows.
        reference: the implementation that all ratios are taken to.
        tolerance: how much is nothing, as a fraction.
    """
    rows = frame[frame["judgement"].isin([AGREES, DIFFERS])]
    changes = pd.DataFrame(
        {
            "workload": rows.groupby(list(KEYS[1:]), dropna=False, observed=True, sort=False).ngroup(),
            "name": rows["implementation"].astype(str),
            "change": _logarithm(rows["change_percent"]),
            "half": (_logarithm(rows["high_percent"]) - _logarithm(rows["low_percent"])) / 2,
        }
    )
    own = pd.DataFrame({"workload": changes["workload"].unique(), "name": reference, "change": 0.0})
    changes = pd.concat([changes, own], ignore_index=True)
    by_workload = changes.groupby("workload")["change"]
    excess = (changes["change"] - by_workload.transform("median"))[by_workload.transform("size") >= 3]
    found = excess.groupby(changes["name"]).agg(["median", "size"])
    noise = changes["half"].groupby(changes["name"]).median().fillna(changes["half"].median())
    limit = np.maximum(np.log1p(tolerance), noise[found.index] / np.sqrt(found["size"]))
    beyond = found.loc[found["median"].abs() > limit, "median"]
    return {name: float(beyond[name]) for name in ordered("implementation", beyond.index)}


def _logarithm(percent: pd.Series) -> NDArray[np.float64]:
    return np.log1p(percent.to_numpy(dtype=np.float64) / 100)
