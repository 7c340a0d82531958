"""The outcome of an A/B run: verdicts, the exit code, and records that are not of an A/B run."""

from typing import Any

import pandas as pd
import pytest
from simulated import OK

from lstmbench.errors import LstmbenchError
from lstmbench.report.comparison.ab import compare_ab
from lstmbench.results.schema import frame


def records(*ratios: tuple[float, float, float], **second: Any) -> pd.DataFrame:
    """An A/B run of torch.nn and torch.fused; one workload for each ratio with its interval."""
    rows = []
    for k, (ratio, low, high) in enumerate(ratios):
        size = {"seq_len": 2**k, "ratio_to": "torch.nn", "processes": 5}
        rows.append(OK | size | {"implementation": "torch.nn", "variant": "nn", "ratio": 1.0})
        own = {"ratio": ratio, "ratio_low": low, "ratio_high": high}
        rows.append(
            OK | size | {"implementation": "torch.fused", "variant": "fused"} | own | second
        )
    return frame(rows)


def test_each_verdict_needs_its_interval_and_its_size() -> None:
    outcome = compare_ab(
        records((1.1, 1.08, 1.12), (0.9, 0.89, 0.91), (1.0, 0.999, 1.001), (1.1, 0.95, 1.3))
    )
    assert list(outcome.frame["verdict"]) == ["SLOWER", "FASTER", "SAME", "AMBIGUOUS"]
    assert (outcome.a, outcome.b) == ("torch.nn", "torch.fused")


def test_a_small_difference_that_is_certain_is_no_regression() -> None:
    assert list(compare_ab(records((1.01, 1.009, 1.011))).frame["verdict"]) == ["SAME"]
    assert list(compare_ab(records((1.01, 1.009, 1.011)), threshold=0.005).frame["verdict"]) == [
        "SLOWER"
    ]


def test_among_many_workloads_a_single_change_must_be_clearer() -> None:
    one = (1.05, 1.005, 1.10)
    assert list(compare_ab(records(one)).frame["verdict"]) == ["SLOWER"]
    unchanged = [(1.0, 0.96, 1.04)] * 19
    assert "SLOWER" not in set(compare_ab(records(one, *unchanged)).frame["verdict"])


@pytest.mark.parametrize(
    ("ratio", "second", "code"),
    [
        ((1.0, 0.999, 1.001), {}, 0),
        ((0.9, 0.89, 0.91), {}, 0),
        ((1.1, 1.09, 1.11), {}, 1),
        ((1.1, 0.9, 1.4), {}, 6),  # 3 says of a run that its controls contradict it
        ((1.1, 1.09, 1.11), {"status": "failed", "ratio": None}, 2),
        ((1.1, 1.09, 1.11), {"status": "wrong_result", "ratio": None}, 4),
    ],
)
def test_the_exit_code_tells_a_regression_from_noise_and_from_nothing(
    ratio: tuple[float, float, float], second: dict[str, Any], code: int
) -> None:
    assert compare_ab(records(ratio, **second)).exit_code == code


def test_the_page_names_both_sides_and_every_workload() -> None:
    page = compare_ab(records((1.1, 1.08, 1.12), (0.9, 0.89, 0.91))).markdown()
    assert "| torch.fused is |" in page
    assert "slower" in page and "faster" in page
    assert "the time of torch.fused over that of torch.nn" in page


def test_records_that_are_not_of_an_ab_run_are_refused() -> None:
    with pytest.raises(LstmbenchError, match="exactly two implementations"):
        compare_ab(records((1.0, 0.9, 1.1)).query("implementation == 'torch.nn'"))
    with pytest.raises(LstmbenchError, match="between 0 and 1"):
        compare_ab(records((1.0, 0.9, 1.1)), threshold=2)
