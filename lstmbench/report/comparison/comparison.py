"""The outcome of comparing two runs: a table of verdicts, as an exit code, a page and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lstmbench import exit_codes
from lstmbench.report.comparison.manifest_diff import Difference
from lstmbench.report.comparison.markdown_parts import (
    MAX_CHARACTERS,
    MAX_TABLE_ROWS,
    case_table,
    change_text,
    constants_sentence,
    hidden_rows,
    join_parts,
    percent,
    ratios_text,
    runs_table,
    times_text,
)
from lstmbench.report.comparison.verdicts import (
    AMBIGUOUS,
    CONFIDENCE,
    FALSE_DISCOVERIES,
    FASTER,
    NOT_COMPARABLE,
    SAME,
    SLOWER,
    verdict_words,
)
from lstmbench.report.labels import Row, varying_columns
from lstmbench.report.number_format import bullets, markdown, plural, shorten

BROKEN = ("failed", "timeout", "out_of_memory")
"""Statuses of cases that should have been measured."""


def count_values(column: pd.Series) -> dict[str, int]:
    """Return the number of rows with each value of a categorical column, in their order."""
    counts: Any = column.value_counts(sort=False)
    return counts.to_dict()


def is_wrong(frame: pd.DataFrame) -> pd.Series:
    """Return which cases of the new run did not compute the LSTM."""
    return frame["new_status"] == "wrong_result"


def is_lost(frame: pd.DataFrame) -> pd.Series:
    """Return which cases that the base measured failed or exceeded a limit in the new run."""
    return (frame["base_status"] == "ok") & frame["new_status"].isin(BROKEN)


@dataclass(frozen=True)
class Comparison:
    """What changed from one run to another.

    Attributes:
        frame: one row per case: its keys, ``verdict``, ``quantity`` (``ratio`` or ``time``), the
            change in percent with its interval (above 0 is slower), ratios and absolute times of
            both runs, statuses, ``flags``, ``reason``. The verdicts are in the order of
            ``VERDICTS``, regressions first.
        threshold: the smallest change that matters, as a fraction.
        comparisons: the number of changes among which a verdict must be significant.
        runs: id and start of the runs ``BASE`` and ``NEW``.
        differences: what else is not the same in both runs.
        notes: what readers should know, as sentences.
    """

    frame: pd.DataFrame
    threshold: float
    comparisons: int
    runs: Mapping[str, Mapping[str, str]]
    differences: Sequence[Difference]
    notes: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        """The number of cases with each verdict."""
        return count_values(self.frame["verdict"])

    @property
    def exit_code(self) -> int:
        """0 fine, 1 regression, 2 nothing compared or a case lost, 3 all ambiguous, 4 wrong result.

        If several apply, the order is 4, 1, 2, 3: a time means nothing if the result is wrong.
        """
        return self._outcome()[0]

    @property
    def summary(self) -> str:
        """The outcome in one sentence."""
        numbers = [f"{n} {verdict_words(verdict)}" for verdict, n in self.counts.items() if n]
        return f"{self._outcome()[1]} ({', '.join(numbers)})."

    def _outcome(self) -> tuple[int, str]:
        """Return the exit code and the beginning of the summary."""
        counts = self.counts
        compared = plural(len(self.frame) - counts[NOT_COMPARABLE], "compared case")
        if wrong := int(is_wrong(self.frame).sum()):
            cases = plural(wrong, "case")
            sentence = f"Wrong results: {cases} of the new run did not compute the LSTM"
            return exit_codes.WRONG_RESULT, sentence
        if counts[SLOWER]:
            return exit_codes.REGRESSION, f"Regression: {counts[SLOWER]} of {compared} slower"
        if lost := int(is_lost(self.frame).sum()):
            sentence = f"Lost: {plural(lost, 'case')} measured in the base failed in the new run"
            return exit_codes.NOT_POSSIBLE, sentence
        if counts[NOT_COMPARABLE] == len(self.frame):
            return exit_codes.NOT_POSSIBLE, "Nothing could be compared"
        if counts[SAME] or counts[FASTER]:
            return exit_codes.OK, f"No regression in {compared}"
        return exit_codes.ONLY_AMBIGUOUS, f"Undecided: of {compared} every one is ambiguous"

    def json(self) -> str:
        """Return everything as JSON. Missing and infinite numbers are null."""
        head = {
            "summary": self.summary,
            "exit_code": self.exit_code,
            "counts": self.counts,
            "wrong_results": int(is_wrong(self.frame).sum()),
            "lost": int(is_lost(self.frame).sum()),
            "threshold": self.threshold,
            "confidence": CONFIDENCE,
            "comparisons": self.comparisons,
            "runs": self.runs,
            "differences": [difference._asdict() for difference in self.differences],
            "notes": list(self.notes),
        }
        text = json.dumps(head, indent=2, allow_nan=False).removesuffix("\n}")
        cases = self.frame.to_json(orient="records", double_precision=15)
        return f'{text},\n  "cases": {cases}\n}}\n'

    def markdown(self) -> str:
        """Return a comment for a pull request: the important first, the rest folded or counted."""
        frame, verdict = self.frame, self.frame["verdict"]
        wrong, lost = is_wrong(frame), is_lost(frame)
        sections = {
            "### Wrong results": wrong,
            "### Slower": verdict == SLOWER,
            "### Lost": lost,
            "### Ambiguous": verdict == AMBIGUOUS,
            "### Faster": verdict == FASTER,
            "### Not comparable": (verdict == NOT_COMPARABLE) & ~wrong & ~lost,
        }
        parts = [f"**{markdown(self.summary)}**", markdown(self._method())]
        parts += [constants_sentence(frame), bullets(map(markdown, self.notes))]
        for title, mask in sections.items():
            parts += self._section(title, mask)
        if same := self.counts[SAME]:
            title = f"<details>\n<summary>The same: {plural(same, 'case')}</summary>"
            parts += [*self._section(title, verdict == SAME), "</details>"]
        return join_parts([*parts, "### Base and new", runs_table(self.runs, self.differences)])

    _repr_markdown_ = markdown

    def _method(self) -> str:
        """Return what the verdicts mean, and what they are based on."""
        by_time = self.frame["quantity"] == "time"
        own = by_time & self.frame["is_reference"]
        quantities = {
            "by the ratio to the reference in the same rounds": self.frame["quantity"] == "ratio",
            "of the reference itself by time": own,
            "by time": by_time & ~own,
        }
        compared = [f"{mask.sum()} {words}" for words, mask in quantities.items() if mask.any()]
        return (
            f"Compared: {', '.join(compared) or 'nothing'}. Slower and faster: by a factor of more "
            f"than {1 + self.threshold:g}, and significantly among "
            f"{plural(self.comparisons, 'comparison')}, with {percent(FALSE_DISCOVERIES)} false "
            "discoveries (Benjamini-Hochberg). The same: the whole interval lies within that "
            f"factor. Ambiguous: neither. Each interval holds at {percent(CONFIDENCE)}."
        )

    def _section(self, title: str, mask: pd.Series) -> list[str]:
        """Return a table of the first of these cases, and the number of the others."""
        positions = np.flatnonzero(mask)
        if not len(positions):
            return []
        rows = self.frame.iloc[positions[:MAX_TABLE_ROWS]]
        table = case_table(rows, varying_columns(self.frame), _TABLE)
        return [title, table, hidden_rows(len(positions) - MAX_TABLE_ROWS, "case")]


def _remarks(row: Row) -> str:
    remarks = [row["reason"], row["flags"] if row["quantity"] else ""]
    return shorten("; ".join(filter(None, remarks)), MAX_CHARACTERS)


_TABLE = {
    "change [interval], %": change_text,
    "ratio": lambda row: "" if row["quantity"] == "time" else ratios_text(row),
    "time": times_text,
    "remarks": _remarks,
}
