"""Whether the ratios of a table agree with another run, and which implementation changed.

A ratio differs if it changed by more than the tolerance, and significantly: see ``verdicts.py``.
Times belong to their machine, so they are shown but not judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstmbench import exit_codes
from lstmbench.errors import LstmbenchError
from lstmbench.report import provenance
from lstmbench.report.comparison.compare import compare
from lstmbench.report.comparison.comparison import Comparison, count_values, is_wrong
from lstmbench.report.comparison.markdown_parts import (
    MAX_CHARACTERS,
    case_table,
    change_text,
    constants_sentence,
    join_parts,
    percent,
    ratios_text,
    runs_table,
    times_text,
)
from lstmbench.report.comparison.matched_cases import KEYS
from lstmbench.report.comparison.verdicts import FALSE_DISCOVERIES, FASTER, SLOWER
from lstmbench.report.labels import WORKLOAD, Row, ordered, varying_columns
from lstmbench.report.number_format import bullets, markdown, number, plural, shorten
from lstmbench.report.tables.shown_records import run_tables, table_named
from lstmbench.report.tables.table import Table

RATIO_TABLES = ("ratio", "speed")
"""The kinds of tables whose rows have a ratio."""

TOLERANCE = 0.05
"""The largest change of a ratio that does not matter; the same as for comparisons."""

MIN_AGREEMENT = 0.95
"""The fraction of the compared rows that must agree: the confidence of the intervals."""

MIN_RATIOS = 3
"""Per workload: of fewer, the median does not tell which implementation changed."""

JUDGEMENTS = ("differs", "not compared", "agrees")
"""In the order in which they are reported."""
DIFFERS, NOT_COMPARED, AGREES = JUDGEMENTS

THE_REFERENCE = "the reference of all ratios: by itself it has a time only"

_COLUMNS = [
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
        return count_values(self.frame["judgement"])

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
        agreeing, compared = _agreeing(self.frame)
        agreement = f"{agreeing} of {plural(compared, 'ratio')} agree"
        cases = self.comparison.frame
        if wrong := sorted(set(cases.loc[is_wrong(cases), "implementation"])):
            names = ", ".join(wrong)
            sentence = f"Not reproduced: {names} did not compute the LSTM in NEW; {agreement}."
            return exit_codes.NOT_REPRODUCED, sentence
        if not compared:
            reasons = self.frame["reason"][self.frame["reason"] != THE_REFERENCE].mode()
            reason = shorten(reasons[0]) if len(reasons) else "all its rows are of the reference"
            sentence = f"Nothing of {self.base.id} could be compared: {reason}."
            return exit_codes.NOT_POSSIBLE, sentence
        explanation = self._explanation(agreement)
        if agreeing >= MIN_AGREEMENT * compared:
            return exit_codes.OK, f"Reproduced: {explanation}."
        return exit_codes.NOT_REPRODUCED, f"Not reproduced: {explanation}."

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
        frame, varying = self.frame, varying_columns(self.frame)
        notes = [note for note in self.comparison.notes if not note.startswith("Times are not")]
        parts = [f"# {markdown(self.base.id)}, measured again", f"**{markdown(self.summary)}**"]
        parts += [markdown(self._method()), constants_sentence(frame)]
        parts += [bullets(map(markdown, notes)), "## Ratios"]
        for judgement in JUDGEMENTS:
            rows = frame[(frame["judgement"] == judgement) & (frame["reason"] != THE_REFERENCE)]
            if len(rows):
                title = f"### {judgement.capitalize()}: {plural(len(rows), 'row')}"
                parts += [title, case_table(rows, varying, _RATIOS)]
        by_workload = frame.sort_values([*WORKLOAD, "implementation"])
        digest = provenance.content_hash(self.csv())
        command = f"lstmbench reproduce {self.base.id} --results BASE --run NEW"
        parts += [
            "## Times",
            "A time belongs to its machine: these are shown beside each other, and not judged.",
            case_table(by_workload, varying, _TIMES),
            "## What else differs",
            runs_table(self.comparison.runs, self.comparison.differences),
            "## Where the numbers come from",
            _small(f"Reproduction of {self.base.id}, data (reproduction.csv) sha256 {digest}."),
            *("BASE:", _small(*self.base.footer), "NEW:", _small(*self.new.footer)),
            _small(f"Made again from the records of both by: {command}"),
        ]
        return join_parts(parts)

    _repr_markdown_ = markdown

    def _method(self) -> str:
        """Return what was compared how, and which changes could have been seen."""
        compared = self.frame[self.frame["judgement"] != NOT_COMPARED]
        width = np.log1p(compared["high_percent"] / 100) - np.log1p(compared["low_percent"] / 100)
        reach = (
            f" Half of them reach no further than {percent(np.expm1(width.median() / 2))} to "
            "either side, so that smaller changes are not seen."
        )
        comparisons = plural(self.comparison.comparisons, "comparison")
        return (
            "BASE is the run that the table was made of, NEW the one that measured its suite "
            "again, with inputs and turns drawn by its own seed. Compared are the times relative "
            "to the reference, taken in the same rounds. A ratio differs if it changed by more "
            f"than {percent(TOLERANCE)}, and significantly among {comparisons}, with "
            f"{percent(FALSE_DISCOVERIES)} false discoveries (Benjamini-Hochberg)."
            f"{reach if len(compared) else ''} The table counts as reproduced where "
            f"{percent(MIN_AGREEMENT)} of what can be compared agrees. An implementation stands "
            "out if, in the median over workloads, it moved against the others by more than the "
            "tolerance, and by more than noise explains."
        )


def _agreeing(frame: pd.DataFrame) -> tuple[int, int]:
    """Return how many rows agree, and how many are compared."""
    judgement = frame["judgement"]
    return int((judgement == AGREES).sum()), int((judgement != NOT_COMPARED).sum())


def _speed(change: float) -> str:
    """Return a logarithmic change in words, such as ``20 % slower``."""
    rounded = abs(float(f"{np.expm1(change):.2g}"))
    return f"{percent(rounded)} {'slower' if change > 0 else 'faster'}"


def _quotient(row: Row) -> str:
    base, new = row["base_time_s"], row["new_time_s"]
    return number(new / base) if base and new else "–"


def _small(*lines: str) -> str:
    return "<br>\n".join(f"<sub>{markdown(line)}</sub>" for line in lines)


_RATIOS = {
    "change of the ratio [interval], %": lambda row: "" if row["reason"] else change_text(row),
    "ratio, BASE → NEW": ratios_text,
    "remarks": lambda row: shorten(row["reason"] or row["flags"], MAX_CHARACTERS),
}
_TIMES = {"time, BASE → NEW": lambda row: times_text(row) or "–", "quotient": _quotient}


def reproduction(table: str, base: str | Path, new: str | Path) -> Reproduction:
    """Compare the rows of a table with another run.

    Args:
        table: its id, such as ``quick-ratio``.
        base: the folder of the table's run.
        new: the folder of the other run.

    Raises:
        LstmbenchError: if one of the runs has no such table, its rows have no ratios, both are the
            same run, or they cannot be read.
    """
    base_table, new_table = (find_table(table, folder) for folder in (base, new))
    comparison = compare(base, new, threshold=TOLERANCE, by="ratio", across_machines=True)
    run_id = comparison.runs["BASE"]["run_id"]
    if run_id == comparison.runs["NEW"]["run_id"]:
        raise LstmbenchError(f"Both folders hold the run {run_id}: a run cannot confirm itself.")
    rows = _judge(comparison.frame[comparison.frame["base_status"].notna()])
    references = rows["base_ratio_to"].dropna().unique()
    reference = str(references[0]) if len(references) == 1 else ""
    outliers = outlier_implementations(rows, reference) if reference else {}
    return Reproduction(base_table, new_table, rows, comparison, outliers, reference)


def find_table(name: str, folder: str | Path) -> Table:
    """Return a table of a run whose rows have ratios.

    Raises:
        LstmbenchError: if it is of another kind, or the run has no table of this name.
    """
    if name.rpartition("-")[2] not in RATIO_TABLES:
        endings = " or -".join(RATIO_TABLES)
        expected = f"Only tables of ratios can be compared; their names end with -{endings}"
        raise LstmbenchError(f"{expected}, but this is {name!r}.")
    return table_named(name, run_tables(folder), folder)


def _judge(frame: pd.DataFrame) -> pd.DataFrame:
    """Return compared cases with a ``judgement``, the most different first."""
    judged = frame["quantity"] == "ratio"
    differs = frame["verdict"].isin([SLOWER, FASTER])
    judgement = np.select([judged & ~differs, judged], [AGREES, DIFFERS], NOT_COMPARED)
    both_ok = (frame["base_status"] == "ok") & (frame["new_status"] == "ok")
    reason = frame["reason"].mask(frame["is_reference"] & both_ok, THE_REFERENCE).mask(judged, "")
    frame = frame.assign(judgement=pd.Categorical(judgement, JUDGEMENTS), reason=reason)
    order = np.lexsort((-frame["change_percent"].abs().fillna(0), frame["judgement"].cat.codes))
    return frame.iloc[order].reset_index(drop=True)


def outlier_implementations(rows: pd.DataFrame, reference: str) -> dict[str, float]:
    """Return the implementations that became slower or faster than the others.

    The reference is in every ratio: if it alone becomes slower, all others seem faster. Therefore
    its own change, which is 0, is added to those of the others at each workload, and the median of
    all counts as no change. An implementation is an outlier if the median of its changes beyond
    that exceeds the tolerance and the noise: half an interval over the root of its number of
    workloads.

    Args:
        rows: judged rows.
        reference: the implementation that all ratios are relative to.

    Returns:
        The logarithm of each outlier's change.
    """
    compared = rows[rows["judgement"] != NOT_COMPARED]
    workload = compared.groupby(list(WORKLOAD), dropna=False, observed=True).ngroup()
    logarithms: Any = np.log1p(compared[["change_percent", "low_percent", "high_percent"]] / 100)
    half_width = (logarithms["high_percent"] - logarithms["low_percent"]) / 2
    name = compared["implementation"].astype(str)
    changes = logarithms["change_percent"].groupby([workload, name]).first().unstack()
    changes[reference] = 0.0
    enough = changes.count(axis=1) >= MIN_RATIOS
    excess = changes.sub(changes.median(axis=1), axis=0)[enough]
    noise = half_width.groupby(name).median().reindex(excess.columns).fillna(half_width.median())
    limit = np.maximum(np.log1p(TOLERANCE), noise / np.sqrt(excess.count()))
    median = excess.median()
    outliers = median[median.abs() > limit]
    return {name: float(outliers[name]) for name in ordered("implementation", outliers.index)}
