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
    """The look of a line: ``dashes`` in points on and off; ``scale`` of line width and marker."""

    color: str
    dashes: tuple[float, ...]
    marker: str | tuple[int, int, int]
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
        choices = zip(
            hashlib.sha256(name.encode()).digest(), _STYLES["others"].items(), strict=False
        )
        look = {part: options[byte % len(options)] for byte, (part, options) in choices}
        backend = name.partition(".")[0]
        look["dashes"] = _STYLES["backends"].get(backend, look["dashes"])
    marker = look["marker"]
    marker = tuple(marker) if isinstance(marker, list) else marker
    return Style(look["color"], tuple(look["dashes"]), marker, look.get("scale", 1.0))
