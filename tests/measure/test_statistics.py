"""The median's interval: deterministic, around the median, wide where processes differ, and it
holds the true value.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lstmbench.measure.statistics import median_interval, rounds_precision

POSITIVE = st.floats(1e-9, 1e9)
ROUNDS = st.integers(1, 12).flatmap(lambda n: arrays(np.float64, n, elements=POSITIVE))
GROUPS = st.lists(ROUNDS, min_size=1, max_size=6)


@given(groups=GROUPS)
def test_the_median_is_that_of_all_values_and_lies_within_its_interval(
    groups: list[np.ndarray],
) -> None:
    found = median_interval(groups, resamples=200)
    assert found.median == pytest.approx(np.median(np.concatenate(groups)), rel=1e-12)
    assert 0 < found.low <= found.median <= found.high < np.inf


def test_the_interval_holds_the_median_where_the_percentiles_of_the_bootstrap_would_not() -> None:
    """One process with many rounds, many with one: their medians, drawn anew, all lie beyond the
    median of all.
    """
    groups = [np.full(99, 1.0), *[np.full(1, 2.0)] * 9]
    found = median_interval(groups)
    assert found.low <= found.median == 1.0 <= found.high


@given(groups=GROUPS, factor=st.sampled_from([1e-6, 0.5, 1024.0]))
def test_it_does_not_depend_on_the_unit(groups: list[np.ndarray], factor: float) -> None:
    found, scaled = (
        median_interval(groups, resamples=50),
        median_interval([factor * g for g in groups], resamples=50),
    )
    np.testing.assert_allclose(scaled, factor * np.array(found), rtol=1e-9)


def test_the_same_values_give_the_same_interval_and_another_seed_nearly_the_same() -> None:
    groups = list(np.random.default_rng(0).lognormal(0, 0.1, size=(5, 20)))
    assert median_interval(groups) == median_interval([group.copy() for group in groups])
    other = median_interval(groups, seed=1)
    assert other != median_interval(groups)
    np.testing.assert_allclose(other, median_interval(groups), rtol=0.05)


def test_a_single_value_and_equal_values_are_their_own_interval() -> None:
    for groups in (
        [np.array([3.0])],
        [np.array([3.0, 3.0])] * 4,
        [np.array([3.0]), np.array([3.0] * 7)],
    ):
        assert median_interval(groups) == (3.0, 3.0, 3.0)


def test_differences_between_processes_widen_it() -> None:
    rounds = np.random.default_rng(0).normal(1, 0.01, size=(5, 20))
    same = median_interval(list(rounds))
    shifted = median_interval(list(rounds + np.array([[-0.05], [-0.02], [0.0], [0.02], [0.05]])))
    assert shifted.high - shifted.low > 3 * (same.high - same.low)


def test_more_processes_narrow_it() -> None:
    values = np.random.default_rng(0).normal(1, 0.02, size=(40, 1)) + np.zeros((40, 10))
    widths = [
        median_interval(list(values[:k])).high - median_interval(list(values[:k])).low
        for k in (3, 10, 40)
    ]
    assert widths[0] > widths[1] > widths[2]


def test_more_confidence_widens_it() -> None:
    groups = list(np.random.default_rng(0).lognormal(0, 0.1, size=(5, 20)))
    half, most = median_interval(groups, confidence=0.5), median_interval(groups, confidence=0.99)
    assert most.low < half.low < half.high < most.high


def coverage(between: float, within: float, processes: int, pooled: bool = False) -> float:
    """In what share of simulated runs the interval holds the true median, which is 1."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        levels = between * generator.standard_normal((processes, 1))
        rounds = np.exp(levels + within * generator.standard_normal((processes, 10)))
        found = median_interval([rounds.ravel()] if pooled else list(rounds), resamples=300)
        held += found.low <= 1 <= found.high
    return held / 200


@pytest.mark.parametrize("processes", [2, 3, 5, 10])
@pytest.mark.parametrize(("between", "within"), [(0.02, 0.005), (0.02, 0.05), (0.0, 0.05)])
def test_it_holds_the_true_median_as_often_as_it_says(
    between: float, within: float, processes: int
) -> None:
    assert coverage(between, within, processes) >= 0.9


def test_without_the_levels_it_would_not() -> None:
    assert coverage(between=0.02, within=0.005, processes=5, pooled=True) < 0.6


# Of one process


def test_fewer_than_six_rounds_have_no_interval() -> None:
    assert rounds_precision(np.ones(5)) == np.inf
    assert rounds_precision(np.ones(6)) == 0


def test_it_is_half_the_width_of_an_interval_that_holds_the_median_in_95_of_100() -> None:
    generator = np.random.default_rng(0)
    values = np.exp(0.1 * generator.standard_normal((2000, 25)))
    n, rank = 25, int(25 / 2 - 0.98 * 5)
    ordered = np.sort(values, axis=1)
    low, high = ordered[:, rank], ordered[:, n - 1 - rank]
    assert ((low <= 1) & (high >= 1)).mean() > 0.94
    halves = (high - low) / 2 / np.median(values, axis=1)
    assert [rounds_precision(row) for row in values[:20]] == pytest.approx(halves[:20])


@given(st.lists(st.floats(1e-6, 1e3), min_size=6, max_size=40), st.floats(1e-3, 1e3))
def test_it_depends_neither_on_the_unit_nor_on_the_order(
    values: list[float], factor: float
) -> None:
    array = np.array(values)
    assert rounds_precision(array * factor) == pytest.approx(rounds_precision(array))
    assert rounds_precision(array[::-1]) == rounds_precision(array)
