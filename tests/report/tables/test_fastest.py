"""What is fastest is told from intervals, workload by workload."""

from typing import Any

import pandas as pd
import pytest
from simulated import OK

from lstmbench.report.tables.fastest import fastest_per_workload, summary
from lstmbench.results.schema import frame


def records(*rows: tuple[str, float, float, float], **other: Any) -> pd.DataFrame:
    """Return implementations (name, time, interval) at one workload; peers end with ``nn``."""
    return frame(
        OK
        | {
            "implementation": name,
            "peer": name.endswith("nn"),
            "time_median_s": time,
            "time_low_s": low,
            "time_high_s": high,
            "ratio_to": "torch.nn",
            "run_id": "r",
        }
        | other
        for name, time, low, high in rows
    )


def test_all_that_cannot_be_told_from_the_fastest_are_named() -> None:
    fastest = fastest_per_workload(
        records(
            ("a.x", 1.0, 0.9, 1.1),
            ("b.y", 1.2, 1.05, 1.4),
            ("c.z", 1.2, 1.15, 1.4),
            ("torch.nn", 2.0, 1.9, 2.1),
        )
    )
    (row,) = fastest.to_dict("records")
    assert row["fastest"] == "a.x, b.y"
    assert (row["time_s"], row["reference_times"], row["ours"], row["ours_times"]) == (
        1.0,
        2.0,
        "a.x",
        1.0,
    )


def test_our_best_is_held_against_a_peer_that_is_faster() -> None:
    (row,) = fastest_per_workload(
        records(("torch.nn", 1.0, 0.9, 1.1), ("a.x", 3.0, 2.9, 3.1), ("b.y", 4.0, 3.9, 4.1))
    ).to_dict("records")
    assert (row["fastest"], row["ours"], row["ours_times"]) == ("torch.nn", "a.x", 3.0)


def test_without_ours_or_without_the_reference_that_is_missing_and_not_0() -> None:
    (row,) = fastest_per_workload(records(("torch.nn", 1.0, 0.9, 1.1))).to_dict("records")
    assert row["ours"] is None and pd.isna(row["ours_times"])
    (row,) = fastest_per_workload(records(("a.x", 1.0, 0.9, 1.1))).to_dict("records")
    assert pd.isna(row["reference_times"])


def test_the_answer_counts_by_mode_and_names_what_was_skipped() -> None:
    several = [
        records(("torch.nn", 1.0, 0.9, 1.1), ("a.x", 2.0, 1.9, 2.1), seq_len=T) for T in (1, 2, 3)
    ]
    skipped = records(("c.z", 1.0, 1.0, 1.0), status="skipped", time_median_s=None)
    sentence = summary(pd.concat([*several, skipped], ignore_index=True))
    assert "of 3 workloads, among the fastest: torch.nn in 3" in sentence
    assert "2.00 times the fastest's time in the middle" in sentence
    assert "Skipped somewhere, with the reason in its row: c.z" in sentence


@pytest.mark.parametrize("rows", [[], [("a.x", 1.0, 0.9, 1.1)]])
def test_where_nothing_was_timed_it_is_said(rows: list[Any]) -> None:
    empty = records(*rows, status="failed", time_median_s=None) if rows else frame([])
    assert summary(empty) == "Nothing was timed."
