"""The doctor: what is here, how quiet it is, what would be skipped and why."""

import math
from typing import Any, NamedTuple

import psutil
import pytest

from lstmbench import doctor
from lstmbench.doctor import Noise
from lstmbench.measure import environment
from lstmbench.measure.suites.suite_file import read_suite, suites


@pytest.mark.parametrize(
    ("spread", "steal", "verdict"),
    [
        (0.01, 0.0, "quiet"),
        (0.01, None, "quiet"),
        (0.2, 0.0, "noisy"),
        (0.2, None, "noisy"),
        (0.01, 0.1, "noisy"),
    ],
)
def test_a_machine_is_noisy_if_times_vary_or_if_time_is_stolen(
    spread: float, steal: float | None, verdict: str
) -> None:
    assert Noise(1e-3, spread, steal, 0.0, 1e-7).verdict.startswith(verdict)


@pytest.mark.parametrize("seconds", [0.05, math.nan])
def test_noise_is_measured(seconds: float) -> None:
    found = doctor.measure_noise(seconds)
    assert found.median_s > 0
    assert found.spread >= 0
    assert 0 < found.clock_s < 1e-3


def test_noise_is_half_the_distance_between_outer_percentiles_over_the_median(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    products = iter([1.0, 2.0, 3.0, 2.0, 2.0] * 20)

    def product(*_: Any, **__: Any) -> None:
        nonlocal now
        now += next(products)

    monkeypatch.setattr(doctor.np, "matmul", product)
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: now)
    monkeypatch.setattr(doctor, "_clock_step", lambda: 1e-9)
    found = doctor.measure_noise(seconds=200.0)
    assert (found.median_s, found.spread) == (2.0, 0.5)


class Times(NamedTuple):
    user: float
    idle: float
    steal: float


class TimesWithoutSteal(NamedTuple):
    user: float
    idle: float


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        (Times(10, 5, 1), Times(13, 6, 1), 0.0),
        (Times(10, 5, 1), Times(13, 5, 2), 0.25),
        (Times(10, 5, 1), Times(10, 5, 1), 0.0),
        (TimesWithoutSteal(10, 5), TimesWithoutSteal(11, 5), None),
    ],
)
def test_stolen_time_is_its_share_of_all_time_where_the_system_tells(
    before: Any, after: Any, share: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([before, after])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(answers))
    assert doctor.measure_noise(0.01).steal == share


def described(**changes: Any) -> dict[str, dict[str, Any]]:
    row = {
        "available": True,
        "reason": "",
        "devices": ("cpu",),
        "dtypes": ("float32", "float64", "bfloat16"),
    }
    row |= {"modes": ("inference", "training")} | changes
    names = [name for suite in ("quick", "deepbench") for name in read_suite(suite).names()]
    return {name: row | {"name": name} for name in names}


def test_nothing_is_skipped_where_everything_is_there() -> None:
    assert doctor._skip_counts("quick", described()) == {}


def test_what_is_skipped_is_counted_by_its_reason() -> None:
    found = doctor._skip_counts(
        "quick", described(available=False, reason="the package x is not installed")
    )
    assert sum(found.values()) == read_suite("quick").count()
    assert "torch.nn is not available here: the package x is not installed" in found
    found = doctor._skip_counts("deepbench", described())
    assert set(found) == {
        f"{name} sees no device 'cuda' here; it sees cpu"
        for name in read_suite("deepbench").names()
    }
    suite = read_suite("deepbench")
    on_gpus = [workload for workload in suite.workloads() if workload.device == "cuda"]
    assert sum(found.values()) == sum(len(suite.cases(workload)) for workload in on_gpus)


def test_an_implementation_that_cannot_be_loaded_does_not_end_the_examination(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[str] = []

    def broken(name: str, _: Any) -> None:
        loaded.append(name)
        raise RuntimeError("the compiler crashed")

    monkeypatch.setattr(doctor, "load", broken)
    assert doctor.code_paths() == environment.code_paths()
    assert loaded == list(doctor.COMPILED_ON_LOAD)


def test_the_whole_examination() -> None:
    found = doctor.examine()
    assert found["machine"] == environment.machine()
    assert set(found["skipped"]) == set(suites())
    assert {row["name"] for row in found["implementations"]} >= {
        "numpy.fused",
        "torch.nn",
        "jax.scan",
    }
    assert set(found["notebook_packages"]) == set(doctor.NOTEBOOK_PACKAGES)
    assert {"recurrence", "jax_fused", "cut_products", "numpy.tanh"} <= set(
        found["frameworks"]["code_paths"]
    )
