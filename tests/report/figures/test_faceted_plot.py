import itertools

import matplotlib as mpl
import numpy as np
import pytest
from made_up import IMPLEMENTATIONS, make, quick_rows, row, unwell
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lstmbench import report
from lstmbench.core.tolerance import TOLERANCE
from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.case import Workload
from lstmbench.report.figures.figure import COLUMN, PAGE, SINGLE
from lstmbench.report.figures.standard_figures import standard_figures

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def figures(troubled):
    return report.standard_figures(troubled[troubled["device"] == "cpu"])[0]


def texts(figure):
    shown = figure.findobj(mpl.text.Text)
    return " ".join(text.get_text() for text in shown).replace("\n", " ").replace("\u00a0", " ")


def body(figure):
    """The part of a figure that holds its panels, their labels and the legend."""
    return figure.subfigs[0].subfigs[0]


def legend(figure):
    return [text.get_text() for text in body(figure).legends[0].get_texts()]


def lines(axes, name):
    return [line for line in axes.lines if line.get_label() == name]


def test_a_run_gets_its_standard_figures(figures):
    names = ["ratio", "speed", "allocated", "peak", "output-error", "gradient-error"]
    assert list(figures) == [f"quick-{name}" for name in names]
    assert all(figure.id == name for name, figure in figures.items())


def test_every_axis_has_a_label_with_a_unit(figures):
    for figure in figures.values():
        assert body(figure).get_supxlabel() == "sequence length T (steps)"
        assert body(figure).get_supylabel().endswith(")")
    assert body(figures["quick-speed"]).get_supylabel() == "time of one call (ms)"
    assert body(figures["quick-ratio"]).get_supylabel() == "time ratio (torch.nn = 1)"
    assert body(figures["quick-peak"]).get_supylabel() == "process peak (MiB)"


def test_ticks_are_the_lengths_themselves(figures):
    axes = figures["quick-speed"].axes[-1]
    formatter = axes.xaxis.get_major_formatter()
    assert [formatter(value) for value in axes.get_xticks()] == ["16", "64", "256", "1024"]


def test_many_lengths_leave_out_ticks_rather_than_overlap():
    rows = [row for row in quick_rows() if row["seq_len"] == 16]
    rows = [row | {"seq_len": T} for row in rows for T in range(1000, 1030)]
    axes = report.standard_figures(make(rows))[0]["quick-speed"].axes[0]
    assert 2 <= len(axes.get_xticks()) <= 6
    assert set(axes.get_xticks()) <= set(range(1000, 1030))


@pytest.mark.parametrize(
    "name", ["quick-ratio", "quick-speed", "quick-allocated", "quick-peak", "quick-gradient-error"]
)
def test_no_text_is_cut_off_or_lies_on_another(figures, name):
    figure = figures[name]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    hidden = []  # labels of ticks outside their panel
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = axis.get_view_interval()
        hidden += [
            tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high
        ]
    shown = [
        text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text not in hidden
    ]
    boxes = [text.get_window_extent(renderer) for text in shown if text.get_text()]
    whole = figure.bbox
    for box in boxes:
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1
    for i, box in enumerate(boxes):
        for other in boxes[i + 1 :]:
            width = min(box.x1, other.x1) - max(box.x0, other.x0)
            height = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert width <= 1 or height <= 1


def test_the_legend_names_every_line_once_outside_the_panels(figures):
    figure = figures["quick-speed"]
    assert legend(figure) == list(IMPLEMENTATIONS)
    assert all(axes.get_legend() is None for axes in figure.axes)


def test_an_implementation_looks_the_same_in_every_figure(quick, figures):
    alone = report.plot(
        quick[(quick["implementation"] == "jax.scan") & (quick["hidden_size"] == 256)], row="mode"
    )
    (one,) = lines(alone.axes[0], "jax.scan")
    for figure in figures.values():
        (other,) = lines(figure.axes[0], "jax.scan")
        assert (one.get_color(), one.get_marker(), one._dash_pattern) == (
            other.get_color(), other.get_marker(), other._dash_pattern,
        )  # fmt: skip


def test_points_are_joined_along_an_ordered_axis_only(quick):
    chosen = quick[(quick["mode"] == "training") & (quick["hidden_size"] == 256)]
    (joined,) = lines(report.plot(chosen).axes[0], "torch.nn")
    assert joined.get_linestyle() == "-"
    apart = report.plot(chosen[chosen["seq_len"] == 64], x="implementation", hue="dtype")
    assert all(
        line.get_linestyle() == "None" for line in apart.axes[0].lines if len(line.get_xdata()) > 2
    )


def test_a_line_is_broken_where_a_case_failed(figures):
    axes = figures["quick-speed"].axes[1]  # inference, H = 256, where torch.loop failed at T = 64
    (line,) = lines(axes, "torch.loop")
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False, False]


def test_cases_without_a_point_are_named_beneath(figures):
    note = texts(figures["quick-speed"])
    for text in (
        "numpy.reference: timeout (T = 1024, 3 cases)",
        "torch.loop: failed (T = 64, 1 case)",
        "jax.scan: out of memory (T = 1024, 2 cases)",
        "jax.fused: wrong result (4 cases)",
    ):
        assert text in note


def test_an_error_of_exactly_zero_is_said_since_it_has_no_place_on_the_axis():
    rows = [
        row | ({"output_rel_error": 0.0} if row["implementation"] == "numpy.reference" else {})
        for row in quick_rows()
    ]
    assert "numpy.reference: exactly 0 (24 cases)" in texts(
        report.standard_figures(make(rows))[0]["quick-output-error"]
    )


def test_bands_are_the_interval(quick):
    chosen = quick[
        (quick["mode"] == "training")
        & (quick["hidden_size"] == 256)
        & (quick["implementation"] == "jax.scan")
    ]
    figure = report.plot(chosen)
    (band,) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert np.isclose(heights.max(), chosen["time_high_s"].max() * 1e3)
    assert "Bands: 95 % interval." in texts(figure)


def test_accuracy_shows_its_tolerance_and_memory_its_formula(figures):
    heights = [line.get_ydata()[0] for line in figures["quick-output-error"].axes[0].lines]
    assert TOLERANCE["float32"] in heights
    assert legend(figures["quick-output-error"])[-1] == "tolerance 1e-05"
    assert legend(figures["quick-allocated"])[-1] == "formula"


def test_process_memory_begins_at_zero(figures):
    assert figures["quick-peak"].axes[0].get_ylim()[0] == 0
    assert figures["quick-peak"].axes[0].get_yscale() == "linear"


def test_figures_of_several_panels_are_as_wide_as_a_page_and_others_less(figures, quick):
    assert {figure.get_size_inches()[0] for figure in figures.values()} == {PAGE}
    one = report.plot(quick[(quick["mode"] == "training") & (quick["hidden_size"] == 256)])
    assert one.get_size_inches()[0] == SINGLE


def test_for_print_the_same_points_stand_in_a_column_and_nothing_reaches_out_of_it(figures):
    for figure in figures.values():
        narrow = figure.narrow()
        assert narrow.get_size_inches()[0] == COLUMN
        narrow.draw_without_rendering()
        inside = narrow.bbox.padded(1.0)
        for text in narrow.findobj(mpl.text.Text):
            box = text.get_window_extent()
            assert (
                not text.get_text()
                or not text.get_visible()
                or (inside.x0 <= box.x0 and box.x1 <= inside.x1)
            ), text
        points = [
            sorted(str(line.get_ydata()) for axes in form.axes for line in axes.lines)
            for form in (figure, narrow)
        ]
        assert points[0] == points[1]


SCATTERED = [
    (1, 100, 64),
    (16, 100, 256),
    (128, 50, 1024),
    (1, 1000, 128),
    (2, 30, 32),
    (4, 200, 512),
]


def scattered(**more):
    noise = np.random.default_rng(0)
    cases = []
    for mode, (B, T, H) in itertools.product(("inference", "training"), SCATTERED):
        workload = Workload(mode, B, T, H, H, **more)
        base = row("torch.nn", workload, noise)["time_median_s"]
        cases += [
            row(name, workload, noise, base) for name in ("torch.nn", "torch.fused", "jax.fused")
        ]
    return cases


def test_workloads_that_lie_along_no_size_stand_side_by_side_in_one_figure():
    figures = report.standard_figures(make(scattered()))[0]
    assert [name for name in figures if "speed" in name] == ["quick-speed"]
    figure = figures["quick-speed"]
    assert figure.get_size_inches()[0] == PAGE
    shown = [label.get_text().replace("\n", " ") for label in figure.axes[-1].get_xticklabels()]
    assert shown == [
        "B=1 H=64 T=100", "B=1 H=128 T=1000", "B=2 H=32 T=30", "B=4 H=512 T=200",
        "B=16 H=256 T=100", "B=128 H=1024 T=50",
    ]  # fmt: skip
    assert len(figure.axes) == 2
    assert all(
        len(line.get_xdata()) == len(SCATTERED) for axes in figure.axes for line in axes.lines
    )
    for form in (figure, figure.narrow()):
        form.draw_without_rendering()
        boxes = [label.get_window_extent() for label in form.axes[-1].get_xticklabels()]
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
        assert min(box.y0 for box in boxes) > 0


def test_of_many_workloads_the_words_stand_upright():
    rows = [
        case | {"seq_len": 1000 + case["seq_len"] + k} for case in scattered() for k in range(2)
    ]
    rows = [case | {"batch_size": case["batch_size"] + case["seq_len"]} for case in rows]
    labels = (
        report.standard_figures(make(rows))[0]["quick-speed"].narrow().axes[-1].get_xticklabels()
    )
    assert len(labels) == 12 and {label.get_rotation() for label in labels} == {90}


def test_what_is_usual_is_not_said_of_a_shape_and_what_is_not_is():
    rows = scattered() + scattered(num_layers=2, bidirectional=True)
    labels = report.standard_figures(make(rows))[0]["quick-ratio"].axes[-1].get_xticklabels()
    shown = [label.get_text().replace("\n", " ") for label in labels]
    assert "B=1 L=1 H=64 T=100" in shown and "B=1 L=2 H=64 T=100 both directions" in shown


def test_more_lines_than_can_be_read_go_to_several_figures():
    rows = quick_rows()
    many = rows + [
        row | {"implementation": f"mine.v{n}"}
        for n in range(3)
        for row in rows
        if row["implementation"] == "jax.scan"
    ]
    figures = report.standard_figures(make(many))[0]
    assert [name for name in figures if "speed" in name] == [
        "quick-speed-part-1",
        "quick-speed-part-2",
    ]
    for figure in figures.values():
        names = legend(figure)
        assert "torch.nn" in names
        assert len([name for name in names if "." in name]) <= 8
    with pytest.raises(LstmbenchError, match="at most 8 lines"):
        report.plot(make(many), row="mode", col=["input", "hidden_size"])


def test_devices_stand_side_by_side_and_the_peak_of_a_device_is_the_gpus(quick):
    both = make(
        quick_rows()
        + [row | {"device": "cuda", "peak_device_bytes": 10**6} for row in quick_rows()]
    )
    figures, absent = standard_figures(both)
    assert {"quick-speed-page-1", "quick-speed-page-2", "quick-device-peak"} <= set(figures)
    assert "GPU" in figures["quick-speed-page-1"].alt and "CPU" in figures["quick-speed-page-1"].alt
    assert absent == []


def test_different_workloads_are_never_joined(quick):
    with pytest.raises(
        LstmbenchError, match=r"differ in mode and input and input_size and hidden_size:"
    ):
        report.plot(quick)


def test_the_same_point_twice_is_refused(quick):
    chosen = quick[(quick["mode"] == "training") & (quick["hidden_size"] == 256)]
    with pytest.raises(LstmbenchError, match="Two records are of the same case"):
        report.plot(make([*chosen.to_dict("records"), chosen.iloc[0].to_dict()]))


def test_an_unknown_column_is_named(quick):
    with pytest.raises(LstmbenchError, match="no column speed"):
        report.plot(quick, y="speed")


def test_nothing_to_draw_is_one_sentence():
    records = make([unwell(row, "skipped", "x") for row in quick_rows()])
    with pytest.raises(
        LstmbenchError,
        match=r"nothing to draw: no case has a number in time_median_s \(168 skipped\)",
    ):
        report.plot(records, row="mode", col=["input", "hidden_size"])
    assert report.standard_figures(records)[0] == {}


@pytest.mark.parametrize("count", [1, 7])
def test_a_single_length_is_dots_side_by_side(quick, count):
    one = quick[
        (quick["seq_len"] == 64) & (quick["mode"] == "training") & (quick["hidden_size"] == 256)
    ].iloc[:count]
    figure = report.plot(one)
    assert "Bars: 95 % interval." in texts(figure)
    assert "Dot chart" in figure.alt
    places = [
        line.get_xdata()[0] for line in figure.axes[0].lines if line.get_label() in IMPLEMENTATIONS
    ]
    assert len(set(places)) == count
