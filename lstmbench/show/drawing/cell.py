"""What happens inside the cell, drawn: its gates over a sequence, and how far back its cell state still matters."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.trace import Trace, add_forget_bias, forget_products, jacobian, trace
from lstmbench.show.drawing.figure import Figure, our_settings
from lstmbench.show.drawing.styles import MUTED, line_options, style_at

PANELS: Mapping[str, tuple[str, tuple[float, float] | None]] = {
    "x": ("input $x_t$", None),
    "f": ("forget gate $f_t$", (0, 1)),
    "i": ("input gate $i_t$", (0, 1)),
    "g": ("candidate $g_t$", (-1, 1)),
    "o": ("output gate $o_t$", (0, 1)),
    "c": ("cell state $c_t$", None),
    "h": ("output $h_t$", (-1, 1)),
}
DASHES = ((), (4.5, 1.6), (1.2, 1.3), (6.0, 1.4, 1.2, 1.4), (2.6, 1.2), (6.0, 1.2, 1.2, 1.2, 1.2, 1.2))
UNITS = len(DASHES)
"""Most hidden units that are drawn: more lines could not be told apart."""
MARKS = 24
"""How many points of the gradient along all paths are computed; each takes a backward pass."""
FAINTEST = 1e-6
"""Below this share a gradient is not drawn: little of it is left in float32."""


def gates(traced: Trace, step: str = "hour", unit: str = "standard deviations") -> Figure:
    """Draw the input, the four gates, the cell state and the output over time, a line for each hidden unit.

    Args:
        traced: what ``lstmbench.cell.trace.trace`` returned; of more than six hidden units the first six are drawn.
        step: what a time step is, for the axis.
        unit: of the input, for its axis.
    """
    count = min(UNITS, traced.h.shape[1])
    time = np.arange(1, len(traced.x) + 1)
    with our_settings():
        figure, axes = _axes(len(PANELS), height=0.95)
        for ax, (name, (label, limits)) in zip(axes, PANELS.items(), strict=True):
            values = getattr(traced, name)
            if name == "x":
                ax.plot(time, values, color=MUTED, linewidth=1)
                label += f"\n({unit})"
            for k in range(count if name != "x" else 0):
                look = line_options(style_at(k)) | {"marker": "", "linestyle": (0, DASHES[k]) if DASHES[k] else "-"}
                ax.plot(time, values[:, k], label=f"unit {k + 1}", **look)
            if limits:
                margin = 0.04 * (limits[1] - limits[0])
                ax.set_ylim(limits[0] - margin, limits[1] + margin)
            ax.set_ylabel(label, rotation=0, ha="right", va="center")
        axes[-1].set_xlabel(f"time step t ({step})")
        axes[-1].set_xlim(1, max(2, len(time)))
        figure.align_ylabels(axes)
        handles, labels = axes[-1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=count, frameon=False)
    figure.id = "cell-gates"
    figure.caption = f"Input, gates, cell state and output of an LSTM over {len(time)} time steps."
    figure.alt = f"{figure.caption} Seven panels below each other, a line for each of {count} hidden units."
    return figure


def gradient_highway(params: LSTMParams, x: ArrayLike, forget_biases: Sequence[float] = (0, 2, 4)) -> Figure:
    """Draw how the gradient of the last cell state fades with the distance, for some biases of the forget gate.

    Lines are the products of the forget gates, marks are the whole derivative with all paths through h. Both are the
    root mean square over the hidden units.

    Args:
        params: the weights.
        x: the sequence, (T, I); (T,) where I is 1.
        forget_biases: what is added to the forget gate's bias, one line for each.
    """
    with our_settings():
        figure, (ax,) = _axes(1, height=2.6)
        for k, bias in enumerate(forget_biases):
            look = line_options(style_at(k)) | {"linestyle": (0, DASHES[k % UNITS]) if DASHES[k % UNITS] else "-"}
            distance, along_cell, sampled, whole = _fading(add_forget_bias(params, bias), x)
            ax.plot(distance, along_cell, label=f"bias {bias:+g}: forget gates alone", **look | {"marker": ""})
            ax.plot(sampled, whole, label=f"bias {bias:+g}: all paths", **look | {"linestyle": ""})
        ax.set_yscale("log")
        ax.set_ylim(FAINTEST, 3)
        ax.set_xlabel("distance T - t (time steps)")
        ax.set_ylabel(r"gradient $|\partial c_T / \partial c_t|$")
        figure.legend(loc="outside right upper", frameon=False)
    figure.id = "cell-gradient"
    figure.caption = "Gradient of the last cell state with respect to earlier ones, over their distance in time steps."
    figure.alt = f"{figure.caption} The larger the forget gate's bias, the slower it fades."
    return figure


def _fading(params: LSTMParams, x: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return distances and gradients along the cell state alone, then distances and gradients along all paths."""
    f = trace(params, x).f
    T = len(f)
    times = np.unique(np.linspace(1, T, min(T, MARKS)).round().astype(int))
    along_cell = np.sqrt((forget_products(f) ** 2).mean(axis=1))
    whole = np.sqrt((jacobian(params, x, times) ** 2).sum(axis=2).mean(axis=1))
    return T - np.arange(1, T + 1), along_cell, T - times, whole


def _axes(rows: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(7.0, height * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, sharex=True, squeeze=False)
    return figure, list(panels[:, 0])
