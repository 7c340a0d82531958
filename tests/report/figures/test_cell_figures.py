import warnings

import numpy as np
import pytest

import lstmbench as lb
from lstmbench.core.cell_trace import forget_products, trace
from lstmbench.report.figures.cell_figures import PANELS, gates, gradient_highway

X = np.sin(np.arange(40) / 4)


def traced(hidden_size=4, x=X):
    return trace(lb.LSTMParams.init(1, hidden_size), x)


def test_every_gate_has_a_labelled_panel_with_a_line_for_each_unit():
    figure = gates(traced())
    labels = ["input $x_t$", *(label for label, _ in PANELS.values())]
    assert [ax.get_ylabel().partition("\n")[0] for ax in figure.axes] == labels
    assert [len(ax.lines) for ax in figure.axes] == [1, *[4] * 6]
    assert figure.axes[-1].get_xlabel() == "time step t (hour)"


def test_the_lines_are_the_traced_values():
    gates_traced = traced()
    for ax, name in zip(gates(gates_traced).axes, ("x", *PANELS), strict=True):
        for line, values in zip(ax.lines, getattr(gates_traced, name).T, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), values)


def test_units_differ_in_more_than_colour_and_many_are_cut_to_what_can_be_told_apart():
    lines = gates(traced(hidden_size=30)).axes[1].lines
    assert len({str(line._dash_pattern) for line in lines}) == len(lines) == 6


def test_the_gradient_is_drawn_for_each_bias_along_the_cell_and_along_all_paths():
    params = lb.LSTMParams.init(1, 4)
    (ax,) = gradient_highway(params, X, (0, 3)).axes
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert len(ax.lines) == 4
    expected = np.sqrt((forget_products(trace(params, X).f) ** 2).mean(axis=1))
    np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)
    assert ax.lines[2].get_ydata()[0] > ax.lines[0].get_ydata()[0]  # a larger bias remembers more


@pytest.mark.parametrize("length", [1, 2, 25])
def test_short_sequences_are_drawn_without_a_warning(length):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gates(traced(x=X[:length])).canvas.draw()
        gradient_highway(lb.LSTMParams.init(1, 2), X[:length]).canvas.draw()


def test_the_figures_are_not_held_by_pyplot():
    from matplotlib import pyplot

    pyplot.close("all")
    gates(traced())
    assert not pyplot.get_fignums()
