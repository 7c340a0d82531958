"""What a figure shows, as data and in words."""

import pytest
from made_up import quick_rows, unwell

from lstmbench.report.figures.figure_data import MAX_VALUES, _missing


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (["a, b, c, d"], "note = a, b, c, d, "),
        ([1, 2, 3], "note = 1, 2, 3, "),
        (list(range(MAX_VALUES + 1)), ""),
    ],
)
def test_values_are_listed_if_they_are_few_whatever_is_in_them(values, place):
    case = unwell(quick_rows()[0], "failed", "no luck", time_median_s=None)
    cases = [case | {"note": value} for value in values]
    count = f"{len(cases)} case{'s' * (len(cases) > 1)}"
    (phrase,) = _missing(cases, "note", "implementation", "time_median_s")
    assert phrase == f"numpy.reference: failed ({place}{count})"
