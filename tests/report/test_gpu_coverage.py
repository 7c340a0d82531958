"""CPU and GPU side by side, in what the notebooks call."""

import pytest
from made_up import flat, make, on_gpu, quick_rows, unwell

from lstmbench import report
from lstmbench.report import gpu_coverage, summaries
from lstmbench.report.figures.standard_figures import device_peaks
from lstmbench.report.tables.memory_growth import growth, typical_growth

GPU = "GPU (cuda), 4 threads"


@pytest.fixture(scope="module")
def both():
    return make(quick_rows() + on_gpu(quick_rows()))


@pytest.fixture(scope="module")
def skipped():
    """Records of a machine without a GPU, on which the GPU's cases were asked for."""
    return make(
        quick_rows()
        + [unwell(row, "skipped", "torch sees no device cuda.") for row in on_gpu(quick_rows())]
    )


def test_records_without_a_gpu_say_so_in_one_sentence(quick):
    said = gpu_coverage.gpu_coverage(quick)
    assert said == "These records hold no GPU rows: every case is on the CPU."
    assert device_peaks(quick) == [said]


def test_gpu_rows_that_were_skipped_are_counted_with_their_reason(skipped):
    assert gpu_coverage.gpu_coverage(skipped) == (
        "None of the GPU rows has a number (120 skipped). "
        "The first reason: torch sees no device cuda."
    )


def test_records_of_both_or_of_a_gpu_alone_say_so(both):
    assert "side by side: 168 rows of the one, 120 of the other." in gpu_coverage.gpu_coverage(both)
    assert "no CPU rows" in gpu_coverage.gpu_coverage(both[both["device"] == "cuda"])


def test_one_device_is_neither_a_key_nor_named(quick, both):
    assert gpu_coverage.keys(quick, "mode") == ["mode"]
    assert gpu_coverage.keys(both, "mode") == ["device", "mode"]
    ((where, rows),) = gpu_coverage.by_device(quick)
    assert where == ""
    assert len(rows) == len(quick)


@pytest.mark.parametrize(
    "column", ["output_rel_error", "time_median_s", "first_call_s", "allocated_bytes"]
)
def test_every_figure_holds_the_same_workload_on_both_devices_next_to_each_other(both, column):
    figures = report.series(both, column)
    assert [len(figure.axes) for figure in figures] == [8, 4]
    heads = [
        axes.get_title(loc="left").replace("\n", " ") for figure in figures for axes in figure.axes
    ]
    heads = [head for head in heads if head]
    assert heads == [
        "I = H = 64, CPU, 1 thread", f"I = H = 64, {GPU}",
        "I = H = 256, CPU, 1 thread", f"I = H = 256, {GPU}",
        "CPU, 1 thread", GPU,
    ]  # fmt: skip


def test_the_panels_of_a_row_share_the_scale_that_holds_both_devices(both):
    limits = {axes.get_ylim() for axes in report.series(both, "time_median_s")[0].axes}
    assert len(limits) == 1


def test_a_quantity_of_one_device_alone_has_no_empty_panels(both):
    (limit,) = report.series(both, "roofline_fraction")
    assert "GPU" not in limit.alt
    (peak,) = device_peaks(both)
    assert len(peak.axes) == 6
    assert "GPU (cuda)" in peak.caption


def test_a_device_that_was_skipped_changes_no_figure(quick, skipped):
    before, after = report.series(quick, "time_median_s"), report.series(skipped, "time_median_s")
    assert [len(figure.axes) for figure in before] == [len(figure.axes) for figure in after] == [6]


def test_different_dtypes_stay_apart_though_each_has_both_devices():
    rows = quick_rows() + on_gpu(quick_rows())
    names = [
        figure.id
        for figure in report.series(
            make(rows + [row | {"dtype": "float64"} for row in rows]), "ratio"
        )
    ]
    assert names == [
        f"quick-ratio-{dtype}-page-{page}" for dtype in ("float64", "float32") for page in (1, 2)
    ]


@pytest.mark.parametrize("answer", [summaries.accuracy, summaries.speed, summaries.memory])
def test_an_answer_says_of_each_device_what_it_says_of_it_alone(both, quick, answer):
    said, alone = answer(both), answer(quick)
    assert " on the CPU" in said
    assert " on the GPU (cuda)" in said
    assert " on the " not in alone
    numbers = [line for line in alone.splitlines() if line.startswith("- In ")]
    assert numbers
    assert all(line in said.replace(" on the CPU", "") for line in numbers)


def test_growth_has_rows_for_each_device(both, quick):
    assert typical_growth(both).index.names == ["device", "mode", "implementation"]
    alone = typical_growth(quick)
    assert alone.index.names == ["mode", "implementation"]
    assert typical_growth(both).loc["cpu"].equals(alone)
    several = growth(quick).query("mode == 'training' and implementation == 'torch.nn'")[
        "bytes_per_step"
    ]
    assert alone.loc[("training", "torch.nn"), "bytes_per_step"] == round(several.median(), 1)


def test_the_cpu_has_no_device_peak_and_is_not_said_to_lack_one(both):
    frame = flat(report.memory_table(both))
    on_cpu = frame["workload"].str.startswith("CPU")
    shown = frame["device peak, MiB, T = 16"]
    assert set(shown[on_cpu]) == {"–"}
    assert not set(shown[~on_cpu & (frame["implementation"] != "formula")]) & {"–", "not measured"}
