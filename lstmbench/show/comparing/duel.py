"""The outcome of a duel: at each workload, whether the second side is slower or faster than the first, or the same.

Both sides took turns in the same rounds of one run, so their ratio needs no second run, and none of what differs from
one day to the next is in it. Verdicts are reached as in ``verdicts.py``, for all workloads together.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.show.comparing.comparison import FINE, NOT_COMPARED, REGRESSION, WRONG_RESULT
from lstmbench.show.comparing.pairs import KEYS, words_of
from lstmbench.show.comparing.verdicts import (
    AMBIGUOUS,
    CONFIDENCE,
    SLOWER,
    VERDICTS,
    Side,
    change,
    check_threshold,
    judge,
)
from lstmbench.show.formats import number
from lstmbench.show.labels import describe
from lstmbench.show.tabulating.render import Cells, to_markdown

UNDECIDED = 6
"""Not ``compare``'s 3, which says of a run that its controls contradict its intervals."""
THRESHOLD = 0.02
"""The smallest change that matters. Smaller than between two runs, for the two sides shared every round."""


@dataclass(frozen=True)
class Duel:
    """Who won, workload by workload.

    Attributes:
        first, second: the two sides; the ratio is the second's time over the first's.
        frame: one row per workload: its columns, ``ratio`` with its interval in the record, ``verdict``, and
            ``low`` and ``high``, the interval that the verdict was reached by.
        statuses: of all cases of the run.
        threshold: the smallest change that matters, as a fraction.
    """

    first: str
    second: str
    frame: pd.DataFrame
    statuses: frozenset[str]
    threshold: float

    @property
    def exit_code(self) -> int:
        """0 fine, 1 the second is slower somewhere, 2 nothing measured, 4 a wrong result, 6 nothing but ambiguous."""
        verdicts = set(self.frame["verdict"])
        if "wrong_result" in self.statuses:
            return WRONG_RESULT
        if SLOWER in verdicts:
            return REGRESSION
        if not verdicts or self.statuses - {"ok", "skipped"}:
            return NOT_COMPARED
        return UNDECIDED if verdicts == {AMBIGUOUS} else FINE

    def markdown(self) -> str:
        """Return the outcome as a table with one line on how it was reached."""
        varying = [key for key in KEYS[1:] if self.frame[key].nunique(dropna=False) > 1] or ["mode"]
        lines = [(describe({key: row[key] for key in varying}), _cells(row)) for row in self.frame.to_dict("records")]
        columns = [("", "ratio"), ("", "interval"), ("", f"{self.second} is")]
        table = to_markdown(Cells("workload", columns, [("", lines)])).rstrip()
        return (
            f"{table}\n\nRatios: the time of {self.second} over that of {self.first} in the same rounds, medians; "
            f"slower and faster: beyond a factor of {1 + self.threshold:g}, with an interval that leaves out 1; "
            f"the intervals of the {len(self.frame)} together hold at {CONFIDENCE:.0%}.\n"
        )

    def _repr_markdown_(self) -> str:
        return self.markdown()


def duel(records: pd.DataFrame, threshold: float = THRESHOLD) -> Duel:
    """Judge a run of ``lstmbench run --ab``.

    Args:
        records: of one run with two implementations, of which one is the reference.
        threshold: the smallest change that matters, as a fraction.

    Raises:
        LstmbenchError: if the records are not those of a duel, or the threshold is out of its range.
    """
    check_threshold(threshold)
    names = list(dict.fromkeys(records["implementation"]))
    first = next(iter(records["ratio_to"].dropna()), names[0] if names else "")
    if len(names) != 2 or first not in names:
        raise LstmbenchError(f"A duel has two implementations, one of them the reference; here are {names}.")
    (second,) = (name for name in names if name != first)
    chosen = records[(records["implementation"] == second) & records["ratio"].notna()].reset_index(drop=True)
    one = np.ones(len(chosen))
    columns = (chosen[name].to_numpy(dtype=np.float64) for name in ("ratio", "ratio_low", "ratio_high", "processes"))
    found = change(Side(one, one, one, np.full(len(chosen), np.nan)), Side(*columns), len(chosen))
    frame = chosen[[*KEYS[1:], "ratio", "ratio_low", "ratio_high"]].assign(
        verdict=words_of(judge(found, threshold), VERDICTS), low=np.exp(found.low), high=np.exp(found.high)
    )
    return Duel(first, second, frame, frozenset(records["status"]), threshold)


def _cells(row: dict[Any, Any]) -> list[str]:
    said = {"SLOWER": "slower", "FASTER": "faster", "SAME": "the same", "AMBIGUOUS": "ambiguous"}
    return [number(row["ratio"]), f"{number(row['low'])} to {number(row['high'])}", said[row["verdict"]]]
