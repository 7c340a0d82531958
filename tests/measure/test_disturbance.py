"""Probes show which rounds were disturbed, and how many epochs may be discarded has a limit."""

import numpy as np
import pytest

from lstmbench.measure.disturbance import (
    MAX_DISCARDED,
    Measurement,
    discarded_epochs,
    disturbed,
    epoch_disturbance,
    reasons,
)

QUIET = Measurement(seconds=[1e-3] * 10, loop_s=1e-2, cpu_s=1e-2, switches=0)


def test_quiet_turns_are_not_disturbed():
    assert not disturbed([QUIET] * 9).any()


def test_standing_in_line_for_a_core_is_no_waiting():
    assert QUIET._replace(cpu_s=0.4e-2, queued_s=0.5e-2).waited_share == pytest.approx(0.1)
    assert QUIET._replace(cpu_s=0.4e-2).waited_share == pytest.approx(0.6)


@pytest.mark.parametrize(
    "probe",
    [
        ({"cpu_s": 0.9e-2}, "pushed off its core"),
        ({"switches": 3}, "pushed off its core"),
        ({"stolen": 0.05}, "stolen time"),
        ({"mhz": 2000.0}, "slow clock"),
        ({"throttled": "hardware slowdown"}, "throttled GPU"),
    ],
)
def test_each_probe_alone_marks_its_turn_and_no_other_and_says_why(probe):
    probe, why = probe
    quiet = QUIET._replace(mhz=2600.0)
    turns = [quiet] * 4 + [quiet._replace(**probe)] + [quiet] * 4
    assert disturbed(turns).tolist() == [False] * 4 + [True] + [False] * 4
    assert [reason for reason, marks in reasons(turns).items() if marks.any()] == [why]


def test_one_that_is_pushed_off_its_core_in_every_turn_is_how_a_case_is():
    assert not disturbed([QUIET._replace(switches=9)] * 5).any()


def test_a_slow_time_alone_is_not_a_disturbance():
    turns = [QUIET] * 4 + [QUIET._replace(seconds=[5e-3] * 10, loop_s=5e-2, cpu_s=5e-2)]
    assert not disturbed(turns).any()


def test_waiting_for_helper_threads_is_how_a_case_is_and_not_a_disturbance():
    assert not disturbed([QUIET._replace(cpu_s=0.6e-2)] * 5).any()


def test_both_turns_of_a_round_are_one_measurement():
    later = QUIET._replace(seconds=[2e-3] * 5, switches=2, queued_s=1e-3, mhz=2600.0)
    merged = QUIET.merge(later)
    assert merged.seconds == [1e-3] * 10 + [2e-3] * 5
    assert (merged.loop_s, merged.cpu_s) == (2e-2, 2e-2)
    assert (merged.switches, merged.queued_s, merged.mhz) == (2, 1e-3, 2600.0)


def test_discarded_epochs_are_capped_and_beyond_the_cap_all_count_and_the_run_is_noisy():
    few, many = np.zeros((2, 20), dtype=bool)
    few[: int(MAX_DISCARDED * 20)] = True
    many[: int(MAX_DISCARDED * 20) + 1] = True
    discarded, noisy = discarded_epochs(few)
    assert not noisy and discarded.sum() == MAX_DISCARDED * 20
    discarded, noisy = discarded_epochs(many)
    assert noisy and not discarded.any()


@pytest.mark.parametrize(
    ("queued_s", "stolen", "why"),
    [(0.0, 0.0, ""), (0.4, 0.0, ""), (0.6, 0.0, "pushed off its core"), (0.0, 0.03, "stolen time")],
)
def test_an_epoch_is_judged_by_itself(queued_s, stolen, why):
    assert epoch_disturbance(queued_s, 10.0, stolen) == why
