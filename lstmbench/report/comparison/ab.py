"""The outcome of an A/B run: at each workload, whether B is slower or faster than A, or the same.

A and B took turns in the rounds of one run, so that their ratio needs no second run and does not
contain what differs between days. The verdicts are those of ``verdicts.py``, for all workloads
together.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lstmbench import exit_codes
from lstmbench.errors import LstmbenchError
from lstmbench.report.comparison.markdown_parts import case_table
from lstmbench.report.comparison.matched_cases import RATIO
from lstmbench.report.comparison.verdicts import (
    AMBIGUOUS,
    CONFIDENCE,
    FALSE_DISCOVERIES,
    INTERVAL,
    SLOWER,
    check_threshold,
    classify_change,
    estimate_change,
    has_interval,
    verdict_words,
)
from lstmbench.report.labels import WORKLOAD, varying_columns
from lstmbench.report.number_format import number, plural

THRESHOLD = 0.02
"""The smallest change that matters; less than between two runs, since A and B share each round."""


@dataclass(frozen=True)
class ABComparison:
    """The outcome at each workload.

    Attributes:
        a, b: the implementations; the ratio is the time of B over that of A.
        frame: one row per workload: its keys, ``ratio`` with the interval of the record,
            ``verdict``, and ``low`` and ``high``, the interval that the verdict is based on.
        statuses: of all cases of the run.
        threshold: the smallest change that matters, as a fraction.
    """

    a: str
    b: str
    frame: pd.DataFrame
    statuses: frozenset[str]
    threshold: float

    @property
    def exit_code(self) -> int:
        """0 fine, 1 B is slower at a workload, 2 a case failed, 4 wrong result, 6 all ambiguous."""
        verdicts = set(self.frame["verdict"])
        if "wrong_result" in self.statuses:
            return exit_codes.WRONG_RESULT
        if SLOWER in verdicts:
            return exit_codes.REGRESSION
        if not verdicts or self.statuses - {"ok", "skipped"}:
            return exit_codes.NOT_POSSIBLE
        return exit_codes.AB_AMBIGUOUS if verdicts == {AMBIGUOUS} else exit_codes.OK

    def markdown(self) -> str:
        """Return the outcome as a table, and a sentence on the method."""
        columns = {
            "ratio": lambda row: number(row["ratio"]),
            "interval": lambda row: f"{number(row['low'])} to {number(row['high'])}",
            f"{self.b} is": lambda row: verdict_words(row["verdict"]),
        }
        table = case_table(self.frame, varying_columns(self.frame) or ["mode"], columns)
        return (
            f"{table}\n\nRatios: the time of {self.b} over that of {self.a} in the same rounds, "
            f"with intervals at {CONFIDENCE:.0%}; slower and faster: beyond a factor of "
            f"{1 + self.threshold:g}, and significantly among {plural(len(self.frame), 'ratio')}, "
            f"with {FALSE_DISCOVERIES:.0%} false discoveries (Benjamini-Hochberg).\n"
        )

    _repr_markdown_ = markdown


def compare_ab(records: pd.DataFrame, threshold: float = THRESHOLD) -> ABComparison:
    """Judge a run of ``lstmbench run --ab A B``.

    Args:
        records: of one run with two implementations, one of which is the reference.
        threshold: the smallest change that matters, as a fraction.

    Raises:
        LstmbenchError: if these are not records of an A/B run, or the threshold is invalid.
    """
    check_threshold(threshold)
    names = records["implementation"].unique().tolist()
    a = [*records["ratio_to"].dropna(), *names, ""][0]
    others = [name for name in names if name != a]
    if a not in names or len(others) != 1:
        expected = "An A/B run has exactly two implementations, one of them the reference"
        raise LstmbenchError(f"{expected}; these records are of {names}.")
    (b,) = others
    has_ratio = (records["implementation"] == b) & records["ratio"].notna()
    rows = records[has_ratio].reset_index(drop=True)
    ratios = rows[[*RATIO, "processes"]].astype(float).set_axis([*INTERVAL, "freedom"], axis=1)
    ratios["freedom"] -= 1
    if "ratio_freedom" in rows:
        ratios["freedom"] = rows["ratio_freedom"].astype(float).fillna(ratios["freedom"])
    known = has_interval(ratios)
    ratios, rows = ratios[known], rows[known]
    unity = ratios.assign(**dict.fromkeys(INTERVAL, 1.0), freedom=np.inf)
    change = estimate_change(unity, ratios)
    frame = rows[[*WORKLOAD, *RATIO]].assign(verdict=classify_change(change, threshold))
    frame = frame.join(np.exp(change[["low", "high"]]))
    return ABComparison(a, b, frame, frozenset(records["status"]), threshold)
