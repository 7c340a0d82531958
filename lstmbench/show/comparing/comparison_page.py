"""The comparison of two runs as Markdown that is read in a pull request: what matters first, the rest folded."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from lstmbench.show.comparing.comparison import Comparison, count, percent
from lstmbench.show.comparing.differences import Difference
from lstmbench.show.comparing.pairs import KEYS, NAMES
from lstmbench.show.comparing.verdicts import AMBIGUOUS, CONFIDENCE, FASTER, NOT_COMPARABLE, SAME, SLOWER
from lstmbench.show.formats import markdown, number, pick_unit, shorten
from lstmbench.show.labels import SECONDS, describe
from lstmbench.show.tabulating.render import Cells, to_markdown

MOST_ROWS = 25
"""More rows of a kind are counted, not shown: no one reads them, and a comment on GitHub has 65,536 letters at most."""

_COLUMNS = [("", "change [interval], %"), ("", "ratio"), ("", "time"), ("", "remarks")]


def page(comparison: Comparison) -> str:
    """Return the page."""
    frame = comparison.frame
    varying = [key for key in KEYS if key != "implementation" and frame[key].nunique(dropna=False) > 1]
    special = comparison.wrong | comparison.lost
    kinds = {
        "Wrong results": comparison.wrong,
        "Slower": frame["verdict"] == SLOWER,
        "Lost": comparison.lost,
        "Ambiguous": frame["verdict"] == AMBIGUOUS,
        "Faster": frame["verdict"] == FASTER,
        "Not comparable": (frame["verdict"] == NOT_COMPARABLE) & ~special,
    }
    parts = [f"**{markdown(comparison.summary)}**", _method(comparison), constants(frame, varying)]
    parts.append("\n".join(f"- {markdown(note)}" for note in comparison.notes))
    for title, mask in kinds.items():
        if mask.any():
            parts += [f"### {title}", *_rows(frame, mask, varying)]
    same = frame["verdict"] == SAME
    if same.any():
        parts.append(f"<details>\n<summary>The same: {count(int(same.sum()), 'case')}</summary>")
        parts += [*_rows(frame, same, varying), "</details>"]
    parts += ["### Base and new", runs_table(comparison)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _method(comparison: Comparison) -> str:
    """Say what the verdicts mean, and what they were reached by."""
    quantity = comparison.frame["quantity"]
    by_time = int((quantity == "time").sum())
    own = int(((quantity == "time") & comparison.frame["is_reference"]).sum())
    counts = {
        "by the ratio to the reference in the same rounds": int((quantity == "ratio").sum()),
        "of the reference itself by time": own,
        "by time": by_time - own,
    }
    by = ", ".join(f"{many} {words}" for words, many in counts.items() if many) or "nothing"
    return markdown(
        f"Compared: {by}. Slower and faster: by a factor of more than "
        f"{1 + comparison.threshold:g}, with an interval that leaves out no change. The same: the whole interval lies "
        f"within that factor. Ambiguous: the interval allows both. Together, the intervals of "
        f"{count(comparison.comparisons, 'comparison')} hold at {percent(CONFIDENCE)} (Bonferroni)."
    )


def constants(frame: pd.DataFrame, varying: list[str]) -> str:
    """Say what holds for all cases."""
    first = plain_rows(frame.iloc[:1])[0]
    alike = {key: first[key] for key in KEYS[1:] if key not in varying and first[key] is not None}
    return f"All cases: {markdown(describe(alike))}." if alike else ""


def plain_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as Python values, None where one is missing."""
    columns = {name: [None if pd.isna(value) else value for value in rows[name]] for name in rows.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _rows(frame: pd.DataFrame, mask: pd.Series, varying: list[str]) -> Iterator[str]:
    """Yield a table of the first of these rows, and how many more there are."""
    rows = plain_rows(frame.iloc[np.flatnonzero(mask)[:MOST_ROWS]])
    lines = [(case_label(row, varying), _cells(row)) for row in rows]
    used = [k for k in range(len(_COLUMNS)) if any(cells[k] for _, cells in lines)]
    lines = [(label, [cells[k] for k in used]) for label, cells in lines]
    yield to_markdown(Cells("case", [_COLUMNS[k] for k in used], [("", lines)])).rstrip()
    left = int(mask.sum()) - len(rows)
    if left:
        yield f"And {count(left, 'case')} more: `--format json` has all of them."


def case_label(row: dict[str, Any], varying: list[str]) -> str:
    """Return a case in words: its implementation, and where its workload differs from others."""
    workload = describe({key: row[key] for key in varying})
    return f"{row['implementation']}, {workload}" if workload else str(row["implementation"])


def _cells(row: dict[str, Any]) -> list[str]:
    ratio = "" if row["quantity"] == "time" else both(row["base_ratio"], row["new_ratio"], 1.0, "")
    times = [row[name] for name in ("base_time_s", "new_time_s")]
    unit = pick_unit((value for value in times if value is not None), SECONDS)
    remarks = [row["reason"], row["flags"] if row["quantity"] else ""]
    return [
        change_words(row),
        ratio,
        both(times[0], times[1], SECONDS[unit], f" {unit}"),
        shorten("; ".join(filter(None, remarks)), 160),
    ]


def change_words(row: dict[str, Any]) -> str:
    """Return the change with its interval, in percent; nothing where there is none."""
    if row["change_percent"] is None:
        return ""
    low, high = (signed(row[name]) for name in ("low_percent", "high_percent"))
    return f"{signed(row['change_percent'])} [{low}, {high}]"


def signed(value: float) -> str:
    """Return percent with a sign."""
    return f"{value:+.1f}" if abs(value) < 1000 else f"{value:+.0e}".replace("+inf", "+∞")


def both(base: float | None, new: float | None, per: float, unit: str) -> str:
    """Return two numbers with an arrow between them; nothing where there is neither."""
    words = ["–" if value is None else number(value * per) for value in (base, new)]
    return "" if base is None and new is None else f"{words[0]} → {words[1]}{unit}"


def runs_table(comparison: Comparison) -> str:
    """Return the two runs side by side, with all that differs."""
    runs = [comparison.runs[name] for name in NAMES]
    first = [Difference(what, *(run[key] for run in runs)) for what, key in (("run", "run_id"), ("started", "started"))]
    lines = [(each.what, [shorten(each.base), shorten(each.new)]) for each in [*first, *comparison.differences]]
    shown, left = lines[:MOST_ROWS], len(lines[MOST_ROWS:])
    table = to_markdown(Cells("what", [("", name) for name in NAMES], [("", shown)]))
    if not comparison.differences:
        return f"{table}\nNothing else that is recorded differs: commit, versions, machine, settings, suite."
    return table.rstrip() + (
        f"\n\nAnd {count(left, 'difference')} more: `--format json` has all of them." if left else ""
    )
