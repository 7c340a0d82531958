"""Phrases and tables that the reports on comparisons, A/B runs and reproductions share."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from lstmbench.report.comparison.manifest_diff import Difference
from lstmbench.report.comparison.matched_cases import NAMES
from lstmbench.report.labels import (
    WORKLOAD,
    Row,
    describe,
    plain_rows,
    shared,
    varying_columns,
)
from lstmbench.report.number_format import markdown, number, pick_unit, plural, shorten
from lstmbench.report.tables.render import to_markdown
from lstmbench.results.schema import SECONDS

MAX_TABLE_ROWS = 25
"""Rows per table: a comment on GitHub has at most 65,536 characters, and JSON has all rows."""

MAX_CHARACTERS = 160
"""Of the remarks in a row, so that it stays readable."""

Columns = Mapping[str, Callable[[Row], str]]
"""By the title of each column, the function that returns its text for a row."""


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


def ratios_text(row: Row) -> str:
    """Return the ratios of both runs."""
    return _arrow(row["base_ratio"], row["new_ratio"])


def times_text(row: Row) -> str:
    """Return the times of both runs in a suitable unit."""
    base, new = row["base_time_s"], row["new_time_s"]
    unit = pick_unit(filter(None, (base, new)), SECONDS)
    return _arrow(base, new, SECONDS[unit], f" {unit}")


def _arrow(base: float | None, new: float | None, scale: float = 1.0, unit: str = "") -> str:
    """Return two numbers with an arrow between them, or nothing if both are missing."""
    before, after = ("–" if value is None else number(value * scale) for value in (base, new))
    return "" if base is None and new is None else f"{before} → {after}{unit}"


def join_parts(parts: Sequence[str]) -> str:
    """Return a page of these parts; empty ones are left out."""
    return "\n\n".join(filter(None, parts)) + "\n"


def constants_sentence(frame: pd.DataFrame) -> str:
    """Return a sentence on the columns of the workload that are the same in all rows."""
    varying = varying_columns(frame)
    same = shared(plain_rows(frame[:1]), [key for key in WORKLOAD if key not in varying])
    return f"All cases: {markdown(describe(same))}." if same else ""


def case_table(rows: pd.DataFrame, varying: Sequence[str], columns: Columns) -> str:
    """Return a Markdown table with one row per case, without the columns that are empty.

    Args:
        rows: the cases.
        varying: the columns of the workload that are part of a case's label.
        columns: of the table.
    """
    cases = plain_rows(rows)
    workloads = [describe({key: case[key] for key in varying}) for case in cases]
    names = [case.get("implementation") for case in cases]
    labels = [", ".join(filter(None, label)) for label in zip(names, workloads, strict=True)]
    texts = {title: [text(case) for case in cases] for title, text in columns.items()}
    shown = {title: cells for title, cells in texts.items() if any(cells) or not cases}
    title = "case" if "implementation" in rows else "workload"
    return _text_table(title, pd.DataFrame(shown, labels))


def runs_table(runs: Mapping[str, Mapping[str, str]], differences: Sequence[Difference]) -> str:
    """Return a table of both runs with everything that differs."""
    identity = pd.DataFrame(runs).rename(index={"run_id": "run"})
    others = pd.DataFrame(differences, columns=["what", *NAMES]).set_index("what")
    texts = pd.concat([identity, others]).map(shorten)
    table = _text_table("what", texts[:MAX_TABLE_ROWS])
    if not differences:
        properties = "commit, versions, machine, settings, suite"
        return f"{table}\n\nNothing else that is recorded differs: {properties}."
    return join_parts([table, hidden_rows(len(texts) - MAX_TABLE_ROWS, "difference")]).rstrip()


def hidden_rows(count: int, noun: str) -> str:
    """Return a sentence on rows that are not shown, or nothing if there are none."""
    return f"And {plural(count, noun)} more: `--format json` has all of them." if count > 0 else ""


def _text_table(title: str, texts: pd.DataFrame) -> str:
    """Return texts as a Markdown table; the index, under this title, is the first column."""
    cells = pd.concat({"": pd.concat({"": texts}, axis=1)}, names=["panel", title])
    return to_markdown(cells).rstrip()
