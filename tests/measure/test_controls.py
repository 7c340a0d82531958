"""The summary of controls, which fails where they contradict the intervals."""

import pytest

from lstmbench.measure.controls import row, summary
from lstmbench.measure.statistics import Interval

QUIET = Interval(1.0, 0.99, 1.01, 4.0)
ALARM = Interval(1.2, 1.1, 1.3, 4.0)
SEEN = Interval(1.1, 1.05, 1.15, 4.0)


def rows(same, slower, processes=5):
    shown = [row("same", f"w{k}", 1.0, ratio, processes) for k, ratio in enumerate(same)]
    return shown + [row("slower", f"w{k}", 1.1, ratio, processes) for k, ratio in enumerate(slower)]


def test_controls_that_hold_give_a_noise_floor_and_a_sensitivity():
    found = summary(rows([QUIET] * 20, [SEEN] * 20))
    assert (found["failed"], found["false_alarms"], found["seen"], found["held"]) == (
        False,
        0,
        20,
        20,
    )
    assert found["floor"] == pytest.approx(0.0)
    assert "5%" in found["noise_floor"] and "FAILED" not in found["noise_floor"]


def test_one_false_alarm_in_twenty_is_what_the_intervals_promise_and_five_are_not():
    assert not summary(rows([ALARM] + [QUIET] * 19, [SEEN] * 20))["failed"]
    found = summary(rows([ALARM] * 5 + [QUIET] * 15, [SEEN] * 20))
    assert found["failed"] and found["noise_floor"].startswith("CONTROLS FAILED")


def test_an_interval_below_1_is_as_false_an_alarm_as_one_above():
    below = Interval(0.8, 0.7, 0.9, 4.0)
    assert summary(rows([ALARM, below] + [QUIET] * 18, [SEEN] * 20))["false_alarms"] == 2


def test_a_slowdown_that_is_not_seen_is_said_and_contradicts_nothing():
    wide = Interval(1.08, 0.9, 1.3, 4.0)
    found = summary(rows([QUIET] * 20, [wide] * 11 + [SEEN] * 9))
    assert not found["failed"] and found["seen"] == 9 and "too noisy" in found["noise_floor"]
    assert "too noisy" not in summary(rows([QUIET] * 20, [SEEN] * 20))["noise_floor"]


def test_intervals_that_miss_the_truth_are_counted_and_too_many_fail_the_run():
    missed = Interval(1.5, 1.4, 1.6, 4.0)
    found = summary(rows([QUIET] * 20, [missed] * 2 + [SEEN] * 18))
    assert found["held"] == 18 and not found["failed"]
    assert summary(rows([QUIET] * 20, [missed] * 6 + [SEEN] * 14))["failed"]


def test_without_a_reference_the_noise_floor_is_not_measured():
    assert summary([])["noise_floor"].startswith("not measured")
