import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.report.figures.sample_plot import sample_plot, sample_plots
from lstmbench.results.schema import SAMPLE_COLUMNS, frame


@pytest.fixture(scope="module")
def samples():
    noise = np.random.default_rng(0)
    rows = [
        Case(name, Workload(mode, 4, T, 8, 8)).columns()
        | {
            "process": process,
            "round": round_,
            "sample": 0,
            "calls": 1,
            "seconds": T * 1e-5 * noise.uniform(1, 2),
        }
        for name in ("numpy.fused", "torch.nn")
        for mode in ("inference", "training")
        for T in (16, 64)
        for process in (0, 1)
        for round_ in (0, 1, 2)
    ]
    return frame(rows, SAMPLE_COLUMNS)


def drawn(figure):
    """Return the y values of the marks of each strip, and of the lines at their medians."""
    (axes,) = figure.axes
    medians = [collection.get_segments()[0][0][1] for collection in axes.collections]
    return [line.get_ydata() for line in axes.lines], medians


def test_every_sample_is_drawn_process_by_process_with_its_median(samples):
    marks, medians = drawn(sample_plot(samples, mode="training", seq_len=16))
    assert [len(strip) for strip in marks] == [3] * 4
    np.testing.assert_allclose([np.median(strip) for strip in marks], medians)
    chosen = samples.query("mode == 'training' and seq_len == 16")
    np.testing.assert_allclose(
        sorted(np.concatenate(marks)), sorted(chosen["seconds"].astype(float) * 1e6)
    )


def test_samples_stand_in_the_order_in_which_they_were_taken(samples):
    marks, _ = drawn(
        sample_plot(samples.sample(frac=1, random_state=1), mode="training", seq_len=16)
    )
    first = samples.query(
        "mode == 'training' and seq_len == 16 and implementation == 'numpy.fused' and process == 0"
    )
    np.testing.assert_allclose(marks[0], first.sort_values("round")["seconds"].astype(float) * 1e6)


def test_what_is_left_open_falls_to_training_and_the_largest_sizes_and_is_named(samples):
    figure = sample_plot(samples)
    assert "T = 64" in figure.get_suptitle().replace("\u00a0", " ")
    assert "training" in figure.get_suptitle().replace("\u00a0", " ")
    assert "one call, " in figure.axes[0].get_ylabel()
    assert "2 processes" in figure.caption
    assert "torch.nn" in figure.alt


def test_no_such_samples_are_told(samples):
    with pytest.raises(LstmbenchError, match="no samples to draw with seq_len=5"):
        sample_plot(samples, seq_len=5)
    with pytest.raises(LstmbenchError, match="no 'length'"):
        sample_plot(samples, length=5)


def test_a_run_in_which_nothing_was_timed_says_so(samples):
    assert "nothing was timed" in sample_plot(samples[:0])


def test_the_same_samples_give_the_same_bytes(samples):
    assert sample_plot(samples).svg() == sample_plot(samples).svg()


def test_each_device_has_a_figure_of_its_own(samples):
    on_gpu = samples.assign(device="cuda", seconds=samples["seconds"] / 40)
    cpu, gpu = sample_plots(pd.concat([on_gpu, samples], ignore_index=True))
    assert cpu.svg() == sample_plot(samples).svg()
    assert "GPU (cuda)" in gpu.get_suptitle().replace("\u00a0", " ")
    (alone,) = sample_plots(samples)
    assert alone.caption == sample_plot(samples).caption
    assert "nothing was timed" in sample_plots(samples[:0])[0]
    (chosen,) = sample_plots(samples, device="cpu")
    assert chosen.caption == alone.caption


def test_a_long_title_ends_within_the_figure(samples):
    (figure,) = sample_plots(
        samples.assign(device="cuda", threads=16, input="temperatures", seq_len=131072)
    )
    FigureCanvasAgg(figure).draw()
    title = figure._suptitle
    assert title.get_text().replace("\u00a0", " ").endswith("T = 131072")
    assert title.get_window_extent().x1 <= figure.bbox.x1
