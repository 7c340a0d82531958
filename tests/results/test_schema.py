"""Each column is declared once, with all that tables, figures and pages need to know of it."""

import pytest

from lstmbench.measure.metrics import columns
from lstmbench.results.schema import (
    BY_NAME,
    BYTES,
    COLUMNS,
    HOST_COLUMNS,
    SAMPLE_COLUMNS,
    SECONDS,
    TRAINING_COLUMNS,
    column,
    frame,
)


def test_every_column_of_records_and_samples_is_in_the_schema_with_one_type():
    for kinds in (COLUMNS, TRAINING_COLUMNS, HOST_COLUMNS, SAMPLE_COLUMNS):
        assert {name: BY_NAME[name].dtype for name in kinds} == kinds
    assert len(COLUMNS) == 62


def test_the_ends_of_an_interval_are_columns_of_the_same_table():
    intervals = [known for known in BY_NAME.values() if known.low or known.high]
    assert {known.name for known in intervals} == {
        "time_median_s",
        "ratio",
        "roofline_fraction",
        "products_fraction",
    }
    assert all({known.low, known.high} <= set(COLUMNS) for known in intervals)


@pytest.mark.parametrize(
    ("name", "label", "units"),
    [
        ("wait_s", "wait", SECONDS),
        ("steps_per_s", "steps", {"1/s": 1.0}),
        ("read_bytes", "read", BYTES),
        ("my_count", "my count", {"": 1.0}),
    ],
)
def test_label_and_units_follow_from_the_name_unless_they_are_given(name, label, units):
    derived = column("Float64", name)
    assert (derived.label, derived.units, derived.low, derived.values) == (label, units, None, ())
    given = column("Float64", name, "a label", {"x": 2.0}, ("low", "high"))
    assert (given.label, given.units, given.low, given.high) == (
        "a label",
        {"x": 2.0},
        "low",
        "high",
    )


def test_a_column_that_a_metric_declares_is_not_in_the_schema_too():
    assert columns().keys().isdisjoint(BY_NAME)


def test_columns_of_training_runs_and_hosts_are_there_where_the_rows_have_them():
    assert list(frame([{"implementation": "a.b"}]).columns) == list(COLUMNS)
    assert list(frame([{"host": "a", "joules": 1.0, "task": "adding"}]).columns) == [
        *COLUMNS,
        "task",
        "host",
        "joules",
    ]
