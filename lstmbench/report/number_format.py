"""Numbers as short text, and text made safe for Markdown and LaTeX.

Every string of a record is foreign text.
"""

import html
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping

# Most are entities, since notebooks look for mathematics before they look at backslashes
_MARKDOWN = {ord(sign): f"&#{ord(sign)};" for sign in "\\$*`~#!"}
_MARKDOWN |= {ord(sign): f"\\{sign}" for sign in "|_"}

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "–": "--",
    "—": "---",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "‖": r"$\parallel$",
    "§": r"\S{}",
    "¶": r"\P{}",
    "→": r"$\to$",
    "µ": r"$\mu$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
}
# Two hyphens in a row are an option such as --out here, never a dash
_LATEX_TOKENS = re.compile(r"--+|[\s\S]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Sentence(str):
    """Prose that a notebook shows as Markdown."""

    def _repr_markdown_(self) -> str:
        return str(self)


def bullets(points: Iterable[str]) -> Sentence:
    """Return the points as a Markdown list."""
    return Sentence("\n".join(f"- {point}" for point in points))


def plain(text: object) -> str:
    """Return the text on one line, without control characters."""
    return " ".join(_CONTROLS.sub(" ", str(text)).split())


def shorten(text: object, most: int = 200) -> str:
    """Return the text's first line, cut at a word where it is longer than ``most`` characters."""
    lines = str(text).strip().splitlines()
    first = plain(lines[0]) if lines else ""
    return first if len(first) <= most else first[: most - 1].rsplit(" ", 1)[0] + "…"


def markdown(text: object) -> str:
    """Return the text such that Markdown, also in a table's cell, shows it letter by letter."""
    escaped = html.escape(plain(text), quote=False).translate(_MARKDOWN)
    return re.sub(r"\](?=[\[(:])", "&#93;", escaped)  # or "[a](b)" would be a link


def latex(text: object) -> str:
    """Return the text such that LaTeX prints it.

    Letters that pdfLaTeX cannot set become their base letter or ``?``.
    """
    return _LATEX_TOKENS.sub(lambda token: _latex_token(token[0]), plain(text))


def _latex_token(token: str) -> str:
    if token.startswith("--"):
        return "{}".join(token)
    if token in _LATEX:
        return _LATEX[token]
    if token.isascii() or ("À" <= token <= "ÿ" and token not in "×÷"):
        return token
    return (
        unicodedata.normalize("NFKD", token).encode("ascii", "ignore").decode().strip("_\\{}$&%#~^")
        or "?"
    )


def slug(text: object) -> str:
    """Return the text as part of a file name and of a LaTeX label."""
    return re.sub(r"[^A-Za-z0-9]+", "-", str(text)).strip("-").lower()[:60] or "records"


def plural(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 case``, ``2 cases`` or ``3 processes``."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{ending}"


def decimals(value: float, digits: int) -> int:
    """Return how many decimals show ``value`` with that many significant digits.

    The result is negative where the number has more digits before the point.
    """
    if value == 0:
        return digits - 1
    return digits - 1 - int(f"{value:.{digits - 1}e}".partition("e")[2])


def fixed(value: float, places: int) -> str:
    """Return ``value`` rounded to that many decimals; never with an exponent."""
    return f"{round(value, places):.{max(places, 0)}f}"


def number(value: float, digits: int = 3) -> str:
    """Return ``value`` with that many significant digits; 0 is ``0``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return fixed(value, decimals(value, digits))


def interval(value: float, low: float | None = None, high: float | None = None) -> str:
    """Return ``value [low, high]`` with three digits, the ends with as many decimals."""
    places = decimals(value, 3)
    if low is None or high is None:
        return fixed(value, places)
    return f"{fixed(value, places)} [{fixed(low, places)}, {fixed(high, places)}]"


def pick_unit(values: Iterable[float], units: Mapping[str, float]) -> str:
    """Return the unit, of those given from large to small, in which most values are 1 or more."""
    positive = sorted(value for value in values if value > 0)
    middle = positive[len(positive) // 2] if positive else 0.0
    fitting = [unit for unit, per in units.items() if middle * per >= 0.5]
    return (fitting or list(units))[0]
