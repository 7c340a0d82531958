"""The cells of a case and the notes beneath a table, which explain missing numbers and marks."""

from collections.abc import Callable, Mapping
from string import ascii_lowercase

from lstmbench.report.labels import FORMULA, Row, ordered, status_words
from lstmbench.report.number_format import interval, number, plural, shorten
from lstmbench.results import schema

MARKS: Mapping[str, tuple[str, Callable[[Row], bool]]] = {
    "†": (
        "not converged: the budget ended before the interval was as narrow as the suite asks.",
        lambda row: row["converged"] is False,
    ),
    "‡": (
        "noisy: more than a quarter of its rounds were disturbed, so that all of them count.",
        lambda row: row["noisy"] is True and row.get("time_freedom") is None,
    ),
    "‖": (  # of runs since version 0.2, whose records have the freedom of the interval
        "noisy: without its disturbed rounds the estimate would lie outside its interval.",
        lambda row: row["noisy"] is True and row.get("time_freedom") is not None,
    ),
    "§": (
        "the samples do not account for the time that it took to take them, to within 1 %.",
        lambda row: "unaccounted" in str(row["flags"]),
    ),
    "¶": (
        "it waits: for part of its time no thread of its process computed.",
        lambda row: "waits" in str(row["flags"]),
    ),
}
"""What a mark behind a number means, and whether a case has it."""


class Notes:
    """Lettered reasons for cells without a number, in the order of their first use; and marks."""

    def __init__(self) -> None:
        self._cases: dict[tuple[str, str], dict[int, Row]] = {}
        self._marks: set[str] = set()

    def mark(self, row: Row, possible: str = "".join(MARKS)) -> str:
        """Return those of these marks that a case has, as they stand behind its number."""
        marks = "".join(mark for mark in possible if MARKS[mark][1](row))
        self._marks |= set(marks)
        return f" {marks}" if marks else ""

    def letter(self, row: Row, word: str, reason: str) -> str:
        """Return the letter of this reason, such as ``(a)``, and remember that this row has it."""
        self._cases.setdefault((word, reason), {})[id(row)] = row
        return _letter([*self._cases].index((word, reason)))

    def lines(self) -> list[str]:
        """Return the notes."""
        lines = []
        for index, ((word, reason), cases) in enumerate(self._cases.items()):
            names = ordered(
                "implementation", (str(row["implementation"]) for row in cases.values())
            )
            extent = f"{', '.join(names)}, {plural(len(cases), 'case')}"
            lines.append(f"{_letter(index)} {word}: {extent}: {reason}")
        return lines + [f"{mark} {MARKS[mark][0]}" for mark in MARKS if mark in self._marks]


def _letter(index: int) -> str:
    """Return ``(a)`` to ``(z)``, then ``(aa)`` and so on."""
    letters = ""
    while index >= 0:
        letters = ascii_lowercase[index % 26] + letters
        index = index // 26 - 1
    return f"({letters})"


Cell = Callable[[Row, Notes], str]
"""Writes the cell of a case."""


def status(row: Row, notes: Notes) -> str:
    """Return the word for a case that has no number, with the letter of its reason."""
    if row["status"] == "ok":
        return "not measured"
    word = status_words(row["status"])
    return f"{word} {notes.letter(row, word, shorten(row['error'] or 'no reason was recorded'))}"


def has_number(row: Row, column: str) -> bool:
    """Return whether a case computed the LSTM and has this number."""
    return row["status"] == "ok" and row[column] is not None


def numbers(column: str, factor: float = 1.0, marks: bool = False) -> Cell:
    """Return what writes the number in this column, with its interval if it has one.

    Args:
        column: of the records.
        factor: from the record's unit to the one that is shown.
        marks: whether ``MARKS`` are shown behind the number.
    """
    known = schema.BY_NAME[column]

    def cell(row: Row, notes: Notes) -> str:
        if not has_number(row, column):
            on_cpu = column == "peak_device_bytes" and row["device"] == "cpu"
            none = row["implementation"] == FORMULA or (on_cpu and row["status"] == "ok")
            return "–" if none else status(row, notes)
        value = row[column] * factor
        ends = [row[end] and row[end] * factor for end in (known.low, known.high) if end]
        shown = interval(value, *ends) if ends else number(value)
        return shown + (notes.mark(row) if marks else "")

    return cell
