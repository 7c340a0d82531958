"""Figures of the cell: its gates over a sequence, and how far back its cell state matters."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from lstmbench.core.cell_trace import Trace, add_forget_bias, forget_products, jacobian, trace
from lstmbench.core.parameters import LSTMParams
from lstmbench.report.figures.figure import MUTED, PAGE, Figure, add_legend, figure_style

PANELS: Mapping[str, tuple[str, tuple[float, float] | None]] = {
    "f": ("forget gate $f_t$", (-0.04, 1.04)),
    "i": ("input gate $i_t$", (-0.04, 1.04)),
    "g": ("candidate $g_t$", (-1.08, 1.08)),
    "o": ("output gate $o_t$", (-0.04, 1.04)),
    "c": ("cell state $c_t$", None),
    "h": ("output $h_t$", (-1.08, 1.08)),
}
MAX_UNITS = 6
"""Hidden units that are drawn; the cycle of colours and dashes has no more."""
MAX_GRADIENTS = 24
"""Points at which the gradient along all paths is computed; each takes a backward pass."""
MIN_GRADIENT = 1e-6
"""Smaller gradients are not drawn: little of them is left in float32."""


@figure_style()
def gates(traced: Trace) -> Figure:
    """Draw input, gates, cell state and output over time, a line for each hidden unit.

    Args:
        traced: what ``lstmbench.core.cell_trace.trace`` returned; of more than six hidden units the
            first six are drawn.
    """
    count = min(MAX_UNITS, traced.h.shape[1])
    time = np.arange(1, len(traced.x) + 1)
    figure = Figure(figsize=(PAGE, PAGE))
    top, *panels = figure.subplots(1 + len(PANELS), sharex=True)
    top.plot(time, traced.x, color=MUTED, linestyle="-", linewidth=1, marker="")
    top.set_ylabel("input $x_t$\n(standard deviations)")
    for axes, (name, (label, limits)) in zip(panels, PANELS.items(), strict=True):
        for k in range(count):
            axes.plot(time, getattr(traced, name)[:, k], marker="", label=f"unit {k + 1}")
        if limits:
            axes.set_ylim(limits)
        axes.set_ylabel(label)
    for axes in (top, *panels):
        axes.yaxis.label.set(rotation=0, ha="right", va="center")
    panels[-1].set(xlabel="time step t (hour)", xlim=(1, max(2, len(time))))
    figure.align_ylabels()
    add_legend(figure, panels[-1:])
    return figure.described(
        "cell-gates",
        f"Input, gates, cell state and output of an LSTM over {len(time)} time steps.",
        f"Seven panels below each other, a line for each of {count} hidden units.",
    )


@figure_style()
def gradient_highway(
    params: LSTMParams, x: ArrayLike, forget_biases: Sequence[float] = (0, 2, 4)
) -> Figure:
    """Draw how the gradient of the last cell state fades with distance, by forget gate bias.

    Lines are the products of the forget gates, marks are the whole derivative with all paths
    through h. Both are the root mean square over the hidden units.

    Args:
        params: the weights.
        x: the sequence, (T, I); (T,) where I is 1.
        forget_biases: what is added to the forget gate's bias, one line for each.
    """
    figure = Figure(figsize=(PAGE, 3.0))
    axes = figure.subplots()
    for bias in forget_biases:
        biased = add_forget_bias(params, bias)
        f = trace(biased, x).f
        T = len(f)
        times = np.unique(np.linspace(1, T, min(T, MAX_GRADIENTS)).round().astype(int))
        along_cell = np.sqrt((forget_products(f) ** 2).mean(axis=1))
        along_all = np.sqrt((jacobian(biased, x, times) ** 2).sum(axis=2).mean(axis=1))
        label = f"bias {bias:+g}"
        (line,) = axes.plot(
            T - np.arange(1, T + 1), along_cell, marker="", label=f"{label}: forget gates alone"
        )
        axes.plot(
            T - times,
            along_all,
            linestyle="none",
            color=line.get_color(),
            label=f"{label}: all paths",
        )
    axes.set(yscale="log", ylim=(MIN_GRADIENT, 3), xlabel="distance T - t (time steps)")
    axes.set_ylabel(r"gradient $|\partial c_T / \partial c_t|$")
    add_legend(figure, [axes])
    return figure.described(
        "cell-gradient",
        "Gradient of the last cell state with respect to earlier ones, over their distance in time "
        "steps.",
        "The larger the forget gate's bias, the slower it fades.",
    )
