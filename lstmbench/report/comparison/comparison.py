"""The outcome of comparing two runs: a table of verdicts, as an exit code, a page and JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from lstmbench import exit_codes
from lstmbench.report.comparison.differences import Difference
from lstmbench.report.comparison.report_parts import (
    MAX_CHARACTERS,
    MAX_ROWS,
    arrow,
    bullets,
    case_table,
    change_text,
    constants,
    more,
    percent,
    runs_table,
    varying_keys,
)
from lstmbench.report.comparison.verdicts import (
    AMBIGUOUS,
    CONFIDENCE,
    FASTER,
    NOT_COMPARABLE,
    SAME,
    SLOWER,
    VERDICTS,
)
from lstmbench.report.labels import Row
from lstmbench.report.number_format import markdown, pick_unit, plural, shorten
from lstmbench.results.schema import SECONDS

BROKEN: Final = ("failed", "timeout", "out_of_memory")
"""Statuses of cases that should have been measured."""


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
        comparisons: the number of intervals that together have the confidence of 95 %.
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
        numbers: Any = self.frame["verdict"].value_counts().reindex(VERDICTS)
        return numbers.to_dict()

    @property
    def exit_code(self) -> int:
        """0 fine, 1 regression, 2 nothing compared or a case lost, 3 all ambiguous, 4 wrong result.

        If several apply, the order is 4, 1, 2, 3: a time means nothing if the result is wrong.
        """
        return self._outcome()[0]

    @property
    def summary(self) -> str:
        """The outcome in one sentence."""
        words = ("slower", "ambiguous", "faster", "not comparable", "the same")
        numbers = zip(self.counts.values(), words, strict=True)
        counts = ", ".join(f"{number} {word}" for number, word in numbers if number)
        return f"{self._outcome()[1]} ({counts})."

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
            cases = plural(lost, "case")
            sentence = f"Lost: {cases} measured in the base failed in the new run"
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
            "Wrong results": wrong,
            "Slower": verdict == SLOWER,
            "Lost": lost,
            "Ambiguous": verdict == AMBIGUOUS,
            "Faster": verdict == FASTER,
            "Not comparable": (verdict == NOT_COMPARABLE) & ~wrong & ~lost,
        }
        parts = [f"**{markdown(self.summary)}**", markdown(self._method()), constants(frame)]
        parts.append(bullets(self.notes))
        for title, mask in sections.items():
            if mask.any():
                parts += [f"### {title}", *self._rows(mask)]
        same = verdict == SAME
        if same.any():
            title = f"The same: {plural(int(same.sum()), 'case')}"
            parts += [f"<details>\n<summary>{title}</summary>", *self._rows(same)]
            parts.append("</details>")
        parts += ["### Base and new", runs_table(self.runs, self.differences)]
        return "\n\n".join(filter(None, parts)) + "\n"

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
            f"than {1 + self.threshold:g}, with an interval that leaves out no change. The same: "
            "the whole interval lies within that factor. Ambiguous: the interval allows both. "
            "Together, "
            f"the intervals of {plural(self.comparisons, 'comparison')} hold at "
            f"{percent(CONFIDENCE)} (Bonferroni)."
        )

    def _rows(self, mask: pd.Series) -> Iterator[str]:
        """Yield a table of the first of these cases, and the number of the others."""
        rows = self.frame.iloc[np.flatnonzero(mask)[:MAX_ROWS]]
        columns = {
            "change [interval], %": change_text,
            "ratio": _ratios,
            "time": times,
            "remarks": _remarks,
        }
        yield case_table(rows, varying_keys(self.frame), columns)
        hidden = int(mask.sum()) - len(rows)
        if hidden:
            yield more(hidden, "case")


def times(row: Row) -> str:
    """Return the times of both runs in a fitting unit."""
    base, new = row["base_time_s"], row["new_time_s"]
    unit = pick_unit(filter(None, (base, new)), SECONDS)
    return arrow(base, new, SECONDS[unit], f" {unit}")


def _ratios(row: Row) -> str:
    return "" if row["quantity"] == "time" else arrow(row["base_ratio"], row["new_ratio"])


def _remarks(row: Row) -> str:
    remarks = [row["reason"], row["flags"] if row["quantity"] else ""]
    return shorten("; ".join(filter(None, remarks)), MAX_CHARACTERS)
