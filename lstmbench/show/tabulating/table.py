"""What a table is, and how it is put together from rows, quantities and notes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lstmbench.results.record import COLUMNS, frame
from lstmbench.show import provenance
from lstmbench.show.formats import csv_text, markdown, shorten
from lstmbench.show.labels import FORMULA, WORKLOAD, Row, ordered, status_words
from lstmbench.show.tabulating.layout import Layout, arrange
from lstmbench.show.tabulating.render import Cells, to_latex, to_markdown

_KEYS = ("implementation", "peer", *WORKLOAD, "status", "error")


@dataclass(frozen=True, repr=False)
class Table:
    """A table with all that is needed to cite it.

    Attributes:
        id: its stable name, such as ``quick-speed``.
        caption: what its numbers are, with all that holds for every cell.
        frame: what is shown, as strings.
        tidy: the numbers behind it, one row per case, units in the columns' names.
        notes: reasons for cells without a number, and signs explained.
        footer: id, content hash, run, machine, versions, threads, noise floor, and the command that makes it again.
    """

    id: str
    caption: str
    frame: pd.DataFrame
    tidy: pd.DataFrame
    notes: list[str]
    footer: list[str]
    cells: Cells
    data: str

    @property
    def content_hash(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of ``csv()``."""
        return provenance.content_hash(self.data)

    def markdown(self, footer: bool = True) -> str:
        """Return caption, table, notes and footer as Markdown; without footer, id and hash stay."""
        below = self.footer if footer else self.footer[:1]
        parts = [f"**{markdown(self.id)}.** {markdown(self.caption)}", to_markdown(self.cells).rstrip()]
        if self.notes:
            parts.append("\n".join(f"- {markdown(note)}" for note in self.notes))
        return "\n\n".join([*parts, "<br>\n".join(f"<sub>{markdown(line)}</sub>" for line in below)]) + "\n"

    def latex(self) -> str:
        """Return the table for LaTeX, which needs the packages booktabs and graphicx."""
        return to_latex(self.cells, self.id, self.caption, [*self.notes, *self.footer])

    def csv(self) -> str:
        """Return the numbers of ``tidy`` as CSV, with all their digits."""
        return self.data

    def __repr__(self) -> str:
        return f"<Table {self.id}, {len(self.tidy)} cases, data sha256 {self.content_hash}>"

    def __str__(self) -> str:
        return self.markdown()

    def _repr_markdown_(self) -> str:
        return self.markdown()


MARKS = {
    "†": "not converged: the budget ended before the interval was as narrow as the suite asks.",
    "‡": "noisy: more than a quarter of its rounds were disturbed, so that all of them count.",
    "§": "the samples do not account for the time that it took to take them, to within 1 %.",
    "¶": "it waits: for part of its time no thread of its process computed.",
}
"""What a mark behind a number means."""


class Notes:
    """Letters for the reasons of cells without a number, in the order in which they are first needed; and marks."""

    def __init__(self) -> None:
        self._cases: dict[tuple[str, str], list[Row]] = {}
        self._marks: set[str] = set()

    def mark(self, marks: str) -> str:
        """Return some of ``MARKS`` as they stand behind a number, and remember to explain them."""
        self._marks |= set(marks)
        return f" {marks}" if marks else ""

    def letter(self, row: Row, word: str, reason: str) -> str:
        """Return the letter of this reason, such as ``(a)``, and remember that this row has it."""
        cases = self._cases.setdefault((word, reason), [])
        if all(known is not row for known in cases):
            cases.append(row)
        return _letter(list(self._cases).index((word, reason)))

    def lines(self) -> list[str]:
        """Return the notes."""
        found = []
        for number_, ((word, reason), cases) in enumerate(self._cases.items()):
            names = ", ".join(ordered("implementation", (str(row["implementation"]) for row in cases)))
            count = f"{len(cases)} case{'' if len(cases) == 1 else 's'}"
            found.append(f"{_letter(number_)} {word}: {names}, {count}: {reason}")
        return found + [f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in self._marks]


def _letter(index: int) -> str:
    letters = ""
    while index >= 0:
        letters = chr(ord("a") + index % 26) + letters
        index = index // 26 - 1
    return f"({letters})"


def status(row: Row, notes: Notes) -> str:
    """Return the word for a case that has no number, with the letter of its reason."""
    if row["status"] == "ok":
        return "not measured"
    word = status_words(row["status"])
    return f"{word} {notes.letter(row, word, shorten(row['error'] or 'no reason was recorded'))}"


def marked(row: Row, notes: Notes) -> str:
    """Return the marks behind a case's number, with a space before them, and remember to explain them."""
    flags = str(row["flags"] or "")
    given = {
        "†": row["converged"] is False,
        "‡": row["noisy"] is True,
        "§": "unaccounted" in flags,
        "¶": "waits" in flags,
    }
    return notes.mark("".join(mark for mark, there in given.items() if there))


Show = Callable[[Row, Notes], str]


def make(
    rows: list[Row],
    manifest: Any,
    kind: str,
    caption: Callable[[Layout], str],
    shown: Mapping[str, Show],
    columns: Sequence[str],
    remarks: Sequence[str] = (),
    extra_keys: Sequence[str] = (),
    along: str | None = None,
) -> Table:
    """Put a table together: ``shown`` holds, for each quantity, what writes its cell; the rest as in ``arrange``."""
    layout = arrange(rows, extra_keys, along)
    notes = Notes()
    many = len(shown) > 1
    body = []
    absent = False
    for panel in layout.panels:
        lines = []
        for line in panel.lines:
            cells = [show(row, notes) if row else "not run" for show in shown.values() for row in line.records]
            absent |= None in line.records
            lines.append((line.label, cells))
        body.append((panel.heading, lines))
    text = Cells(layout.stub, [(name if many else "", head) for name in shown for head in layout.heads], body)
    if text.columns == [("", "")]:
        text.columns[0] = ("", next(iter(shown)))

    cases = [row for row in layout.cases if row["implementation"] != FORMULA]
    header = [*_KEYS, *columns]
    data = csv_text(header, ([row[name] for name in header] for row in cases))
    manifests = provenance.manifests_of(cases, manifest)
    identity = provenance.table_id(cases, manifests, kind)
    return Table(
        id=identity,
        caption=caption(layout),
        frame=strings(text),
        tidy=frame(
            ({name: row[name] for name in header} for row in cases), {n: COLUMNS.get(n, "string") for n in header}
        ),
        notes=[*notes.lines(), *(["not run: this case is not among the records."] if absent else []), *remarks],
        footer=provenance.footer(cases, manifests, identity, provenance.content_hash(data)),
        cells=text,
        data=data,
    )


def strings(cells: Cells) -> pd.DataFrame:
    """Return the cells as a DataFrame."""
    heads = [", ".join(part for part in column if part) for column in cells.columns]
    rows = []
    for heading, lines in cells.panels:
        for label, texts in lines:
            first = {"workload": heading} if len(cells.panels) > 1 else {}
            rows.append(first | {cells.stub: label} | dict(zip(heads, texts, strict=True)))
    return pd.DataFrame(rows)
