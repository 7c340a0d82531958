"""How figures look: one colour, line and marker per implementation, the same in every figure, print and screen."""

import hashlib
from typing import Any, Final, NamedTuple

import seaborn

INK: Final = "#222222"
MUTED: Final = "#666666"
_BLUE, _ORANGE, _GREEN, _VERMILION, _PURPLE, _BROWN, _, _GREY, _, _SKY = seaborn.color_palette("colorblind").as_hex()

_SOLID, _DASHED, _DOTTED = (), (4.5, 1.6), (1.2, 1.3)
_DASH_DOT, _SHORT, _DASH_DOT_DOT = (6.0, 1.4, 1.2, 1.4), (2.6, 1.2), (6.0, 1.2, 1.2, 1.2, 1.2, 1.2)


class Style(NamedTuple):
    """How one line is drawn: ``dashes`` in points on and off, empty for a solid line; ``scale`` of width and marker."""

    color: str
    dashes: tuple[float, ...]
    marker: str | tuple[int, int, int]
    scale: float = 1.0


# The dashes tell the backend, colour and marker the implementation, so that no reader depends on colours alone. What
# is drawn later is thinner, so that of lines on each other all are seen.
_KNOWN: Final = {
    "numpy.reference": Style(_GREY, _DOTTED, "s", 1.3),
    "numpy.fused": Style(_GREEN, _DOTTED, "D", 0.9),
    "torch.loop": Style(_SKY, _SOLID, "^", 1.3),
    "torch.fused": Style(_BLUE, _SOLID, "v", 1.1),
    "torch.nn": Style(INK, _SOLID, "o", 0.9),
    "jax.scan": Style(_ORANGE, _DASHED, "P", 1.2),
    "jax.fused": Style(_VERMILION, _DASHED, "X", 0.9),
    "torch.compile": Style(_PURPLE, _SOLID, "<"),
    "flax.nnx": Style(_BROWN, _DASH_DOT, "p"),
    "equinox.scan": Style("#882255", _DASH_DOT, "d"),
    "onnxruntime.lstm": Style("#8A8A1F", _SHORT, ">"),
    "keras.lstm": Style("#332288", _SHORT, "h"),
}
_SIZES: Final = dict.fromkeys("PX", 5.2) | dict.fromkeys("^v<>phd", 4.6)
"""Marker sizes in points that look alike."""

_BACKEND_DASHES: Final = {"numpy": _DOTTED, "torch": _SOLID, "jax": _DASHED}
_SPARE_DASHES: Final = (_DASH_DOT, _SHORT, _DASH_DOT_DOT)
_SPARE_COLORS: Final = ("#2E9C8A", "#661100", "#CC6677", "#6A51A3")
_SPARE_MARKERS: Final = ((3, 1, 0), (4, 1, 45), (5, 1, 0), (6, 1, 0), (4, 1, 0))  # stars: no known one has them


def style_of(name: str) -> Style:
    """Return the style of an implementation; of an unknown one too it depends on nothing but its name."""
    if name in _KNOWN:
        return _KNOWN[name]
    digest = hashlib.sha256(name.encode()).digest()
    dashes = _BACKEND_DASHES.get(name.partition(".")[0], _SPARE_DASHES[digest[0] % len(_SPARE_DASHES)])
    return Style(_SPARE_COLORS[digest[1] % len(_SPARE_COLORS)], dashes, _SPARE_MARKERS[digest[2] % len(_SPARE_MARKERS)])


def style_at(position: int) -> Style:
    """Return the style of the value at this position, for lines that are no implementations."""
    known = list(_KNOWN.values())
    return known[(position + 3) % len(known)]


def line_options(style: Style) -> dict[str, Any]:
    """Return the style as keyword arguments of a Matplotlib line."""
    size = 6.8 if isinstance(style.marker, tuple) else _SIZES.get(style.marker, 3.9)
    return {
        "color": style.color,
        "linestyle": (0, style.dashes) if style.dashes else "-",
        "linewidth": 1.3 * style.scale,
        "marker": style.marker,
        "markersize": style.scale * size,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
    }


RC: Final[dict[str, Any]] = {
    **seaborn.axes_style("whitegrid"),
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib, so it is the same everywhere
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": "#999999",
    "grid.color": "#e4e4e4",
    "axes.linewidth": 0.7,
    "grid.linewidth": 0.6,
    "svg.hashsalt": "lstmbench",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,  # letters that a reader can select, and that journals take
    "savefig.dpi": 200,
}
"""Settings of Matplotlib under which figures are made and written; they are never set globally."""
