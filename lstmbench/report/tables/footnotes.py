"""The notes beneath a table: why a case has no number, and what the marks behind a number mean."""

from lstmbench.report.labels import Row, ordered, status_words
from lstmbench.report.number_format import plural, shorten

MARKS = {
    "†": "not converged: the budget ended before the interval was as narrow as the suite asks.",
    "‡": "noisy: more than a quarter of its rounds were disturbed, so that all of them count.",
    "§": "the samples do not account for the time that it took to take them, to within 1 %.",
    "¶": "it waits: for part of its time no thread of its process computed.",
}
"""What a mark behind a number means."""


class Notes:
    """Letters for the reasons of cells without a number, in the order in which they are first
    needed; and marks."""

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
        if not any(row is case for case in cases):
            cases.append(row)
        return _letter([*self._cases].index((word, reason)))

    def lines(self) -> list[str]:
        """Return the notes."""
        lines = []
        for index, ((word, reason), cases) in enumerate(self._cases.items()):
            names = ", ".join(
                ordered("implementation", (str(row["implementation"]) for row in cases))
            )
            lines.append(
                f"{_letter(index)} {word}: {names}, {plural(len(cases), 'case')}: {reason}"
            )
        return lines + [
            f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in self._marks
        ]


def _letter(index: int) -> str:
    """Return ``(a)`` to ``(z)``, then ``(aa)`` and so on."""
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
    """Return the marks behind a case's number, with a space before them, and remember to explain
    them."""
    flags = str(row["flags"] or "")
    applies = {
        "†": row["converged"] is False,
        "‡": row["noisy"] is True,
        "§": "unaccounted" in flags,
        "¶": "waits" in flags,
    }
    return notes.mark("".join(mark for mark in MARKS if applies[mark]))
