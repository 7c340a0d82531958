"""What happens inside the cell, drawn: its gates over a sequence, and how far back its cell state still matters."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstmbench.cell.parameters import LSTMParams
from lstmbench.cell.trace import Trace, add_forget_bias, forget_products, jacobian, trace

PANELS: Mapping[str, tuple[str, tuple[float, float] | None]] = {
    "x": ("input $x_t$\n(st. deviations)", None),
    "f": ("forget gate $f_t$", (0, 1)),
    "i": ("input gate $i_t$", (0, 1)),
    "g": ("candidate $g_t$", (-1, 1)),
    "o": ("output gate $o_t$", (0, 1)),
    "c": ("cell state $c_t$", None),
    "h": ("output $h_t$", (-1, 1)),
}
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
UNITS = len(DASHES)
"""Most hidden units that are drawn: more lines could not be told apart."""
MARKS = 24
"""How many points of the gradient along all paths are computed; each takes a backward pass."""
FAINTEST = 1e-6
"""Below this share a gradient is not drawn: little of it is left in float32."""


def gates(traced: Trace, step: str = "hour") -> Figure:
    """Draw the input, the four gates, the cell state and the output over time, a line for each hidden unit.

    Args:
        traced: what ``lstmbench.cell.trace.trace`` returned; of more than six hidden units the first six are drawn.
        step: what a time step is, for the axis.
    """
    units = min(UNITS, traced.h.shape[1])
    figure, axes = _axes(len(PANELS), width=9, height=1.35)
    looks = list(zip(sns.color_palette("colorblind", units), DASHES, strict=False))
    for ax, (name, (label, limits)) in zip(axes, PANELS.items(), strict=True):
        values = getattr(traced, name)
        time = np.arange(1, len(values) + 1)
        if name == "x":
            ax.plot(time, values, color="0.35", linewidth=1)
        else:
            for k, (colour, dash) in enumerate(looks):
                ax.plot(time, values[:, k], color=colour, linestyle=dash, linewidth=1.2, label=f"unit {k + 1}")
        if limits:
            margin = 0.04 * (limits[1] - limits[0])
            ax.set_ylim(limits[0] - margin, limits[1] + margin)
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    axes[-1].set_xlabel(f"time step t ({step})")
    axes[0].set_xlim(1, max(2, len(traced.x)))
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=units, frameon=False)
    figure.align_ylabels(axes)
    return figure


def gradient_highway(params: LSTMParams, x: Any, forget_biases: tuple[float, ...] = (0, 2, 4)) -> Figure:
    """Draw how the gradient of the last cell state fades with the distance, for some biases of the forget gate.

    Lines are the products of the forget gates, marks are the whole derivative with all paths through h. Both are the
    root mean square over the hidden units.

    Args:
        params: the weights.
        x: the sequence, (T, I); (T,) where I is 1.
        forget_biases: what is added to the forget gate's bias, one line for each.
    """
    figure, (ax,) = _axes(1, width=8, height=3.6)
    looks = zip(sns.color_palette("colorblind"), cycle(DASHES), cycle("os^Dv"), forget_biases, strict=False)
    for colour, dash, marker, bias in looks:
        biased = add_forget_bias(params, bias)
        f = trace(biased, x).f
        T = len(f)
        along_cell = np.sqrt((forget_products(f) ** 2).mean(axis=1))
        times = np.unique(np.linspace(1, T, min(T, MARKS)).round().astype(int))
        whole = np.sqrt((jacobian(biased, x, times) ** 2).sum(axis=2).mean(axis=1))
        ax.plot(
            T - np.arange(1, T + 1),
            along_cell,
            color=colour,
            linestyle=dash,
            label=f"bias {bias:+g}, forget gates alone",
        )
        ax.plot(T - times, whole, color=colour, linestyle="", marker=marker, label=f"bias {bias:+g}, all paths")
    ax.set_yscale("log")
    ax.set_ylim(FAINTEST, 3)
    ax.set_xlabel("distance T - t (time steps)")
    ax.set_ylabel(r"gradient $|\partial c_T / \partial c_t|$")
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _axes(rows: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure that pyplot doesn't hold (so nothing shows it twice), with panels below each other."""
    with sns.axes_style("whitegrid"):
        figure = Figure(figsize=(width, height * rows), layout="constrained")
        panels = figure.subplots(rows, sharex=True, squeeze=False)
    return figure, list(panels[:, 0])
