"""A run of more cases than anyone reads is shown in part, and what is left out is said."""

import pandas as pd
import pytest
from simulated import case, failed, run

from lstmbench import report
from lstmbench.errors import LstmbenchError
from lstmbench.report import labels
from lstmbench.report.tables import shown_records
from lstmbench.report.tables.shown_records import read_shown, run_tables, statuses
from lstmbench.results.store import Store, count_records, read_columns, read_results

NAMES = ("numpy.fused", "torch.nn", "jax.scan")


@pytest.fixture
def folder(tmp_path):
    """A run of twenty workloads with three implementations each."""
    store = Store(tmp_path / "run")
    store.write_manifest(run().attrs["manifest"])
    store.append(
        "all", [case(seq_len=T, implementation=name) for T in range(1, 21) for name in NAMES], []
    )
    store.finish()
    return store.folder


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(shown_records, "MAX_SHOWN_WHOLE", 50)
    monkeypatch.setattr(shown_records, "SHOWN_CASES", 10)


def test_a_run_that_can_be_read_is_shown_whole(folder):
    records, left_out = read_shown(folder)
    assert left_out == ""
    pd.testing.assert_frame_equal(records, read_results(folder))


@pytest.mark.usefixtures("few")
def test_of_a_long_run_the_first_workloads_are_shown_each_of_them_whole(folder):
    records, left_out = read_shown(folder)
    assert records["seq_len"].value_counts().to_dict() == {1: 3, 2: 3, 3: 3}
    assert (
        left_out == "Shown: the first 9 of 60 cases; records.parquet and records.csv hold them all."
    )
    for table in run_tables(folder):
        assert left_out in table.markdown()
        assert len(table.tidy) == 9


@pytest.mark.usefixtures("few")
def test_a_workload_that_is_too_long_itself_is_cut(tmp_path):
    store = Store(tmp_path / "run")
    store.write_manifest(run().attrs["manifest"])
    store.append("all", [case(implementation=f"a.v{k}") for k in range(60)], [])
    assert len(read_shown(store.folder)[0]) == 10


@pytest.mark.usefixtures("few")
def test_the_page_of_a_long_run_counts_all_its_cases_and_has_no_figures(folder):
    page = report.write(folder).read_text(encoding="utf-8")
    assert "60 cases: 60 ok." in page
    assert "- Shown: the first 9 of 60 cases" in page
    assert "- Of so many cases no figures are drawn." in page
    assert not (folder / "figures").exists()
    assert "Shown: the first 9 of 60 cases" in report.write_index(folder.parent).read_text(
        encoding="utf-8"
    )


def test_without_a_limit_the_page_has_figures_and_no_such_remark(folder):
    page = report.write(folder).read_text(encoding="utf-8")
    assert "Shown:" not in page
    assert list((folder / "figures").glob("*.svg"))


def test_more_records_than_python_holds_well_are_refused_with_their_number(monkeypatch):
    monkeypatch.setattr(labels, "MAX_ROWS", 3)
    records = run(*(case(seq_len=T) for T in range(4)))
    for make in (report.speed_table, report.standard_figures):
        with pytest.raises(LstmbenchError, match="Too many records to show: 4, at most 3"):
            make(records)


def test_statuses_are_counted_without_the_rest_of_the_records(tmp_path):
    store = Store(tmp_path / "run")
    store.write_manifest(run().attrs["manifest"])
    rows = [failed("timeout"), case(seq_len=2), case(seq_len=3), failed("out_of_memory", seq_len=4)]
    store.append("all", [*rows, case(seq_len=5) | {"status": None}], [])
    assert list(statuses(store.folder).items()) == [
        ("ok", 2),
        ("no status", 1),
        ("out of memory", 1),
        ("timeout", 1),
    ]
    assert count_records(store.folder) == 5


def test_some_columns_are_those_of_all_records(folder):
    some, all_ = (
        read_columns(folder, ["implementation", "seq_len", "time_median_s"]),
        read_results(folder),
    )
    assert some.columns.tolist() == ["implementation", "seq_len", "time_median_s"]
    assert some["implementation"].astype("string").tolist() == all_["implementation"].tolist()
    pd.testing.assert_series_equal(some["seq_len"], all_["seq_len"])
    pd.testing.assert_series_equal(some["time_median_s"], all_["time_median_s"])
    assert some.attrs["manifest"] == all_.attrs["manifest"]


def test_the_first_records_are_the_first_of_all(folder):
    pd.testing.assert_frame_equal(read_results(folder, first=7), read_results(folder).iloc[:7])
    assert len(read_results(folder, first=1000)) == 60


def test_the_first_records_of_an_unfinished_run_come_from_its_parts(tmp_path):
    store = Store(tmp_path / "run")
    store.write_manifest(run().attrs["manifest"])
    for T in (1, 2, 3):
        store.append(f"{T}", [case(seq_len=T, implementation=name) for name in NAMES], [])
    assert read_results(store.folder, first=5)["seq_len"].tolist() == [1, 1, 1, 2, 2]
    assert count_records(store.folder) == 9
