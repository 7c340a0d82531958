"""The outcome of measuring a table again, as an exit code, a report and CSV."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from lstmbench import exit_codes
from lstmbench.report import provenance
from lstmbench.report.comparison.comparison import Comparison, is_wrong, times
from lstmbench.report.comparison.matched_cases import KEYS, NAMES
from lstmbench.report.comparison.report_parts import (
    MAX_CHARACTERS,
    arrow,
    bullets,
    case_table,
    change_text,
    constants,
    percent,
    runs_table,
    varying_keys,
)
from lstmbench.report.comparison.verdicts import CONFIDENCE
from lstmbench.report.labels import WORKLOAD, Row
from lstmbench.report.number_format import markdown, number, plural, shorten
from lstmbench.report.tables.table import Table

TOLERANCE: Final = 0.05
"""The largest change of a ratio that does not matter; the same as for comparisons."""

MIN_AGREEMENT: Final = 0.95
"""The fraction of the compared rows that must agree: the confidence of the intervals."""

JUDGEMENTS: Final = ("differs", "not compared", "agrees")
"""In the order in which they are reported."""
DIFFERS, NOT_COMPARED, AGREES = JUDGEMENTS

THE_REFERENCE: Final = "the reference of all ratios: by itself it has a time only"


_COLUMNS: Final = [
    *KEYS, "judgement", "change_percent", "low_percent", "high_percent", "base_ratio", "new_ratio",
    "base_time_s", "new_time_s", "base_status", "new_status", "flags", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class Reproduction:
    """The rows of a table, compared with another run.

    Attributes:
        base, new: the table of the original run and of the other run.
        frame: one row per row of the table: its keys, ``judgement``, the change of the ratio in
            percent with its interval (above 0 is slower), ratios and absolute times of both runs,
            statuses, ``flags``, ``reason``.
        comparison: the comparison of the two runs.
        outlier_implementations: the implementations whose ratios changed relative to all others,
            with the logarithm of the change; the reference may be among them.
        reference: the implementation that all ratios are relative to; empty if there are several.
    """

    base: Table
    new: Table
    frame: pd.DataFrame
    comparison: Comparison
    outlier_implementations: Mapping[str, float]
    reference: str

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows with each judgement."""
        numbers: Any = self.frame["judgement"].value_counts().reindex(JUDGEMENTS)
        return numbers.to_dict()

    @property
    def exit_code(self) -> int:
        """0 if 95 % of the compared ratios agree, 1 if not or a result is wrong, 2 if none is."""
        return self._outcome()[0]

    @property
    def summary(self) -> str:
        """The outcome in one sentence, with the implementations that changed."""
        return self._outcome()[1]

    def _outcome(self) -> tuple[int, str]:
        """Return the exit code and the summary."""
        table, frame, compared_runs = self.base.id, self.frame, self.comparison.frame
        agreeing, compared = _agreeing(frame)
        agreement = f"{agreeing} of {plural(compared, 'ratio')} agree"
        wrong = compared_runs.loc[is_wrong(compared_runs), "implementation"]
        if len(wrong):
            names = ", ".join(sorted(wrong.unique()))
            sentence = f"Not reproduced: {names} did not compute the LSTM in NEW; {agreement}."
            return exit_codes.NOT_REPRODUCED, sentence
        if not compared:
            reasons = frame.loc[frame["reason"] != THE_REFERENCE, "reason"].value_counts()
            only_reference = "all its rows are of the reference"
            reason = shorten(reasons.index[0]) if len(reasons) else only_reference
            return exit_codes.NOT_POSSIBLE, f"Nothing of {table} could be compared: {reason}."
        is_reproduced = agreeing >= MIN_AGREEMENT * compared
        exit_code = exit_codes.OK if is_reproduced else exit_codes.NOT_REPRODUCED
        state = "Reproduced" if is_reproduced else "Not reproduced"
        return exit_code, f"{state}: {self._explanation(agreement)}."

    def _explanation(self, agreement: str) -> str:
        """Return how many rows agree, and which implementations are the reason if not all do."""
        table = self.base.id
        outliers = {name: _speed(change) for name, change in self.outlier_implementations.items()}
        if not outliers:
            alone = ", and no implementation stands out" if self.counts[DIFFERS] else ""
            return f"{agreement} with {table}{alone}"
        if len(outliers) > 1:
            names = ", ".join(f"{name} ({speed})" for name, speed in outliers.items())
            return f"{agreement} with {table}; several implementations stand out: {names}"
        ((name, speed),) = outliers.items()
        if name == self.reference:
            return (
                f"{name}, the reference of all ratios, is itself {speed} than in {table}, and so "
                f"every ratio to it moved the other way; {agreement}"
            )
        agreeing, compared = _agreeing(self.frame[self.frame["implementation"] != name])
        others = f"of the {plural(compared, 'ratio')} of the others {agreeing} agree"
        return f"{name} alone is {speed} than in {table}; {others}"

    def csv(self) -> str:
        """Return ``frame`` as CSV, with all digits."""
        return self.frame.to_csv(columns=_COLUMNS, index=False, lineterminator="\n")

    def markdown(self) -> str:
        """Return the report."""
        frame, varying = self.frame, varying_keys(self.frame)
        notes = [note for note in self.comparison.notes if not note.startswith("Times are not")]
        parts = [f"# {markdown(self.base.id)}, measured again", f"**{markdown(self.summary)}**"]
        parts += [markdown(self._method()), constants(frame), bullets(notes), "## Ratios"]
        for judgement in JUDGEMENTS:
            rows = frame[(frame["judgement"] == judgement) & (frame["reason"] != THE_REFERENCE)]
            if len(rows):
                title = f"### {judgement.capitalize()}: {plural(len(rows), 'row')}"
                parts += [title, case_table(rows, varying, _RATIOS)]
        shown = "these are shown beside each other, and not judged."
        by_workload = frame.sort_values([*WORKLOAD, "implementation"])
        parts += ["## Times", f"A time belongs to its machine: {shown}"]
        parts.append(case_table(by_workload, varying, _TIMES))
        differing = runs_table(self.comparison.runs, self.comparison.differences)
        parts += ["## What else differs", differing]
        parts += ["## Where the numbers come from", *self._provenance()]
        return "\n\n".join(filter(None, parts)) + "\n"

    _repr_markdown_ = markdown

    def _method(self) -> str:
        """Return what was compared how, and which changes could have been seen."""
        compared = self.frame[self.frame["judgement"] != NOT_COMPARED]
        width = np.log1p(compared["high_percent"] / 100) - np.log1p(compared["low_percent"] / 100)
        reach = (
            f" Half of them reach no further than {percent(np.expm1(width.median() / 2))} to either "
            "side, so that smaller changes are not seen."
        )
        reach = reach if len(compared) else ""
        comparisons = plural(self.comparison.comparisons, "comparison")
        return (
            "BASE is the run that the table was made of, NEW the one that measured its suite again, "
            "with inputs and turns drawn by its own seed. Compared are the times relative to the "
            "reference, taken in the same rounds. A ratio agrees if the interval of its change "
            f"holds no change, or lies within {percent(TOLERANCE)}; together the intervals of "
            f"{comparisons} hold at {percent(CONFIDENCE)} (Bonferroni).{reach} "
            f"The table counts as reproduced where {percent(MIN_AGREEMENT)} of what can be compared "
            "agrees. An implementation stands out if, in the median over workloads, it moved "
            "against the others by more than the tolerance, and by more than noise explains."
        )

    def _provenance(self) -> Iterator[str]:
        """Yield what a citation needs: the data's hash, the footers of both tables, the command."""
        digest = provenance.content_hash(self.csv())
        yield _small([f"Reproduction of {self.base.id}, data (reproduction.csv) sha256 {digest}."])
        for name, run in zip(NAMES, (self.base, self.new), strict=True):
            yield f"{name}:"
            yield _small(run.footer)
        command = f"lstmbench reproduce {self.base.id} --results BASE --run NEW"
        yield _small([f"Made again from the records of both by: {command}"])


def _agreeing(frame: pd.DataFrame) -> tuple[int, int]:
    """Return how many rows agree, and how many are compared."""
    judgement = frame["judgement"]
    return int((judgement == AGREES).sum()), int((judgement != NOT_COMPARED).sum())


def _speed(change: float) -> str:
    """Return a logarithmic change in words, such as ``20 % slower``."""
    rounded = abs(float(f"{np.expm1(change):.2g}"))
    return f"{percent(rounded)} {'slower' if change > 0 else 'faster'}"


def _remarks(row: Row) -> str:
    return shorten(row["reason"] or row["flags"], MAX_CHARACTERS)


def _quotient(row: Row) -> str:
    base, new = row["base_time_s"], row["new_time_s"]
    return number(new / base) if base and new else "–"


def _small(lines: list[str]) -> str:
    return "<br>\n".join(f"<sub>{markdown(line)}</sub>" for line in lines)


_RATIOS: Final = {
    "change of the ratio [interval], %": lambda row: "" if row["reason"] else change_text(row),
    "ratio, BASE → NEW": lambda row: arrow(row["base_ratio"], row["new_ratio"]),
    "remarks": _remarks,
}
_TIMES: Final = {"time, BASE → NEW": lambda row: times(row) or "–", "quotient": _quotient}
