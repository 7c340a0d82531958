import csv
import io
import math

import pandas as pd
import pytest
from made_up import IMPLEMENTATIONS, flat, longtable_columns, make, quick_rows, unwell

from lstmbench import report
from lstmbench.errors import LstmbenchError
from lstmbench.report.tables.table import Table

KINDS = [
    report.speed_table,
    report.ratio_table,
    report.memory_table,
    report.accuracy_table,
    report.first_call_table,
]
CELL = {"mode": "training", "input_size": 256, "hidden_size": 256}


def cell(table, implementation, heading, column):
    frame = flat(table)
    rows = frame[(frame["implementation"] == implementation) & (frame["workload"] == heading)]
    return rows[column].item()


@pytest.mark.parametrize("kind", KINDS)
def test_no_cell_is_empty_and_none_says_nan(kind, troubled):
    table = kind(troubled)
    cells = table.frame.to_numpy().ravel()
    assert all(isinstance(text, str) and text for text in cells)
    assert not any(word in text.lower() for text in cells for word in ("nan", "none", "<na>"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_that_is_not_ok_shows_its_status_and_its_reason_stands_below(kind, troubled):
    table = kind(troubled)
    heading = "CPU, training, random input, I = H = 256"
    column = next(name for name in flat(table).columns if name.endswith("T = 1024"))
    shown = cell(table, "numpy.reference", heading, column)
    assert shown.startswith("timeout (")
    letter = shown.removeprefix("timeout ")
    assert (
        f"{letter} timeout: numpy.reference, 3 cases: The worker gave no answer within 60 s."
        in table.notes
    )
    for text in (table.markdown(), table.latex()):
        assert "The worker gave no answer within 60 s." in text


def test_every_status_has_its_word_and_every_reason_one_letter(troubled):
    table = report.speed_table(troubled)
    notes = [note for note in table.notes if note.startswith("(")]
    assert [note.split(":")[0] for note in notes] == [
        "(a) failed", "(b) out of memory", "(c) timeout", "(d) wrong result", "(e) skipped",
    ]  # fmt: skip
    assert "100% of <cells> | lost & found" in notes[0]
    assert "Traceback" not in notes[0]


def test_a_wrong_result_has_no_time_but_shows_its_error(troubled):
    heading = "CPU, training, temperature input, I = 1, H = 64"
    assert cell(report.speed_table(troubled), "jax.fused", heading, "T = 16") == "wrong result (d)"
    accuracy = report.accuracy_table(troubled)
    assert (
        cell(accuracy, "jax.fused", heading, "gradient error, T = 16") == "3.1e-01 wrong result (d)"
    )


def test_what_was_not_asked_for_is_said_to_be_not_run(troubled):
    table = report.speed_table(troubled)
    assert (
        cell(table, "torch.loop", "GPU (cuda), training, random input, I = H = 64", "T = 16")
        == "not run"
    )
    assert any(note.startswith("not run:") for note in table.notes)


def test_an_ok_case_without_a_number_is_not_measured(quick):
    records = quick.copy()
    records["peak_host_bytes"] = pd.NA
    table = report.memory_table(records)
    assert set(flat(table)["process peak, MiB, T = 16"]) == {"not measured", "–"}


def test_one_unit_for_a_whole_table_named_in_its_caption(quick):
    assert "in ms" in report.speed_table(quick).caption
    faster = quick.copy()
    for column in ("time_median_s", "time_low_s", "time_high_s"):
        faster[column] = faster[column] / 1e3
    table = report.speed_table(faster)
    assert "in µs" in table.caption
    assert flat(table)["T = 16"].tolist() == flat(report.speed_table(quick))["T = 16"].tolist()


def test_the_base_of_ratios_is_named_with_its_absolute_time_threads_and_dtype(quick):
    table = report.ratio_table(quick)
    for word in ("torch.nn", "float32", "1 thread", "Below 1 is faster"):
        assert word in table.caption
    own = flat(table).query("implementation == 'torch.nn (peer)'")["T = 1024"]
    assert all(text.startswith("1 (") and text.endswith(" ms)") for text in own)


def test_a_base_without_a_time_is_said():
    rows = []
    for row in quick_rows():
        if row["implementation"] == "torch.nn" and row["seq_len"] == 16:
            row = unwell(row, "failed", "gone")
        elif row["seq_len"] == 16:
            row = row | {"ratio": None, "ratio_low": None, "ratio_high": None, "ratio_to": None}
        rows.append(row)
    table = report.ratio_table(make(rows))
    assert cell(table, "jax.scan", "inference, random input, I = H = 64", "T = 16") == "no base (a)"
    assert any("torch.nn has no time at this workload" in note for note in table.notes)


def test_a_row_that_did_not_converge_is_marked(quick):
    marked = report.speed_table(quick)
    count = sum(text.endswith(" †") for text in marked.frame.to_numpy().ravel())
    assert count == int((~quick["converged"]).sum())
    assert any(note.startswith("† not converged") for note in marked.notes)
    assert r"\rlap{\textsuperscript{$\dagger$}}" in marked.latex()


def test_peers_are_marked_and_implementations_keep_their_order(quick):
    names = flat(report.speed_table(quick))["implementation"].tolist()[:7]
    assert names == [f"{name} (peer)" if name == "torch.nn" else name for name in IMPLEMENTATIONS]


def test_constants_stand_in_the_caption_and_what_varies_heads_the_panels(quick):
    table = report.speed_table(quick)
    assert "All cases: CPU, float32, 1 thread, B = 8, L = 1." in table.caption
    assert "Columns: sequence length T." in table.caption
    assert flat(table)["workload"].unique().tolist() == [
        f"{mode}, {sizes}"
        for mode in ("inference", "training")
        for sizes in (
            "random input, I = H = 64",
            "random input, I = H = 256",
            "temperature input, I = 1, H = 64",
        )
    ]


def test_one_length_puts_the_implementations_into_the_columns(quick):
    table = report.speed_table(quick[quick["seq_len"] == 64])
    assert "T = 64" in table.caption
    assert {"sizes", "torch.nn (peer)"} <= set(flat(table).columns)


def test_one_row_is_a_table(quick):
    table = report.speed_table(quick.iloc[:1])
    assert flat(table).columns.tolist() == ["implementation", "time, ms"]
    assert len(table.frame) == 1


def test_records_in_which_all_failed_are_a_table(quick):
    records = make([unwell(row, "failed", "no luck") for row in quick_rows()])
    for table in report.standard_tables(records):
        assert "failed (a)" in table.markdown()


@pytest.mark.parametrize(
    "kind", [*KINDS, report.standard_tables, report.standard_figures, report.plot]
)
@pytest.mark.parametrize(
    ("records", "message"),
    [
        (pd.DataFrame(), "no column"),
        (make(quick_rows()[:0]), "no rows"),
        ([1], "DataFrame"),
        (None, "DataFrame"),
    ],
)
def test_what_is_no_table_of_records_is_one_sentence(kind, records, message):
    with pytest.raises(LstmbenchError, match=message):
        kind(records)


def test_the_same_case_twice_is_refused(quick):
    with pytest.raises(LstmbenchError, match="Two records are of the same case"):
        report.speed_table(pd.concat([quick, quick.iloc[:1]]))


def test_tidy_numbers_are_those_of_the_records(quick):
    table = report.speed_table(quick)
    assert len(table.tidy) == len(quick)
    assert set(table.tidy["time_median_s"]) == set(quick["time_median_s"])
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert math.isclose(
        sum(float(row["time_median_s"]) for row in rows), quick["time_median_s"].sum()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_records_changes_nothing(kind, troubled):
    shuffled = troubled.sample(frac=1, random_state=1)
    assert kind(shuffled).markdown() == kind(troubled).markdown()
    assert kind(shuffled).latex() == kind(troubled).latex()
    assert kind(shuffled).csv() == kind(troubled).csv()


def test_a_long_table_is_one_longtable(quick):
    twice = make(quick_rows() + [row | {"batch_size": 16} for row in quick_rows()])
    text = report.speed_table(twice).latex()
    assert text.count(r"\begin{longtable}") == text.count(r"\label{tab:quick-speed}") == 1
    assert longtable_columns(text) == 5


def test_two_quantities_share_their_columns_under_two_heads(quick):
    text = report.memory_table(quick).latex()
    assert (
        r" & \multicolumn{4}{c}{allocated, MiB} & \multicolumn{4}{c}{process peak, MiB} \\" in text
    )
    assert r"\cmidrule(lr){2-5} \cmidrule(lr){6-9}" in text


def test_the_formula_stands_beside_what_was_allocated(quick):
    table = report.memory_table(quick)
    heading = "inference, random input, I = H = 64"
    expected = quick[
        (quick["mode"] == "inference") & (quick["seq_len"] == 1024) & (quick["input_size"] == 64)
    ]["formula_bytes"]
    assert (
        cell(table, "formula", heading, "allocated, MiB, T = 1024")
        == f"{expected.iloc[0] / 2**20:.2f}"
    )
    assert cell(table, "formula", heading, "process peak, MiB, T = 1024") == "–"
    assert "formula" not in set(table.tidy["implementation"])


def test_memory_of_a_device_has_its_own_column():
    rows = [row | {"peak_device_bytes": 5 * 2**20, "device": "cuda"} for row in quick_rows()]
    table = report.memory_table(make(rows))
    assert set(flat(table)["device peak, MiB, T = 16"]) == {"5.00", "–"}
    assert "GPU (cuda)" in table.caption


def test_accuracy_names_the_tolerance_of_each_dtype():
    rows = quick_rows()
    both = rows + [row | {"dtype": "float64"} for row in rows]
    assert "1e-12 in float64, 1e-05 in float32" in report.accuracy_table(make(both)).caption


def test_inference_has_no_gradients(quick):
    table = report.accuracy_table(quick)
    assert (
        cell(
            table,
            "torch.nn (peer)",
            "inference, random input, I = H = 64",
            "gradient error, T = 16",
        )
        == "–"
    )
    only = report.accuracy_table(quick[quick["mode"] == "inference"])
    assert not any("gradient" in name for name in flat(only).columns)


def test_a_list_of_sizes_runs_along_the_size_that_is_shared():
    rows = [
        row
        for row in quick_rows()
        if row["seq_len"] == 64 and row["input"] == "random" and row["hidden_size"] == 64
    ]
    rows = [
        row | {"batch_size": b, "seq_len": T}
        for row in rows
        for b, T in ((16, 25), (32, 25), (64, 25), (16, 50), (32, 50))
    ]
    table = report.speed_table(make(rows))
    assert {"T = 25", "T = 50"} <= set(flat(table).columns) or {"B = 16", "B = 32"} <= set(
        flat(table).columns
    )
    assert (table.frame == "not run").sum().sum() <= 0.4 * table.frame.size


def test_a_notebook_shows_a_table_as_markdown(quick):
    table = report.speed_table(quick)
    assert table._repr_markdown_() == str(table) == table.markdown()
    assert repr(table) == f"<Table quick-speed, 168 cases, data sha256 {table.content_hash}>"


# Limits, growth, marks


def test_the_share_of_each_limit_is_given_in_percent(quick):
    table = report.limit_table(quick)
    row = quick[quick["status"] == "ok"].iloc[0]
    text = table.markdown()
    assert table.id == "quick-limit"
    assert "of the roofline, %" in text and "of its products, %" in text
    assert f"{100 * row['products_fraction']:.3g}"[:3] in text
    assert "in the same run" in text and "95 %" not in text


def test_a_share_that_was_measured_in_turn_has_its_interval(quick):
    ends = {f"{limit}_{end}": 0.5 for limit in ("roofline", "products") for end in ("low", "high")}
    rates = {"machine_flops_per_s": 8e10, "machine_bytes_per_s": 1e10}
    table = report.limit_table(quick.assign(**ends, **rates, roofline_fraction=0.5))
    assert "50.0 [50.0, 50.0]" in table.markdown()
    assert "in the same rounds [95 % interval]" in table.caption
    assert {*ends, *rates} <= set(table.tidy.columns)


def test_growth_stands_beside_that_of_the_formula(quick):
    text = report.growth_table(quick).markdown()
    assert "| formula |" in text or "formula" in text.lower()
    assert "bytes per time step" in text


@pytest.mark.parametrize(
    ("column", "value", "mark", "words"),
    [
        ("noisy", True, "‡", "noisy"),
        ("flags", "unaccounted", "§", "do not account"),
        ("flags", "waits", "¶", "it waits"),
    ],
)
def test_what_is_odd_about_a_number_is_marked_behind_it_and_explained(
    quick, column, value, mark, words
):
    odd = quick.copy()
    place = odd.index[odd["implementation"] == "numpy.fused"][0]
    odd.loc[place, column] = value
    for table in (report.speed_table(odd), report.ratio_table(odd)):
        assert table.markdown().count(mark) >= 2
        assert f"{mark} " in table.markdown() and words in table.markdown()
    assert mark not in report.speed_table(quick).markdown()


def test_csv_keeps_all_digits_and_quotes_what_must_be():
    tidy = pd.DataFrame({"a": [0.1 + 0.2, 'x,"y"\n', math.nan], "b": [None, True, 3]}, dtype=object)
    text = Table("records-speed", "", pd.DataFrame(), tidy, [], []).csv()
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b"],
        ["0.30000000000000004", ""],
        ['x,"y"\n', "True"],
        ["", "3"],
    ]
