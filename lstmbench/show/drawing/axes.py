"""The axes of a panel: scales, ticks that show real values, and units."""

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from lstmbench.show.formats import shorten

INCHES_PER_LETTER, INCHES_PER_LINE = 0.068, 0.115
LINEAR_BELOW = 2.5
"""Where the largest value is less than this many times the smallest, a logarithmic axis would hardly have a tick."""


def fit_words(words: Sequence[str], width: float) -> tuple[list[str], bool, float]:
    """Return how words stand below an axis of so many inches: as texts, whether upright, and how many inches they take.

    They lie where each finds room in five lines. Where not, they stand, in three lines if there is room for these.
    """
    letters = int(width / len(words) / INCHES_PER_LETTER)
    if max(len(part) for word in words for part in word.split()) <= letters:
        texts = ["\n".join(textwrap.wrap(word, letters)) for word in words]
        lines = 1 + max(text.count("\n") for text in texts)
        if lines <= 5:
            return texts, False, lines * INCHES_PER_LINE
    length = 22 if width / len(words) > 3 * INCHES_PER_LINE else 44
    texts = ["\n".join(textwrap.wrap(shorten(word, 66 if length == 22 else 44), length)) for word in words]
    longest = max(len(line) for text in texts for line in text.splitlines())
    return texts, True, 0.8 * INCHES_PER_LETTER * longest


def set_values_axis(axes: Axes, values: Sequence[float], width: float, log: bool, words: Sequence[str] | None) -> None:
    """Make the x axis show these values themselves, or the words for them, as many as fit into ``width`` inches."""
    if words is not None:
        texts, upright, _ = fit_words(words, width)
        axes.set_xticks(list(values), texts, rotation=90 if upright else 0)
        axes.set_xlim(min(values) - 0.5, max(values) + 0.5)
        return
    if log and min(values) > 0:
        axes.set_xscale("log", base=2)
    shown = list(values)
    widest = max(len(f"{value:g}") for value in shown)
    while len(shown) > 2 and len(shown) * (widest * INCHES_PER_LETTER + 0.08) > width:
        shown = shown[::-1][::2][::-1]  # the largest stays
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value < 1e6 else f"{value:.0e}"))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = min(values), max(values)
    if low == high:
        axes.set_xlim(low / 2, high * 2 or 1)
    elif log and low > 0:
        margin = (high / low) ** 0.06
        axes.set_xlim(low / margin, high * margin)


def set_number_axis(axes: Axes, values: Sequence[float], log: bool) -> None:
    """Give the y axis a scale on which these numbers, all positive if ``log``, can be told apart."""
    low, high = min(values), max(values)
    if not log or high < LINEAR_BELOW * low:
        axes.set_ylim(min(0.0, low * 1.12), max(0.0, high * 1.12) or 1.0)  # from zero: lengths are compared
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
        return
    axes.set_yscale("log")
    margin = (high / low) ** 0.06
    axes.set_ylim(low / margin, high * margin)
    decades = math.log10(high / low)
    small = low < 1e-4  # labels are powers of ten
    subs = (1.0,) if decades > (1.2 if small else 2.2) else (1.0, 3.0) if decades > 1.5 else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_power if small else _plain))


def _plain(value: float, _: object) -> str:
    return f"{value:g}" if abs(value) < 1e5 else f"{value:.0e}"


def _power(value: float, _: object) -> str:
    """Return 1e-7 as a power of ten, 2e-7 with its factor."""
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = round(value / 10**exponent)
    return f"$10^{{{exponent}}}$" if factor == 1 else rf"${factor} \cdot 10^{{{exponent}}}$"
