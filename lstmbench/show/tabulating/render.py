"""A table's cells as Markdown and as LaTeX."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from lstmbench.show.formats import latex, markdown

Panels = list[tuple[str, list[tuple[str, list[str]]]]]
"""Headings (empty where there is only one panel), each with rows of a label and its cells."""

COLUMNS_IN_SMALL_PRINT = 6
ROOM = 47
"""So many rows fit between caption and end of a printed page. A longer table is cut, between panels where it can be."""
MOST_ROWS = 44
HEADING, NOTE = 1.5, 0.85
"""How high a panel's heading, and a line of the notes, are in rows."""
LETTERS_PER_LINE = 100

_MARKS = re.compile(r" ((?:\$\\d?dagger\$|\\[SP]\{\})+)$")


@dataclass(frozen=True)
class Cells:
    """A table that is all text.

    Attributes:
        stub: what the rows' labels are.
        columns: for each column the quantity (empty where there is only one) and its label.
        panels: the rows under their headings.
    """

    stub: str
    columns: list[tuple[str, str]]
    panels: Panels


def to_markdown(cells: Cells) -> str:
    """Return the table in GitHub's Markdown; panels begin with a row in bold."""
    heads = [cells.stub, *("<br>".join(markdown(part) for part in column if part) for column in cells.columns)]
    lines = [_row(heads), _row([":--", *("--:" for _ in cells.columns)])]
    for heading, rows in cells.panels:
        if heading:
            lines.append(_row([f"**{markdown(heading)}**", *("" for _ in cells.columns)]))
        lines += [_row([markdown(text) for text in (label, *row)]) for label, row in rows]
    return "\n".join(lines) + "\n"


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def to_latex(cells: Cells, identity: str, caption: str, below: Sequence[str]) -> str:
    """Return the table for a document with the packages booktabs and graphicx.

    What is longer than a page is cut into several tables of one number; what is wider than the text is made smaller.
    """
    notes = NOTE * sum(math.ceil(len(text) / LETTERS_PER_LINE) for text in below)
    pages = _pages(cells.panels, notes)
    texts = []
    for number, panels in enumerate(pages, 1):
        last = number == len(pages)
        label = f"tab:{identity}" + (f"-{number}" if number > 1 else "")
        title = latex(caption) if number == 1 else f"{latex(caption.split('. ')[0].rstrip('.'))} (continued)."
        texts.append(_float(Cells(cells.stub, cells.columns, panels), label, title, below if last else []))
    return "% needs \\usepackage{booktabs,graphicx}\n" + "\n".join(
        [texts[0], *(text.replace("\n", "\n  \\addtocounter{table}{-1}\n", 1) for text in texts[1:])]
    )


def _pages(panels: Panels, notes: float) -> list[Panels]:
    """Return what comes onto each page; onto the last, notes as high as so many rows come too."""
    pages: list[Panels] = [[]]
    used = 0.0
    for heading, rows in panels:
        for start in range(0, len(rows), MOST_ROWS):
            part = rows[start : start + MOST_ROWS]
            if pages[-1] and used + HEADING + len(part) > ROOM:
                pages.append([])
                used = 0
            pages[-1].append((heading, part))
            used += HEADING + len(part)
    if pages[-1] and used + notes > ROOM:
        if len(pages[-1]) > 1:
            pages.append([pages[-1].pop()])
        ((heading, rows),) = pages[-1]
        most = max(int(ROOM - HEADING - notes), 1)
        if len(rows) > most:
            pages[-1:] = [[(heading, rows[:-most])], [(heading, rows[-most:])]]
    return pages


def _float(cells: Cells, label: str, title: str, below: Sequence[str]) -> str:
    wide = len(cells.columns) > COLUMNS_IN_SMALL_PRINT
    lines = [
        r"\begin{table}[tbp]",
        r"  \centering",
        rf"  \caption{{{title}}}",
        rf"  \label{{{label}}}",
        r"  \par\smallskip",
        r"  \scriptsize\setlength{\tabcolsep}{3pt}" if wide else r"  \footnotesize\setlength{\tabcolsep}{5pt}",
        r"  \sbox0{%",
        rf"  \begin{{tabular}}{{@{{}}l{'r' * len(cells.columns)}@{{}}}}",
        r"    \toprule",
        *_heads(cells),
        r"    \midrule",
    ]
    across = len(cells.columns) + 1
    for number, (heading, rows) in enumerate(cells.panels):
        if heading:
            space = [r"    \addlinespace"] if number else []
            lines += [*space, rf"    \multicolumn{{{across}}}{{@{{}}l}}{{\emph{{{latex(heading)}}}}} \\"]
        lines += ["    " + " & ".join([_first(label), *map(_cell, row)]) + r" \\" for label, row in rows]
    lines += [r"    \bottomrule", r"  \end{tabular}}%"]
    lines += [r"  \ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi"]
    if below:
        texts = [latex(text) for text in below]
        lines += [r"  \par\smallskip", r"  \begin{minipage}{\linewidth}\scriptsize\raggedright"]
        lines += ["    " + r" \\ ".join(texts).replace(r" \\ ", " \\\\\n    "), r"  \end{minipage}"]
    return "\n".join([*lines, r"\end{table}", ""])


def _heads(cells: Cells) -> list[str]:
    """Return the head: two rows where there are several quantities."""
    groups = [(group, len(list(members))) for group, members in groupby(group for group, _ in cells.columns)]
    labels = [latex(label) for _, label in cells.columns]
    if len(groups) == 1 and not groups[0][0]:
        return ["    " + " & ".join([latex(cells.stub), *labels]) + r" \\"]
    if not any(labels):
        return ["    " + " & ".join([latex(cells.stub), *(latex(group) for group, _ in groups)]) + r" \\"]
    spans, rules, column = [], [], 2
    for group, width in groups:
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{latex(group)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    return [
        "    " + " & ".join(["", *spans]) + r" \\",
        "    " + " ".join(rules),
        "    " + " & ".join([latex(cells.stub), *labels]) + r" \\",
    ]


def _cell(text: str) -> str:
    """Return a cell, the interval in small print."""
    written = _MARKS.sub(r"\\rlap{\\textsuperscript{\1}}", latex(text))  # the digits stay aligned
    value, bracket, rest = written.partition(" [")
    ends, closing, after = rest.partition("]")
    return rf"{value} {{\scriptsize[{ends}]}}{after}" if bracket and closing else written


def _first(label: str) -> str:
    r"""Return a row's label; a ``[`` or ``*`` there would be taken for an argument of the ``\\`` before it."""
    text = latex(label)
    return "{}" + text if text.startswith(("[", "*")) else text
