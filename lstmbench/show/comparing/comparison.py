"""What comes out of comparing two runs: a table of verdicts, as a page, as JSON, as an exit code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from lstmbench.show.comparing.differences import Difference
from lstmbench.show.comparing.verdicts import CONFIDENCE, FASTER, NOT_COMPARABLE, SAME, SLOWER, VERDICTS

FINE, REGRESSION, NOT_COMPARED, ONLY_AMBIGUOUS, WRONG_RESULT = 0, 1, 2, 3, 4

BROKEN: Final = ("failed", "timeout", "out_of_memory")
"""Statuses of a case that should have been measured."""


@dataclass(frozen=True)
class Comparison:
    """What has changed from one run to another.

    Attributes:
        frame: one row per case: the case, ``verdict``, ``quantity`` (``ratio`` or ``time``), the change in percent with
            its interval (above 0 is slower), ratios and absolute times in both runs, statuses, ``flags``, ``reason``.
            Regressions come first, then what is ambiguous, faster, not comparable, the same.
        threshold: the smallest change that matters, as a fraction.
        comparisons: for how many intervals together the confidence of 95 % holds.
        runs: by ``BASE`` and ``NEW``, the run's id and when it started.
        differences: what else is not the same in both runs.
        notes: what the reader should know, as sentences.
    """

    frame: pd.DataFrame
    threshold: float
    comparisons: int
    runs: Mapping[str, Mapping[str, str]]
    differences: Sequence[Difference]
    notes: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        """How many cases have each verdict."""
        found = self.frame["verdict"].value_counts()
        return {verdict: int(found.get(verdict, 0)) for verdict in VERDICTS}

    @property
    def wrong(self) -> pd.Series:
        """Which cases of the new run did not compute the LSTM."""
        return self.frame["new_status"] == "wrong_result"

    @property
    def lost(self) -> pd.Series:
        """Which cases that the base has measured failed, or ran out of time or memory, in the new run."""
        return (self.frame["base_status"] == "ok") & self.frame["new_status"].isin(BROKEN)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 regression, 2 nothing compared or a case lost, 3 nothing but ambiguous, 4 a wrong result.

        Where several hold, 4 comes before 1, then 2, then 3: no time is worth anything if the result is wrong.
        """
        counts = self.counts
        if self.wrong.any():
            return WRONG_RESULT
        if counts[SLOWER]:
            return REGRESSION
        if self.lost.any() or counts[NOT_COMPARABLE] == len(self.frame):
            return NOT_COMPARED
        return FINE if counts[SAME] or counts[FASTER] else ONLY_AMBIGUOUS

    @property
    def summary(self) -> str:
        """What came out, as one sentence."""
        counts = self.counts
        compared = len(self.frame) - counts[NOT_COMPARABLE]
        wrong, lost = count(int(self.wrong.sum()), "case"), count(int(self.lost.sum()), "case")
        nothing = "Nothing could be compared"
        said = {
            WRONG_RESULT: f"Wrong results: {wrong} of the new run did not compute the LSTM",
            REGRESSION: f"Regression: {counts[SLOWER]} of {count(compared, 'compared case')} slower",
            NOT_COMPARED: f"Lost: {lost} measured in the base failed in the new run" if self.lost.any() else nothing,
            ONLY_AMBIGUOUS: f"Undecided: of {count(compared, 'compared case')} every one is ambiguous",
            FINE: f"No regression in {count(compared, 'compared case')}",
        }
        words = ("slower", "ambiguous", "faster", "not comparable", "the same")
        told = zip(VERDICTS, words, strict=True)
        each = ", ".join(f"{counts[verdict]} {word}" for verdict, word in told if counts[verdict])
        return f"{said[self.exit_code]} ({each})."

    def markdown(self) -> str:
        """Return the comparison as a comment for a pull request; of each kind, no more rows than one reads."""
        from lstmbench.show.comparing.comparison_page import page

        return page(self)

    def json(self) -> str:
        """Return all of it as JSON, without NaN or infinities: what is missing or unbounded is null."""
        about = {
            "summary": self.summary,
            "exit_code": self.exit_code,
            "counts": self.counts,
            "wrong_results": int(self.wrong.sum()),
            "lost": int(self.lost.sum()),
            "threshold": self.threshold,
            "confidence": CONFIDENCE,
            "comparisons": self.comparisons,
            "runs": self.runs,
            "differences": [each._asdict() for each in self.differences],
            "notes": list(self.notes),
        }
        head = json.dumps(about, indent=2, allow_nan=False).removesuffix("\n}")
        cases = self.frame.to_json(orient="records", double_precision=15)
        return f'{head},\n  "cases": {cases}\n}}\n'

    def _repr_markdown_(self) -> str:
        return self.markdown()


def percent(share: float) -> str:
    """Return a share as percent, such as ``5 %``."""
    return f"{100 * share:.3g} %"


def count(number: int, word: str) -> str:
    """Return a number with its word, which is made plural where it has to be."""
    return f"{number} {word}{'' if number == 1 else 's'}"
