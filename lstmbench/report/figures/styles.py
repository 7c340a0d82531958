"""The look of figures: one colour, dash pattern and marker for each implementation."""

import hashlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from matplotlib import rc_params_from_file

INK: Final = "#222222"
MUTED: Final = "#666666"
RC: Final[Any] = rc_params_from_file(
    Path(__file__).with_name("lstmbench.mplstyle"), use_default_template=False
)
_STYLES: Final = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
_STAR_SIZE: Final = 6.8  # stars have thin arms


class Style(NamedTuple):
    """The look of a line.

    Attributes:
        color: as hexadecimal digits.
        dashes: points on and off, relative to the width of the line.
        marker, symbol: the names of the marker in Matplotlib and in Plotly.
        scale: of line width and marker.
    """

    color: str
    dashes: tuple[float, ...]
    marker: str | tuple[int, int, int]
    symbol: str
    scale: float = 1.0

    def line_options(self) -> dict[str, Any]:
        """Return the style as keyword arguments of a Matplotlib line."""
        size = _STAR_SIZE if isinstance(self.marker, tuple) else RC["lines.markersize"]
        return {
            "color": self.color,
            "linestyle": (0, self.dashes) if self.dashes else "-",
            "marker": self.marker,
            "linewidth": RC["lines.linewidth"] * self.scale,
            "markersize": size * self.scale,
        }


def style_of(name: str) -> Style:
    """Return the style of an implementation; it depends on nothing but the name."""
    look = _STYLES["implementations"].get(name)
    if look is None:
        look = {}
        digest = hashlib.sha256(name.encode()).digest()
        for byte, options in zip(digest, _STYLES["others"], strict=False):
            look |= options[byte % len(options)]
        look["dashes"] = _STYLES["backends"].get(name.partition(".")[0], look["dashes"])
    lists_as_tuples: Any = {
        key: tuple(part) if isinstance(part, list) else part for key, part in look.items()
    }
    return Style(**lists_as_tuples)
