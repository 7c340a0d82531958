"""How often a comparison of two runs is wrong, and how often it sees what is there, on numbers with
a known truth.
"""

import numpy as np
import pandas as pd
import pytest
from simulated import estimates, measured, records_of

from lstmbench.measure.statistics import process_interval
from lstmbench.report.comparison.compare import compare
from lstmbench.report.comparison.verdicts import (
    AMBIGUOUS,
    FASTER,
    SAME,
    SLOWER,
    VERDICTS,
    classify_change,
    estimate_change,
    has_interval,
)


def verdicts(
    base: pd.DataFrame, new: pd.DataFrame, comparisons: int = 1, threshold: float = 0.05
) -> np.ndarray:
    """The verdicts of runs that have so many comparisons each."""
    if comparisons == 1:  # then the interval decides: thousands of runs in one table
        change = estimate_change(base, new)
        change["significant"] = (change["low"] > 0) | (change["high"] < 0)
        return np.asarray(classify_change(change, threshold))
    starts = range(0, len(base), comparisons)
    runs = [
        [side.iloc[k : k + comparisons].reset_index(drop=True) for side in (base, new)]
        for k in starts
    ]
    return np.concatenate(
        [np.asarray(classify_change(estimate_change(*sides), threshold)) for sides in runs]
    )


def one(estimate: float, low: float, high: float, processes: float = 10) -> pd.DataFrame:
    return estimates([estimate], [low], [high], [processes])


def shares(verdict: np.ndarray) -> dict[str, float]:
    return {name: float(np.mean(verdict == name)) for name in VERDICTS}


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("processes", [2, 3, 5, 10])
def test_unchanged_code_is_called_changed_in_less_than_one_case_of_a_hundred(noise, processes):
    generator = np.random.default_rng(1)
    base, new = (
        records_of(measured(1.5, 5000, noise, processes, generator), name) for name in ("a", "b")
    )
    share = shares(compare(base, new).frame["verdict"].to_numpy())
    assert share[SLOWER] + share[FASTER] <= 0.01


@pytest.mark.parametrize("cases", [1, 20, 200])
@pytest.mark.parametrize("processes", [3, 5, 10])
def test_of_runs_of_unchanged_code_one_in_twenty_has_any_false_verdict(cases, processes):
    """The noise is far beyond the threshold, which so cannot help; all of it is between processes,
    the worst case.
    """
    runs, generator = 600, np.random.default_rng(2)
    base, new = (
        measured(1.0, runs * cases, 0.3, processes, generator, between=1.0) for _ in range(2)
    )
    outcomes = verdicts(base, new, cases).reshape(runs, cases)
    wrong = np.isin(outcomes, [SLOWER, FASTER]).any(axis=1).mean()
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_normal_quantiles_would_be_wrong_in_many_more_runs_of_many_cases():
    """What the guard is for: standard errors of few processes as if they were known."""
    runs, cases, generator = 200, 1000, np.random.default_rng(3)
    base, new = (measured(1.0, runs * cases, 0.3, 10, generator, between=1.0) for _ in range(2))
    as_normal = [run.assign(freedom=np.inf) for run in (base, new)]
    rates = [
        np.isin(verdicts(*sides, cases), [SLOWER, FASTER]).reshape(runs, cases).any(axis=1).mean()
        for sides in ((base, new), as_normal)
    ]
    assert rates[0] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert rates[1] > 0.15


def test_unchanged_code_measured_with_this_packages_own_intervals():
    generator = np.random.default_rng(4)

    def run(cases: int) -> pd.DataFrame:
        intervals = []
        for _ in range(cases):
            rounds = generator.normal(0, 0.03, (5, 1)) + generator.normal(0, 0.05, (5, 7))
            rounds += np.where(
                generator.random((5, 7)) < 0.2, generator.exponential(0.4, (5, 7)), 0
            )  # bursts
            intervals.append(process_interval(list(np.exp(rounds)))[:3])
        return estimates(*np.array(intervals).T, np.full(cases, 5.0))

    base, new = run(300), run(300)
    pairs = [np.roll(np.arange(300), shift) for shift in range(20)]
    base = base.iloc[np.concatenate(pairs)].reset_index(drop=True)
    new = new.iloc[np.tile(np.arange(300), 20)].reset_index(drop=True)
    assert np.isin(verdicts(base, new, 1), [SLOWER, FASTER]).mean() <= 0.05
    assert np.isin(verdicts(base, new, 60), [SLOWER, FASTER]).mean() <= 0.05 / 60


@pytest.mark.parametrize(("factor", "expected"), [(1.2, SLOWER), (1 / 1.2, FASTER)])
@pytest.mark.parametrize(("cases", "processes"), [(20, 5), (100, 5), (1000, 10)])
def test_a_fifth_slower_or_faster_is_found_under_noise_of_two_percent(
    factor, expected, cases, processes
):
    generator = np.random.default_rng(5)
    base = records_of(measured(1.5, cases, 0.02, processes, generator), "a")
    new = records_of(measured(1.5 * factor, cases, 0.02, processes, generator), "b")
    assert shares(compare(base, new).frame["verdict"].to_numpy())[expected] >= 0.99


@pytest.mark.parametrize("truth", [0.8, 1.0, 1.04, 1.3])
def test_the_intervals_hold_the_true_change(truth):
    generator = np.random.default_rng(6)
    base, new = measured(1.0, 5000, 0.1, 5, generator), measured(truth, 5000, 0.1, 5, generator)
    change = estimate_change(base, new)
    held = np.mean((change["low"] <= np.log(truth)) & (np.log(truth) <= change["high"]))
    assert 0.94 <= held <= 0.99


def test_a_true_change_of_three_percent_is_hardly_ever_called_slower():
    generator = np.random.default_rng(7)
    base, new = measured(1.0, 5000, 0.01, 5, generator), measured(1.03, 5000, 0.01, 5, generator)
    assert shares(verdicts(base, new, 100))[SLOWER] <= 0.01


@pytest.mark.parametrize(("base_processes", "new_processes"), [(3, 50), (50, 3), (2, 10)])
def test_unequal_numbers_of_processes_make_nothing_significant(base_processes, new_processes):
    runs, cases, generator = 300, 20, np.random.default_rng(8)
    base = measured(1.0, runs * cases, 0.3, base_processes, generator, between=1.0)
    new = measured(1.0, runs * cases, 0.3, new_processes, generator, between=1.0)
    wrong = (
        np.isin(verdicts(base, new, cases), [SLOWER, FASTER])
        .reshape(runs, cases)
        .any(axis=1)
        .mean()
    )
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_with_many_processes_standard_errors_are_those_of_a_normal_interval():
    base, new = one(1.0, 0.98, 1 / 0.98, np.inf), one(1.2, 1.2 * 0.97, 1.2 / 0.97, 10_000)
    change = estimate_change(base, new)
    errors = [np.log(run["high"] / run["low"]).item() / (2 * 1.959964) for run in (base, new)]
    assert change["high"].item() - change["change"].item() == pytest.approx(
        1.959964 * np.hypot(*errors), rel=1e-3
    )


@pytest.mark.parametrize(
    ("ratio", "width", "verdict"),
    [
        (1.051, 1e-5, SLOWER),
        (1.05, 1e-5, AMBIGUOUS),  # not beyond the threshold, nor is the interval within it
        (1.049, 1e-5, SAME),
        (1 / 1.049, 1e-5, SAME),
        (1 / 1.05, 1e-5, AMBIGUOUS),
        (1 / 1.051, 1e-5, FASTER),
        (1.0, 0.02, SAME),
        (1.0, 0.08, AMBIGUOUS),
        (1.03, 0.001, SAME),  # different for certain, and too little to matter
        (1.2, 0.5, AMBIGUOUS),  # much, and not certain
        (1.2, 0.05, SLOWER),
    ],
)
def test_verdicts_at_the_threshold(ratio, width, verdict):
    base, new = (
        one(1, 1 / (1 + width), 1 + width, np.inf),
        one(ratio, ratio / (1 + width), ratio * (1 + width), np.inf),
    )
    assert verdicts(base, new, 1).item() == verdict
    opposite = {SLOWER: FASTER, FASTER: SLOWER}
    assert verdicts(new, base, 1).item() == opposite.get(verdict, verdict)


@pytest.mark.parametrize("threshold", [0.01, 0.05, 0.2])
def test_exactly_the_threshold_is_not_beyond_it_however_it_is_rounded(threshold):
    for value in np.linspace(0.1, 10, 997):
        logs = np.array([np.log(value * (1 + threshold)) - np.log(value)])
        change = pd.DataFrame({"change": logs, "low": logs, "high": logs, "significant": True})
        verdict = classify_change(change, threshold)
        assert list(verdict) == [SAME]


def test_more_comparisons_make_a_verdict_harder_unless_others_changed_too():
    def outcome(others: int, changed: float) -> str:
        values = [1.2] + [changed] * others
        base = estimates([1.0] * (others + 1), [0.95] * (others + 1), [1 / 0.95] * (others + 1), 10)
        new = pd.concat([one(value, value * 0.95, value / 0.95) for value in values])
        return classify_change(estimate_change(base, new.reset_index(drop=True)), 0.05)[0]

    outcomes = [outcome(others, 1.0) for others in (0, 9, 9999)]
    assert outcomes == [SLOWER, SLOWER, AMBIGUOUS]
    assert outcome(9999, 1.2) == SLOWER  # 5 % of false verdicts among so many true ones is little


def test_a_single_process_has_no_interval():
    assert not has_interval(one(3.0, 2.999, 3.001, 1)).item()
    assert has_interval(one(3.0, 2.999, 3.001, 2)).item()


def test_missing_changes_are_missing_and_no_comparisons():
    base = estimates([1.0, np.nan], [0.95, np.nan], [1 / 0.95, np.nan], 10)
    new = estimates([1.2, 1.2], [1.14, 1.14], [1.2 / 0.95] * 2, 10)
    change = estimate_change(base, new)
    assert change["significant"].tolist() == [True, False]
    assert list(classify_change(change, 0.05)) == [SLOWER, AMBIGUOUS]


@pytest.mark.parametrize(
    ("estimate", "low", "high"),
    [
        (1, np.nan, 2),
        (np.nan, 1, 2),
        (1, 1, 1),
        (1, 0, 2),
        (1, 0.5, np.inf),
        (1, 1.1, 1.2),
        (1, 0.8, 0.9),
        (-1, -2, -0.5),
    ],
)
def test_what_is_no_interval_around_a_positive_number_is_not_used(estimate, low, high):
    assert not has_interval(one(estimate, low, high)).item()
    assert has_interval(one(1, 0.9, 1.1)).item()
