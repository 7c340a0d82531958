"""The phrases and tables that the pages on comparisons, A/B runs and reproductions share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pandas as pd

from lstmbench.report.comparison.differences import Difference
from lstmbench.report.comparison.matched_cases import NAMES, plain_rows
from lstmbench.report.labels import WORKLOAD, Row, describe
from lstmbench.report.number_format import markdown, number, plural, shorten
from lstmbench.report.tables.render import to_markdown

MAX_ROWS: Final = 25
"""Rows per table: a comment on GitHub has at most 65,536 characters, and JSON has all rows."""

MAX_CHARACTERS: Final = 160
"""Of the remarks in a row, so that it stays readable."""


def percent(share: float) -> str:
    """Return a share as percent, such as ``5 %``."""
    return f"{100 * share:.3g} %"


def change_text(row: Row) -> str:
    """Return a change with its interval in percent, or nothing if there is none."""
    if row["change_percent"] is None:
        return ""
    change, low, high = (
        f"{value:+.1f}" if abs(value) < 1000 else f"{value:+.0e}".replace("+inf", "+∞")
        for value in (row["change_percent"], row["low_percent"], row["high_percent"])
    )
    return f"{change} [{low}, {high}]"


def arrow(base: float | None, new: float | None, scale: float = 1.0, unit: str = "") -> str:
    """Return two numbers with an arrow between them, or nothing if both are missing."""
    before, after = ("–" if value is None else number(value * scale) for value in (base, new))
    return "" if base is None and new is None else f"{before} → {after}{unit}"


def bullets(notes: Sequence[str]) -> str:
    """Return sentences as a Markdown list."""
    return "\n".join(f"- {markdown(note)}" for note in notes)


def more(rows: int, word: str) -> str:
    """Return a sentence on rows that are not shown."""
    return f"And {plural(rows, word)} more: `--format json` has all of them."


def varying_keys(frame: pd.DataFrame) -> list[str]:
    """Return the keys of the workload that are not the same in all rows."""
    return [key for key in WORKLOAD if frame[key].nunique(dropna=False) > 1]


def constants(frame: pd.DataFrame) -> str:
    """Return a sentence on the keys of the workload that are the same in all rows."""
    (first,) = plain_rows(frame[:1])
    varying = varying_keys(frame)
    same = {key: first[key] for key in WORKLOAD if key not in varying and first[key] is not None}
    return f"All cases: {markdown(describe(same))}." if same else ""


def case_table(
    rows: pd.DataFrame,
    varying: list[str],
    columns: Mapping[str, Callable[[Row], str]],
) -> str:
    """Return a Markdown table with one row per case, without the columns that are empty.

    Args:
        rows: the cases.
        varying: the keys of the workload that are part of a case's label.
        columns: by title, the function that returns a row's text.
    """
    cases = plain_rows(rows)
    labels = []
    for case in cases:
        workload = describe({key: case[key] for key in varying})
        labels.append(", ".join(filter(None, [case.get("implementation"), workload])))
    texts = {title: [text(case) for case in cases] for title, text in columns.items()}
    shown = {title: cells for title, cells in texts.items() if any(cells) or not cases}
    title = "case" if "implementation" in rows else "workload"
    return text_table(title, pd.DataFrame(shown, labels))


def text_table(title: str, texts: pd.DataFrame) -> str:
    """Return texts as a Markdown table; the index, under this title, is the first column."""
    places = pd.MultiIndex.from_tuples(
        [("", str(label)) for label in texts.index], names=["panel", title]
    )
    columns = pd.MultiIndex.from_tuples([("", str(column)) for column in texts.columns])
    return to_markdown(pd.DataFrame(texts.to_numpy(), places, columns)).rstrip()


def runs_table(runs: Mapping[str, Mapping[str, str]], differences: Sequence[Difference]) -> str:
    """Return a table of both runs with everything that differs."""
    identity = pd.DataFrame(runs).rename(index={"run_id": "run"})
    others = pd.DataFrame(differences, columns=["what", *NAMES]).set_index("what")
    texts = pd.concat([identity, others]).map(shorten)
    table = text_table("what", texts[:MAX_ROWS])
    if not differences:
        properties = "commit, versions, machine, settings, suite"
        return f"{table}\n\nNothing else that is recorded differs: {properties}."
    hidden = len(texts) - MAX_ROWS
    return f"{table}\n\n{more(hidden, 'difference')}" if hidden > 0 else table
