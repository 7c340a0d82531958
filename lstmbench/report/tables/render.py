"""Tables as Markdown and as LaTeX, by the templates in ``report/templates``.

The cells are a DataFrame of strings. Its rows are labelled by the heading of their panel (empty if
there is only one) and a label, its columns by a quantity and a head (empty if there is only one).
"""

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from jinja2 import Environment, FileSystemLoader

from lstmbench.report.number_format import latex, markdown

if TYPE_CHECKING:
    from lstmbench.report.tables.table import Table

# For the text of LaTeX's article, 345 pt wide and 550 pt high: with the gaps between columns, a
# letter of a table in \scriptsize takes up to 3.8 pt (measured in Computer Modern, on all committed
# tables).
LETTERS_IN_PORTRAIT, LETTERS_IN_LANDSCAPE = 90, 145
_GAP = 2
MAX_WITH_INTERVALS_BESIDE = 3
"""More columns with intervals beside their values are too wide for the text."""
HEAD_LETTERS, LABEL_LETTERS, HEADING_LETTERS = 12, 32, 80
"""Longer texts are wrapped."""

_PARTS = re.compile(r"(.*?)( \[.*\])?( [†‡‖§¶]+)?$")
"""The parts of a cell: a value, its interval, and marks."""


def to_markdown(cells: pd.DataFrame) -> str:
    """Return cells as a table in GitHub's Markdown; panels begin with a row in bold."""
    lines = zip(cells.index, cells.to_numpy().tolist(), strict=True)
    return TEMPLATES.get_template("grid.md.j2").render(
        stub=cells.index.names[-1], columns=heads(cells), lines=lines
    )


def table_latex(table: "Table") -> str:
    """Return a table as a longtable; the document needs booktabs, longtable and lscape.

    If it is too wide for a page in landscape, each of several quantities gets panels of its own.
    """
    cells = table.frame
    if _letters(cells) > LETTERS_IN_LANDSCAPE and all(map(all, cells.columns)):
        cells = _one_below_the_other(cells)
    beneath = cells.shape[1] > MAX_WITH_INTERVALS_BESIDE
    names = heads(cells)
    return TEMPLATES.get_template("table.tex.j2").render(
        table=table,
        small=beneath,
        landscape=beneath and _letters(cells) > LETTERS_IN_PORTRAIT,
        stub=cells.index.names[-1],
        quantities=cells.columns.unique(0) if all(map(all, names)) else [],
        heads=[head or quantity for quantity, head in names],
        lines=[
            (heading, label, [_cell(text, beneath) for text in texts])
            for (heading, label), texts in zip(cells.index, cells.to_numpy(), strict=True)
        ],
    )


def _one_below_the_other(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with panels for each quantity."""
    parts = []
    for quantity in cells.columns.unique(0):
        headings = {
            heading: f"{quantity}: {heading}".rstrip(": ") for heading in cells.index.unique(0)
        }
        parts.append(cells[[quantity]].rename(index=headings, columns={quantity: ""}, level=0))
    return pd.concat(parts)


def heads(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """Return quantity and head of each column; a single quantity that has heads is left out."""
    quantities, names = (cells.columns.get_level_values(level) for level in (0, 1))
    several = quantities.nunique() > 1
    pairs = zip(quantities, names, strict=True)
    return [(quantity if several or not name else "", name) for quantity, name in pairs]


def _letters(cells: pd.DataFrame) -> int:
    """Return about how many letters a row holds when intervals stand beneath their values."""
    widths = cells.map(lambda text: max(map(len, _PARTS.findall(text)[0][:2]))).max()
    names = [
        max(map(len, _wrap(head or quantity, HEAD_LETTERS))) for quantity, head in heads(cells)
    ]
    labels = min(max(map(len, cells.index.get_level_values(1))), LABEL_LETTERS)
    return labels + sum(max(pair) + _GAP for pair in zip(widths, names, strict=True))


def _cell(text: str, beneath: bool) -> tuple[str, str]:
    """Return what LaTeX prints in a cell, and beneath it.

    Marks take no room, so that digits stay aligned.
    """
    value, interval, marks = map(latex, _PARTS.findall(text)[0])
    mark = rf"\rlap{{\textsuperscript{{{marks}}}}}" if marks else ""
    if beneath:
        return value + mark, interval
    return value + (rf" {{\scriptsize{interval}}}" if interval else "") + mark, ""


def _wrap(text: str, letters: int) -> list[str]:
    return textwrap.wrap(text, letters, break_long_words=False)


def _wrapped(text: str, letters: int, side: str) -> str:
    r"""Return a text on several lines if it has more letters, flush with ``side``, l or r.

    A ``[`` or ``*`` that begins a row would be taken for an argument of the ``\\`` before it.
    """
    lines = [latex(line) for line in _wrap(text, letters)]
    if len(lines) > 1:
        return rf"\shortstack[{side}]{{" + r" \\ ".join(lines) + "}"
    return ("{}" if text.startswith(("[", "*")) else "") + "".join(lines)


TEMPLATES = Environment(
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
TEMPLATES.filters |= {"markdown": markdown, "latex": latex, "wrapped": _wrapped}
TEMPLATES.globals |= {"HEAD": HEAD_LETTERS, "LABEL": LABEL_LETTERS, "HEADING": HEADING_LETTERS}
