"""The look of figures: one colour, dash pattern and marker for each implementation."""

import hashlib
from typing import Any, Final, NamedTuple

import seaborn
from cycler import cycler

INK: Final = "#222222"
MUTED: Final = "#666666"
_BLUE, _ORANGE, _GREEN, _VERMILION, _PURPLE, _BROWN, _PINK, _GREY, _YELLOW, _SKY = (
    seaborn.color_palette("colorblind").as_hex()
)

_SOLID, _DASHED, _DOTTED = (), (4.5, 1.6), (1.2, 1.3)
_DASH_DOT, _SHORT, _DASH_DOT_DOT = (6.0, 1.4, 1.2, 1.4), (2.6, 1.2), (6.0, 1.2, 1.2, 1.2, 1.2, 1.2)
_WIDTH: Final = 1.3
_MARKER_SIZE: Final = 4.4
_STAR_SIZE: Final = 6.8  # stars have thin arms


class Style(NamedTuple):
    """The look of a line: ``dashes`` in points on and off; ``scale`` of line width and marker."""

    color: str
    dashes: tuple[float, ...]
    marker: str | tuple[int, int, int]
    scale: float = 1.0

    def line_options(self) -> dict[str, Any]:
        """Return the style as keyword arguments of a Matplotlib line."""
        size = _STAR_SIZE if isinstance(self.marker, tuple) else _MARKER_SIZE
        return {
            "color": self.color,
            "linestyle": (0, self.dashes) if self.dashes else "-",
            "marker": self.marker,
            "linewidth": _WIDTH * self.scale,
            "markersize": size * self.scale,
        }


# Dashes show the backend; colour and marker show the implementation, so that no reader depends on
# colour alone. Lines that are drawn later are thinner, so that coinciding lines all stay visible.
_KNOWN: Final = {
    "numpy.reference": Style(_GREY, _DOTTED, "s", 1.2),
    "numpy.fused": Style(_GREEN, _DOTTED, "D", 0.8),
    "torch.loop": Style(_SKY, _SOLID, "^", 1.3),
    "torch.fused": Style(_BLUE, _SOLID, "v", 1.1),
    "torch.nn": Style(INK, _SOLID, "o", 0.9),
    "jax.scan": Style(_ORANGE, _DASHED, "P", 1.3),
    "jax.fused": Style(_VERMILION, _DASHED, "X", 1.0),
    "torch.compile": Style(_PURPLE, _SOLID, "<"),
    "flax.nnx": Style(_BROWN, _DASH_DOT, "p"),
    "equinox.scan": Style("#882255", _DASH_DOT, "d"),
    "onnxruntime.lstm": Style("#8A8A1F", _SHORT, ">"),
    "keras.lstm": Style("#332288", _SHORT, "h"),
}
_BACKEND_DASHES: Final = {"numpy": _DOTTED, "torch": _SOLID, "jax": _DASHED}
_OTHER_DASHES: Final = (_DASH_DOT, _SHORT, _DASH_DOT_DOT)
_OTHER_COLORS: Final = ("#2E9C8A", "#661100", "#CC6677", "#6A51A3")
_OTHER_MARKERS: Final = (
    (3, 1, 0),
    (4, 1, 45),
    (5, 1, 0),
    (6, 1, 0),
    (4, 1, 0),
)  # stars: no known one has them


def style_of(name: str) -> Style:
    """Return the style of an implementation; it depends on nothing but the name."""
    if name in _KNOWN:
        return _KNOWN[name]
    digest = hashlib.sha256(name.encode()).digest()
    dashes = _BACKEND_DASHES.get(
        name.partition(".")[0], _OTHER_DASHES[digest[0] % len(_OTHER_DASHES)]
    )
    color = _OTHER_COLORS[digest[1] % len(_OTHER_COLORS)]
    return Style(color, dashes, _OTHER_MARKERS[digest[2] % len(_OTHER_MARKERS)])


RC: Final[dict[str, Any]] = {
    **seaborn.axes_style("whitegrid"),
    **seaborn.plotting_context("paper", font_scale=0.83),  # 8 points, the size of captions in print
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib, so it is the same everywhere
    "axes.prop_cycle": cycler(color=[_BLUE, _ORANGE, INK, _GREEN, _VERMILION, _PURPLE])
    + cycler(
        linestyle=[
            "-",
            *((0, dashes) for dashes in (_DASHED, _DOTTED, _DASH_DOT, _SHORT, _DASH_DOT_DOT)),
        ]
    )
    + cycler(marker=["v", "P", "o", "D", "X", "s"]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "figure.labelsize": "medium",
    "figure.titlesize": "large",
    "figure.titleweight": "bold",
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "lines.linewidth": _WIDTH,
    "lines.markersize": _MARKER_SIZE,
    "lines.markeredgecolor": "white",
    "lines.markeredgewidth": 0.5,
    "svg.hashsalt": "lstmbench",  # or the ids in an SVG would be random
    "pdf.fonttype": 42,  # letters that a reader can select, and that journals accept
}
"""Settings of Matplotlib while figures are drawn and written; they are never set globally."""
