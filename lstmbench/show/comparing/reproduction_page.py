"""The report on a table that was measured again: its first sentence says what came out, its end who measured what."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lstmbench.show import provenance
from lstmbench.show.comparing.comparison import count, percent
from lstmbench.show.comparing.comparison_page import both, case_label, change_words, constants, plain_rows, runs_table
from lstmbench.show.comparing.pairs import KEYS, NAMES
from lstmbench.show.comparing.reproduction import (
    AGREES,
    DIFFERS,
    ENOUGH,
    NOT_COMPARED,
    THE_REFERENCE,
    TOLERANCE,
    Reproduction,
)
from lstmbench.show.comparing.verdicts import CONFIDENCE
from lstmbench.show.formats import markdown, number, pick_unit, shorten
from lstmbench.show.labels import SECONDS, WORKLOAD, rank
from lstmbench.show.tabulating.render import Cells, to_markdown

_TITLES = {DIFFERS: "Differs", NOT_COMPARED: "Not compared", AGREES: "Agrees"}


def page(found: Reproduction) -> str:
    """Return the report as Markdown."""
    frame = found.frame
    varying = [key for key in KEYS if key != "implementation" and frame[key].nunique(dropna=False) > 1]
    notes = [note for note in found.comparison.notes if not note.startswith("Times are not compared")]
    parts = [f"# {markdown(found.base.id)}, measured again", f"**{markdown(first_sentence(found))}**"]
    parts += [markdown(_method(found)), constants(frame, varying)]
    parts.append("\n".join(f"- {markdown(note)}" for note in notes))
    parts.append("## Ratios")
    for judgement, title in _TITLES.items():
        rows = frame[(frame["judgement"] == judgement) & (frame["reason"] != THE_REFERENCE)]
        if len(rows):
            parts += [f"### {title}: {count(len(rows), 'row')}", _ratios(rows, varying)]
    parts += ["## Times", "A time belongs to its machine: these are shown beside each other, and not judged."]
    parts += [_times(frame, varying), "## What else differs", runs_table(found.comparison)]
    parts += ["## Where the numbers come from", *_footer(found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def first_sentence(found: Reproduction) -> str:
    """Say what came out; where one implementation alone became slower or faster, it is named."""
    counts, table = found.counts, found.base.id
    compared = counts[AGREES] + counts[DIFFERS]
    wrong = found.comparison.frame.loc[found.comparison.wrong, "implementation"].astype(str).unique()
    agree = f"{counts[AGREES]} of {count(compared, 'ratio')} agree"
    if len(wrong):
        return f"Not reproduced: {', '.join(sorted(wrong))} did not compute the LSTM in {NAMES[1]}; {agree}."
    if not compared:
        reasons = found.frame["reason"][found.frame["reason"] != THE_REFERENCE].value_counts()
        why = shorten(reasons.index[0]) if len(reasons) else "all its rows are of the reference"
        return f"Nothing of {table} could be compared: {why}."
    state = "Reproduced" if found.exit_code == 0 else "Not reproduced"
    several = found.standing_out
    if not several:
        alone = "" if counts[DIFFERS] == 0 else ", and no implementation stands out"
        return f"{state}: {agree} with {table}{alone}."
    if len(several) > 1:
        each = ", ".join(f"{name} ({_moved(change)})" for name, change in several.items())
        return f"{state}: {agree} with {table}; several implementations stand out: {each}."
    ((name, change),) = several.items()
    if name == found.reference:
        return (
            f"{state}: {name}, the reference of all ratios, is itself {_moved(change)} than in {table}, and so every "
            f"ratio to it moved the other way; {agree}."
        )
    rows = found.frame[found.frame["implementation"] != name]["judgement"].value_counts()
    others = int(rows.get(AGREES, 0) + rows.get(DIFFERS, 0))
    return (
        f"{state}: {name} alone is {_moved(change)} than in {table}; of the {count(others, 'ratio')} of the others "
        f"{int(rows.get(AGREES, 0))} agree."
    )


def _moved(change: float) -> str:
    return f"{percent(abs(float(f'{np.expm1(change):.2g}')))} {'slower' if change > 0 else 'faster'}"


def _method(found: Reproduction) -> str:
    frame = found.frame[found.frame["judgement"] != NOT_COMPARED]
    half = np.log1p(frame[["low_percent", "high_percent"]].to_numpy(dtype=np.float64) / 100) @ [-0.5, 0.5]
    wide = f" Half of them reach no further than {percent(float(np.expm1(np.median(half))))} to either side, so that"
    return (
        f"{NAMES[0]} is the run that the table was made of, {NAMES[1]} the one that measured its suite again, with "
        "inputs and turns drawn by its own seed. Compared are the times relative to the reference, taken in the same "
        f"rounds. A ratio agrees if the interval of its change holds no change, or lies within {percent(TOLERANCE)}; "
        f"together the intervals of {count(found.comparison.comparisons, 'comparison')} hold at {percent(CONFIDENCE)} "
        f"(Bonferroni).{f'{wide} smaller changes are not seen.' if len(half) else ''} The table counts as reproduced "
        f"where {percent(ENOUGH)} of what can be compared agrees. An implementation stands out if, in the median over "
        "workloads, it moved against the others by more than the tolerance, and by more than noise explains."
    )


def _ratios(rows: pd.DataFrame, varying: list[str]) -> str:
    lines = []
    for row in plain_rows(rows):
        remarks = "; ".join(filter(None, [row["reason"], row["flags"] if not row["reason"] else ""]))
        cells = [change_words(row) if not row["reason"] else "", both(row["base_ratio"], row["new_ratio"], 1.0, "")]
        lines.append((case_label(row, varying), [*cells, shorten(remarks, 160)]))
    names = ("change of the ratio [interval], %", f"ratio, {NAMES[0]} → {NAMES[1]}", "remarks")
    used = [k for k in range(len(names)) if any(cells[k] for _, cells in lines)]
    body = [(label, [cells[k] for k in used]) for label, cells in lines]
    return to_markdown(Cells("case", [("", names[k]) for k in used], [("", body)])).rstrip()


def _times(frame: pd.DataFrame, varying: list[str]) -> str:
    rows = plain_rows(frame)
    rows.sort(key=lambda row: [rank(key, row[key]) for key in (*WORKLOAD, "implementation")])
    times = [(row["base_time_s"], row["new_time_s"]) for row in rows]
    lines = []
    for row, (base, new) in zip(rows, times, strict=True):
        unit = pick_unit((value for value in (base, new) if value is not None), SECONDS)
        quotient = number(new / base) if base and new else "–"
        lines.append((case_label(row, varying), [both(base, new, SECONDS[unit], f" {unit}") or "–", quotient]))
    names = [("", f"time, {NAMES[0]} → {NAMES[1]}"), ("", "quotient")]
    return to_markdown(Cells("case", names, [("", lines)])).rstrip()


def _footer(found: Reproduction) -> Iterator[str]:
    """Yield what a citation needs: what was compared, and the footer of the table in both runs."""
    lines = [f"Reproduction of {found.base.id}, data (reproduction.csv) sha256 {provenance.content_hash(found.csv())}."]
    yield _small(lines)
    for name, table in zip(NAMES, (found.base, found.new), strict=True):
        yield f"{name}:"
        yield _small(table.footer)
    again = f"Made again from the records of both by: lstmbench reproduce {found.base.id} --results {NAMES[0]}"
    yield _small([f"{again} --run {NAMES[1]}"])


def _small(lines: list[str]) -> str:
    return "<br>\n".join(f"<sub>{markdown(line)}</sub>" for line in lines)
