import math
from dataclasses import replace

import numpy as np
import pytest
from made_up import fill, flat, make, on_gpu, quick_rows, row, unwell

from lstmbench import report
from lstmbench.measure.suites.case import Workload
from lstmbench.report.tables import published_times
from lstmbench.report.tables.published_times import AGAINST, published_tables
from lstmbench.verify.verify import verify

pytestmark = pytest.mark.usefixtures("unpainted")

DEEPBENCH = Workload("training", 16, 25, 512, 512)


def cases(workload, *dtypes, names=("torch.fused", "torch.nn"), **changed):
    """Cases on a GPU, each of which takes 2 ms."""
    noise = np.random.default_rng(0)
    times = {"time_median_s": 2e-3, "time_low_s": 1.9e-3, "time_high_s": 2.2e-3, "converged": True}
    rows = on_gpu([row(name, workload, noise) for name in names])
    return [case | times | {"dtype": dtype} | changed for dtype in dtypes for case in rows]


def headings(shown):
    return list(shown.frame.index.unique(0))


def table(rows):
    (shown,) = published_tables(make(rows))
    return shown


def test_the_sum_of_what_was_published_stands_beside_each_case_of_that_size():
    shown = table(cases(DEEPBENCH, "float32"))
    assert shown.id == "quick-published"
    assert flat(shown).to_dict("records")[0] == {
        "implementation": "torch.fused",
        "dtype": "float32",
        "ours, ms": "2.00 [1.90, 2.20]",
        "published, ms": "2.20",  # 1.095 + 0.937 + 0.165
        "published / ours": "1.10",
        "ours, µs a step": "80.0",
        "published, µs a step": "87.9",
    }
    heading = "training, T = 25, B = 16, I = H = 512: DeepBench on a V100, cuDNN, fp32"
    assert headings(shown) == [heading]
    first = shown.tidy.iloc[0]
    assert first["published_s"] == pytest.approx(2.197e-3)
    assert first["published_ratio"] == pytest.approx(2.197 / 2)
    assert first["step_s"] == pytest.approx(80e-6)


def test_it_says_that_it_is_no_comparison_and_which_dtypes_and_sources_it_sets_side_by_side():
    shown = table(cases(DEEPBENCH, "float32", "tf32", "float16"))
    text = shown.markdown()
    assert (
        "Another machine's time is for orientation: the two were not compared in one run." in text
    )
    assert "Orientation, not a comparison in one run" in text
    assert "the sum of forward and backward" in text
    assert (
        "dtypes: fp32 stands beside our float32 and tf32; mixed stands beside our float16."
        in shown.notes
    )
    assert any("github.com/baidu-research/DeepBench" in note for note in shown.notes)
    assert not any("FlashRNN" in note for note in shown.notes)
    dtypes = flat(shown).groupby("workload", sort=False)["dtype"].apply(list)
    own = [(heading.rpartition(", ")[2], of_ours) for heading, of_ours in dtypes.items()]
    assert own == [("fp32", ["float32", "tf32"] * 2), ("mixed", ["float16"] * 2)]


@pytest.mark.parametrize(
    "rows",
    [
        cases(DEEPBENCH, "float64", "bfloat16"),
        cases(replace(DEEPBENCH, seq_len=26), "float32"),
        cases(replace(DEEPBENCH, batch_size=17), "float32"),
        cases(replace(DEEPBENCH, hidden_size=256), "float32"),
        cases(replace(DEEPBENCH, input_size=64), "float32"),
        cases(replace(DEEPBENCH, mode="inference"), "float32"),
        cases(replace(DEEPBENCH, num_layers=2), "float32"),
        cases(DEEPBENCH, "float32", bidirectional=True),
        cases(DEEPBENCH, "float32", lengths="staggered"),
        cases(DEEPBENCH, "float32", device="cpu"),
        [
            unwell(case, "skipped", "torch sees no device cuda.")
            for case in cases(DEEPBENCH, "float32")
        ],
    ],
    ids=[
        "dtype",
        "steps",
        "batch",
        "hidden",
        "input",
        "mode",
        "layers",
        "directions",
        "lengths",
        "cpu",
        "skipped",
    ],
)
def test_without_a_timed_case_of_that_size_and_dtype_on_a_gpu_there_is_no_table(rows):
    assert published_tables(make(quick_rows() + rows)) == []


def test_a_case_that_failed_beside_one_that_did_not_is_a_row_with_its_reason():
    good, bad = cases(DEEPBENCH, "float32")
    shown = table([good, unwell(bad, "failed", "no luck")])
    assert flat(shown)["ours, ms"].tolist() == ["2.00 [1.90, 2.20]", "failed (a)"]
    assert flat(shown)["published / ours"].tolist() == ["1.10", "–"]
    assert any("no luck" in note for note in shown.notes)


def test_cases_that_differ_in_threads_alone_are_told_apart_and_marks_are_explained():
    rows = cases(DEEPBENCH, "float32", names=["torch.nn"], converged=False)
    shown = table(rows + [case | {"threads": 8} for case in rows])
    assert flat(shown)["implementation"].tolist() == [
        "torch.nn (peer), 4 threads",
        "torch.nn (peer), 8 threads",
    ]
    assert flat(shown)["ours, ms"].str.endswith(" †").all()
    assert any(note.startswith("† not converged") for note in shown.notes)


def test_several_times_published_for_one_size_are_panels_of_their_own():
    shown = table(cases(Workload("training", 16, 1024, 768, 768), "bfloat16", "float16"))
    assert [heading.partition("H100, ")[2] for heading in headings(shown)] == [
        "nn.LSTM (cuDNN), float16",
        "fused, without the inputs' product, bfloat16",
        "alternating, without the inputs' product, bfloat16",
    ]


def test_a_wrong_figure_changes_the_table_and_its_hash(monkeypatch):
    right = table(cases(DEEPBENCH, "float32"))
    wrong = [
        time | {"published_s": 10 * time["published_s"]} for time in published_times.published()
    ]
    monkeypatch.setattr(published_times, "published", lambda: wrong)
    assert table(cases(DEEPBENCH, "float32")).content_hash != right.content_hash


def test_every_published_time_is_whole():
    several = published_times.published()
    assert len({published_times.heading(time) for time in several}) == len(several) == 20
    for time in several:
        assert time["published_dtype"] in AGAINST
        assert time["mode"] in ("inference", "training")
        assert time["published_device"] in ("V100", "H100")
        parts = time["milliseconds"]
        assert len(parts) == (3 if time["source"] == "DeepBench" else 1)
        assert all(math.isfinite(part) and part > 0 for part in parts)
        step_s = time["published_s"] / time["seq_len"]
        assert 1e-6 < step_s < 5e-3  # else a decimal point has moved


def test_it_is_among_the_tables_of_a_run_and_verify_finds_another_number_in_it(tmp_path):
    folder = fill(tmp_path / "run", cases(DEEPBENCH, "float32"))
    report.write(folder)
    path = folder / "tables" / "quick-published.md"
    text = path.read_text()
    assert "2.00 [1.90, 2.20]" in text

    def weights():
        return [finding.weight for finding in verify(folder) if "quick-published" in finding.where]

    assert weights() == []
    path.write_text(text.replace("| 1.10 |", "| 9.10 |"))
    assert weights() == ["differs"]


def test_runs_without_a_gpu_have_the_tables_that_they_had(quick):
    assert [shown.id.partition("-")[2] for shown in report.standard_tables(quick)] == [
        "ratio", "speed", "limit", "memory", "growth", "accuracy", "first-call",
    ]  # fmt: skip


def test_records_without_a_column_of_devices_have_the_other_tables(quick):
    assert len(report.standard_tables(quick.drop(columns="device"))) == 7
