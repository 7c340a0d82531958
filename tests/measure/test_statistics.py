"""Estimates resist outliers, and intervals hold the truth as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import polygamma

from lstmbench.measure.statistics import (
    NO_PRIOR,
    _inverse_trigamma,
    best_rounds,
    location,
    process_interval,
    variance_prior,
)

POSITIVE = st.floats(1e-9, 1e9)
ROUNDS = st.integers(1, 12).flatmap(lambda n: arrays(np.float64, n, elements=POSITIVE))
GROUPS = st.lists(ROUNDS, min_size=2, max_size=6)


@given(groups=GROUPS)
def test_the_estimate_is_the_geometric_mean_of_processes_and_lies_within_its_interval(
    groups: list[np.ndarray],
) -> None:
    found = process_interval(groups)
    expected = np.exp(np.mean([location(group) for group in groups]))
    assert found.estimate == pytest.approx(expected, rel=1e-9)
    assert 0 <= found.low <= found.estimate <= found.high
    assert found.freedom == len(groups) - 1


@given(groups=GROUPS, factor=st.sampled_from([1e-6, 0.5, 1024.0]))
def test_it_depends_neither_on_the_unit_nor_on_the_order_of_rounds_and_processes(
    groups: list[np.ndarray], factor: float
) -> None:
    found = process_interval(groups)
    changed = process_interval([factor * group[::-1] for group in groups[::-1]])
    np.testing.assert_allclose(changed[:3], factor * np.array(found[:3]), rtol=1e-6)


def test_the_location_is_the_median_of_the_means_of_all_pairs() -> None:
    assert location(np.exp([0.0, 1.0, 5.0])) == pytest.approx(1.75)  # of 0, .5, 1, 2.5, 3, 5
    assert location(np.array([7.0])) == pytest.approx(math.log(7))


def test_an_outlier_among_ten_rounds_hardly_moves_the_location() -> None:
    rounds = np.exp(np.linspace(-0.1, 0.1, 10))
    moved = location(np.append(rounds[:-1], 50.0)) - location(rounds)
    assert 0 <= moved < 0.02


def test_a_single_process_has_no_interval_however_many_rounds_it_has() -> None:
    found = process_interval([np.linspace(1, 2, 99)])
    assert math.isnan(found.low) and math.isnan(found.high)
    assert found.precision == math.inf and found.freedom == 0


def test_equal_values_are_their_own_interval() -> None:
    found = process_interval([np.array([3.0]), np.array([3.0] * 7)])
    assert found[:3] == pytest.approx((3.0, 3.0, 3.0)) and found.precision < 1e-12


def test_students_interval_is_known_for_two_processes() -> None:
    """Student's 97.5 % quantile for one degree of freedom is 12.706."""
    found = process_interval([np.exp([0.01]), np.exp([-0.01])])
    assert found.high == pytest.approx(math.exp(12.7062 * 0.01), rel=1e-6)


def test_differences_between_processes_widen_it_and_more_processes_narrow_it() -> None:
    values = np.exp(np.random.default_rng(0).normal(0, 0.02, (40, 1)) + np.zeros((40, 10)))
    widths = [process_interval(list(values[:k])).precision for k in (3, 10, 40)]
    assert widths[0] > widths[1] > widths[2]
    assert process_interval(list(values[:3] ** 2)).precision > 1.9 * widths[0]


# With a prior from the other cases of the workload


def simulated(
    cases: int, processes: int, spread: float, generator: np.random.Generator, between: float = 0.03
) -> list[list[np.ndarray]]:
    """Cases that share the noise of one reference; their own noise differs by e to the spread."""
    reference = between / 2 * generator.standard_normal(processes)
    scales = between * np.exp(spread * generator.standard_normal((cases, 1)))
    noise = generator.standard_t(5, (cases, processes)) / math.sqrt(5 / 3)
    return [[np.exp([value]) for value in case] for case in scales * noise - reference]


@pytest.mark.parametrize("spread", [0.0, 0.7])
@pytest.mark.parametrize("processes", [2, 3, 5, 8])
def test_intervals_hold_the_truth_in_93_to_97_of_100_and_are_narrower(
    processes: int, spread: float
) -> None:
    generator = np.random.default_rng(processes)
    held, alone, together = [], [], []
    for _ in range(150):
        runs = simulated(8, processes, spread, generator)
        prior = variance_prior(runs)
        for groups in runs:
            found = process_interval(groups, prior)
            held.append(found.low <= 1 <= found.high)
            together.append(math.log(found.high / found.low))
            own = process_interval(groups)
            alone.append(math.log(own.high / own.low))
    assert 0.93 <= np.mean(held) <= 0.97
    limit = {2: 0.45, 3: 0.75, 5: 0.92, 8: 0.97}[processes]
    assert np.median(together) < limit * np.median(alone)


def test_the_prior_has_the_common_variance_and_at_most_one_degree_of_freedom_a_case() -> None:
    runs = [
        simulated(20, 5, 0.0, generator, between=0.04)
        for generator in map(np.random.default_rng, range(30))
    ]
    variances = [variance_prior(run).variance for run in runs]
    assert np.sqrt(np.median(variances)) == pytest.approx(0.04 * math.sqrt(1.25), rel=0.1)
    assert max(variance_prior(run).freedom for run in runs) == 19


def test_variances_of_every_size_say_little_about_each_other() -> None:
    generator = np.random.default_rng(0)
    freedoms = [variance_prior(simulated(20, 8, 2.0, generator)).freedom for _ in range(20)]
    assert np.median(freedoms) < 2


@pytest.mark.parametrize(
    "cases",
    [
        [],
        [[np.array([1.0]), np.array([1.1])]] * 2,
        [[np.array([1.0]), np.array([1.0])]] * 9,
        [[np.array([1.0, 2.0])]] * 9,
    ],
    ids=["no case", "too few", "no variance", "one process"],
)
def test_without_variances_there_is_no_prior(cases: list[list[np.ndarray]]) -> None:
    assert variance_prior(cases) == NO_PRIOR


def test_a_reference_that_does_not_vary_against_itself_does_not_count() -> None:
    runs = simulated(6, 5, 0.3, np.random.default_rng(1))
    assert variance_prior([*runs, [np.ones(1)] * 5]) == variance_prior(runs)


@given(st.floats(1e-4, 1e4))
def test_the_inverse_of_trigamma_is_its_inverse(value: float) -> None:
    assert polygamma(1, _inverse_trigamma(value)) == pytest.approx(value, rel=1e-6)


# How many rounds a process should have


def test_without_variances_the_rounds_take_as_long_as_the_start() -> None:
    assert best_rounds([], start_s=2.0, round_s=0.1) == pytest.approx(20)
    one_process = [[np.array([1.0, 1.1])]]
    assert best_rounds(one_process, start_s=2.0, round_s=0.1) == pytest.approx(20)


def test_rounds_follow_from_both_variances_and_both_costs() -> None:
    generator = np.random.default_rng(0)
    levels = 0.05 * generator.standard_normal((400, 1))
    groups = list(np.exp(levels + 0.1 * generator.standard_normal((400, 9))))
    assert best_rounds([groups], start_s=9.0, round_s=1.0) == pytest.approx(6, rel=0.15)


def test_equal_processes_need_no_successors() -> None:
    groups = [np.array([1.0, 1.2, 1.1]), np.array([1.2, 1.1, 1.0])]
    assert best_rounds([groups], start_s=1.0, round_s=1.0) == math.inf
