"""A table's cells as Markdown and as LaTeX, by the templates in ``show/templates``.

Cells are a DataFrame of strings. Its rows are labelled by the heading of their panel (empty if there is
only one) and a label, its columns by a quantity and a head (empty if there is only one).
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader

from lstmbench.show.formats import latex, markdown

if TYPE_CHECKING:
    from lstmbench.show.tabulating.table import Table

# In letters. A line of LaTeX's article holds 345 pt, and its page is 550 pt high; on average, a letter is
# 4.1 pt wide in \footnotesize and 3.8 pt in \scriptsize (measured in the font cmr8 and cmr7).
LINE_IN_FOOTNOTESIZE, LINE_IN_SCRIPTSIZE, LINE_IN_LANDSCAPE = 80, 90, 140
_GAP = 2
"""Between two columns."""
_HEAD, _LABEL = 12, 32
"""Longer heads and labels are wrapped."""

_PARTS = re.compile(r"(.*?)( \[.*\])?( [†‡§¶]+)?")
"""The parts of a cell: a value, its interval, and marks."""


class _Parts(NamedTuple):
    value: str
    interval: str
    marks: str

    def width(self, beneath: bool) -> int:
        own, interval = len(self.value), len(self.interval)
        return max(own, interval) if beneath else own + interval


def to_markdown(cells: "pd.DataFrame | Cells") -> str:
    """Return cells as a table in GitHub's Markdown; panels begin with a row in bold."""
    if isinstance(cells, Cells):
        cells = cells.frame()
    return _TEMPLATES.get_template("grid.md.j2").render(
        stub=cells.index.names[-1],
        columns=_heads(cells),
        lines=zip(cells.index, cells.to_numpy().tolist(), strict=True),
    )


def table_markdown(table: "Table", footer: Sequence[str]) -> str:
    """Return a table with its caption, its notes and these lines of its footer."""
    return _TEMPLATES.get_template("table.md.j2").render(table=table, grid=to_markdown(table.frame), footer=footer)


def table_latex(table: "Table") -> str:
    """Return a table as a longtable, for a document with the packages booktabs, longtable and lscape.

    In a table that is wider than the text, intervals stand beneath their values; if it is still wider,
    it is set in landscape; if it is wider even than that, its quantities follow each other.
    """
    heads = _heads(table.frame)
    parts = table.frame.map(_parts)
    beneath = _width(parts, heads, False) > LINE_IN_FOOTNOTESIZE
    width = _width(parts, heads, beneath)
    blocks = {"": parts}
    if width > LINE_IN_LANDSCAPE and all(map(all, heads)):
        blocks = {str(quantity): parts[[quantity]] for quantity in parts.columns.unique(0)}
        heads = [("", head) for _, head in heads[: len(heads) // len(blocks)]]
    return _TEMPLATES.get_template("table.tex.j2").render(
        table=table,
        small=beneath,
        landscape=beneath and width > LINE_IN_SCRIPTSIZE,
        stub=parts.index.names[-1],
        heads=[head or quantity for quantity, head in heads],
        spans=list(_spans(heads)),
        blocks=[(quantity, list(_lines(block, beneath))) for quantity, block in blocks.items()],
    )


def _heads(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """Return quantity and head of each column; without the quantity if it is the only one and has heads."""
    several = cells.columns.get_level_values(0).nunique() > 1
    return [(quantity if several or not head else "", head) for quantity, head in cells.columns]


def _parts(text: str) -> _Parts:
    match = _PARTS.fullmatch(text)
    return _Parts(*match.groups("")) if match else _Parts(text, "", "")


def _width(parts: pd.DataFrame, heads: Sequence[tuple[str, str]], beneath: bool) -> int:
    """Return about how many letters a printed row has."""
    words = [max(map(len, textwrap.wrap(head or quantity, _HEAD))) for quantity, head in heads]
    widths = parts.map(lambda cell: cell.width(beneath)).max().to_list()
    labels = min(max(map(len, parts.index.get_level_values(1))), _LABEL)
    return labels + sum(max(pair) + _GAP for pair in zip(words, widths, strict=True))


def _spans(heads: Sequence[tuple[str, str]]) -> Iterator[tuple[str, int, int]]:
    """Yield each quantity with its first and last column, if there are heads beneath it."""
    if all(map(all, heads)):
        numbered = enumerate((quantity for quantity, _ in heads), start=2)
        for quantity, group in groupby(numbered, key=lambda pair: pair[1]):
            columns = [column for column, _ in group]
            yield quantity, columns[0], columns[-1]


def _lines(parts: pd.DataFrame, beneath: bool) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """Yield heading, label, cells and, if they stand beneath, intervals of each row, written for LaTeX."""
    for (heading, label), cells in zip(parts.index, parts.to_numpy(), strict=True):
        intervals = [rf"{{\scriptsize{latex(cell.interval)}}}" if cell.interval else "" for cell in cells]
        beside = [""] * len(cells) if beneath else [f" {interval}" if interval else "" for interval in intervals]
        # The marks take no room, so that digits stay aligned
        marks = [rf"\rlap{{\textsuperscript{{{latex(cell.marks)}}}}}" if cell.marks else "" for cell in cells]
        texts = [latex(cell.value) + more + mark for cell, more, mark in zip(cells, beside, marks, strict=True)]
        yield heading, label, texts, intervals if beneath and any(intervals) else []


def _wrapped(text: str, side: str) -> str:
    r"""Return a head or a label, on several lines if it is long.

    A ``[`` or ``*`` that begins a row would be taken for an argument of the ``\\`` before it.
    """
    lines = [latex(line) for line in textwrap.wrap(text, _HEAD if side == "r" else _LABEL, break_long_words=False)]
    if len(lines) > 1:
        return rf"\shortstack[{side}]{{" + r" \\ ".join(lines) + "}"
    return ("{}" if text.startswith(("[", "*")) else "") + "".join(lines)


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    # Neither Markdown nor LaTeX uses these
    block_start_string="<%",
    block_end_string="%>",
    variable_start_string="<<",
    variable_end_string=">>",
    comment_start_string="<#",
    comment_end_string="#>",
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters |= {"markdown": markdown, "latex": latex, "wrapped": _wrapped}


@dataclass(frozen=True)
class Cells:
    """Cells as they were given to ``to_markdown`` before; until nothing does so any more."""

    stub: str
    columns: list[tuple[str, str]]
    panels: list[tuple[str, list[tuple[str, list[str]]]]]

    def frame(self) -> pd.DataFrame:
        """Return them as a DataFrame."""
        places = [(heading, label) for heading, lines in self.panels for label, _ in lines]
        texts = [cells for _, lines in self.panels for _, cells in lines]
        columns = pd.MultiIndex.from_tuples(self.columns) if self.columns else pd.MultiIndex.from_arrays([[], []])
        return pd.DataFrame(texts, pd.MultiIndex.from_tuples(places, names=["panel", self.stub]), columns)
