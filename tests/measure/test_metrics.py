"""What is computed from the evidence, by hand; and that a metric is one new file."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmbench.measure import metrics
from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.metrics import (
    Evidence,
    accuracy,
    gpu_clock,
    memory,
    roofline,
    speed,
    timing_validity,
)
from lstmbench.measure.statistics import variance_prior
from lstmbench.measure.suites.case import Workload
from lstmbench.report.labels import quantity
from lstmbench.results.schema import number

# T=2 B=3 I=5 H=7: 2 * 2 * 3 * 28 * 12 = 4032 FLOP, 2 * 3 * 12 = 72 numbers in and out
SMALL = Workload("inference", batch_size=3, seq_len=2, input_size=5, hidden_size=7)
TRAINING = Workload(
    "training", batch_size=3, seq_len=2, input_size=5, hidden_size=7, dtype="float64"
)


def turns(*seconds: float, **probes: Any) -> list[Measurement]:
    """Quiet turns of one sample each, in one process."""
    quiet = {"loop_s": 1e-2, "cpu_s": 1e-2, "switches": 0}
    return [Measurement(seconds=[each], **(quiet | probes)) for each in seconds]  # type: ignore[arg-type]


def evidence(
    own: list[list[Measurement]], reference: list[list[Measurement]] | None = None, **more: Any
) -> Evidence:
    first_calls = [
        {"first_call_s": 1.0, "output_rel_error": 1e-7, "grad_rel_error": None} for _ in own
    ]
    found = Evidence(
        SMALL,
        "torch.nn",
        precision=0.02,
        first_calls=first_calls,
        measurements=own,
        cores_busy=[1.0] * len(own),
        reference_measurements=reference or [],
    )
    for name, value in more.items():
        setattr(found, name, value)
    return found


# Speed


def test_the_ratio_is_that_within_rounds_not_the_quotient_of_times() -> None:
    own, reference = turns(1.0, 6.0, 30.0), turns(10.0, 2.0, 3.0)
    found = speed.compute(evidence([own], [reference]))
    # The median of the geometric means of all pairs: 1, 2.4, 5.5, 6, 13.4, 30 and 0.1, 0.5, 1, ...
    assert found["time_median_s"] == pytest.approx(math.sqrt(math.sqrt(30) * 6))
    assert found["ratio"] == pytest.approx(math.sqrt(1 * 3))  # of 0.1, 3, 10
    assert found["ratio_to"] == "torch.nn"


def test_percentiles_are_the_5th_and_the_95th_of_all_samples() -> None:
    found = speed.compute(evidence([turns(*range(1, 102))]))
    assert (found["time_p05_s"], found["time_p95_s"]) == (6.0, 96.0)


def test_disturbed_rounds_count_and_a_row_that_depends_on_them_says_so() -> None:
    quiet, hit = turns(1.0, 1.01, 0.99, 1.0), turns(*[1.0] * 4, stolen=0.5)
    reference = [turns(1.0, 1.0, 1.0, 1.0)] * 5
    found = speed.compute(evidence([[*quiet, *hit]] * 5, [[*each, *each] for each in reference]))
    assert (found["rounds"], found["disturbed_rounds"], found["noisy"]) == (40, 20, False)
    slowed = turns(*[2.0] * 6, stolen=0.5)
    longer = [[*each, *turns(*[1.0] * 6)] for each in reference]
    found = speed.compute(evidence([[*quiet, *slowed]] * 5, longer))
    assert found["ratio"] > 1.4 and found["noisy"]


def test_disturbance_of_the_reference_counts_too() -> None:
    reference = [*turns(1.0, 1.01, 0.99, 1.0), *turns(*[0.5] * 6, stolen=0.5)]
    found = speed.compute(evidence([turns(*[1.0] * 10)] * 5, [reference] * 5))
    assert found["disturbed_rounds"] == 0 and found["noisy"]  # its own were quiet


def test_one_process_has_estimates_but_neither_intervals_nor_convergence() -> None:
    found = speed.compute(evidence([turns(2.0, 2.0, 2.0)], [turns(1.0, 1.0, 1.0)]))
    assert (found["time_median_s"], found["ratio"]) == pytest.approx((2.0, 2.0))
    assert all(math.isnan(found[name]) for name in ("time_low_s", "ratio_low", "ratio_high"))
    assert not found["converged"] and not found["noisy"]


def test_the_reference_s_own_ratio_is_exactly_one_and_converged() -> None:
    own = [turns(0.1, 0.3), turns(0.7, 0.2)]
    found = speed.compute(evidence(own, own))
    assert (found["ratio"], found["ratio_low"], found["ratio_high"]) == (1.0, 1.0, 1.0)
    assert found["converged"]


def test_the_cases_of_a_workload_share_the_reference_and_the_priors() -> None:
    generator = np.random.default_rng(0)
    cases = [
        evidence([turns(*np.exp(0.1 * generator.standard_normal(3))) for _ in range(4)])
        for _ in range(5)
    ]
    reference, *others = cases
    control = evidence([turns(1.0, 1.1, 0.9)] * 4)
    metrics.share_evidence(cases, reference, [control])
    assert all(case.reference_measurements is reference.measurements for case in [*cases, control])
    (prior,) = {case.ratio_prior for case in [*others, control]}
    assert prior == variance_prior([case.ratios for case in others])
    assert len({case.time_prior for case in [*cases, control]}) == 1 and prior.freedom > 0
    own = speed.compute(reference)  # its ratio to itself is exact, whatever the others vary
    assert (own["ratio_low"], own["ratio"], own["ratio_high"]) == (1.0, 1.0, 1.0)
    metrics.share_evidence(cases, None)
    assert not any(case.reference_measurements for case in cases)


def test_a_drift_that_both_share_is_not_in_the_ratio() -> None:
    drift = np.linspace(1, 5, 9)
    own = [turns(*(2 * drift)), turns(*(3 * drift))]
    found = speed.compute(evidence(own, [turns(*drift), turns(*(1.5 * drift))]))
    assert (found["ratio_low"], found["ratio"], found["ratio_high"]) == pytest.approx((2.0,) * 3)
    assert found["time_high_s"] > 1.3 * found["time_median_s"]


@pytest.mark.parametrize(("spread", "converged"), [(0.001, True), (0.3, False)])
def test_a_row_says_whether_its_ratio_is_known_well_enough(spread: float, converged: bool) -> None:
    own = [turns(*(1 + spread * np.sin(np.arange(9) + process))) for process in range(5)]
    found = speed.compute(evidence(own, [turns(*[1.0] * 9)] * 5))
    assert bool(found["converged"]) is converged


def test_rounds_and_samples_are_counted_by_processes() -> None:
    several = [
        Measurement([1.0, 2.0, 3.0], 1.0, 1.0, 0),
        Measurement([5.0], 1.0, 1.0, 0),
    ]
    found = speed.compute(evidence([several, several]))
    assert (found["processes"], found["rounds"], found["samples"]) == (2, 4, 8)
    assert found["time_median_s"] == pytest.approx(math.sqrt(2 * 5))  # of the rounds' means
    assert "ratio" not in found


def test_a_round_s_time_does_not_depend_on_how_many_calls_make_a_sample() -> None:
    """Call times are skewed: medians of single calls, beside means over twenty, would find a
    difference in nothing.
    """
    calls = np.random.default_rng(0).lognormal(0, 0.5, (25, 100))
    single = [Measurement(list(row), 1.0, 1.0, 0) for row in calls]
    means = [
        Measurement(list(row.reshape(-1, 20).mean(axis=1)), 1.0, 1.0, 0, calls=20) for row in calls
    ]
    found = speed.compute(evidence([single], [means]))
    assert found["ratio"] == pytest.approx(1, abs=1e-12)


def test_the_first_call_stands_apart_and_is_never_less_than_nothing() -> None:
    first_calls = [{"first_call_s": each} for each in (1.0, 3.0, 2.0)]
    found = speed.compute(evidence([turns(0.5)] * 3, first_calls=first_calls))
    assert (found["first_call_s"], found["compile_s"]) == (2.0, 1.5)
    assert speed.compute(evidence([turns(5.0)] * 3, first_calls=first_calls))["compile_s"] == 0.0


# Accuracy


def test_the_worst_process_counts() -> None:
    first_calls = [
        {"output_rel_error": a, "grad_rel_error": b} for a, b in ((1e-7, 3e-7), (2e-7, 1e-7))
    ]
    assert accuracy.compute(evidence([], first_calls=first_calls)) == {
        "output_rel_error": 2e-7,
        "grad_rel_error": 3e-7,
    }


def test_without_a_backward_there_is_no_gradient_s_error() -> None:
    first_calls = [{"output_rel_error": 0.0, "grad_rel_error": None}]
    assert accuracy.compute(evidence([], first_calls=first_calls)) == {
        "output_rel_error": 0.0,
        "grad_rel_error": None,
    }


# Memory


def test_the_formula_stands_beside_what_was_found() -> None:
    found = {"peak_host_bytes": 5, "allocated_bytes": 4, "peak_device_bytes": None}
    formula = {
        "formula_bytes": SMALL.formula_bytes,
        "formula_bytes_per_step": SMALL.formula_bytes_per_step,
    }
    assert memory.compute(evidence([], memory=found)) == found | formula


# Roofline


def limits(*rates: Any) -> list[list[dict[str, float]]]:
    """What the machine could do in each round of one process: flop/s, bytes/s, and seconds of the
    products.
    """
    rounds = rates if isinstance(rates[0], tuple) else (rates,)
    names = ("machine_flops_per_s", "machine_bytes_per_s", "products_s")
    return [[dict(zip(names, (*each, 1.0), strict=False)) for each in rounds]]


def test_a_case_that_computes_is_held_against_the_rate_of_products() -> None:
    found = roofline.compute(evidence([turns(4.0)], machine_peaks=limits(1008.0, 1e9)))
    assert found["flops"] == 4032
    assert found["roofline_fraction"] == pytest.approx(1)  # 4 s at the least, and 4 s taken


def test_a_case_that_moves_data_is_held_against_the_bandwidth() -> None:
    found = roofline.compute(evidence([turns(8.0)], machine_peaks=limits(1e9, 72.0)))
    # 72 numbers of 4 bytes: 4 s at the least, 8 s taken
    assert found["roofline_fraction"] == pytest.approx(0.5)


def test_training_moves_twice_as_much_and_computes_three_times_as_much() -> None:
    found = roofline.compute(
        evidence([turns(16.0)], machine_peaks=limits(1e9, 72.0), workload=TRAINING)
    )
    assert found["flops"] == 3 * 4032
    assert found["roofline_fraction"] == pytest.approx(1)  # 2 * 72 numbers of 8 bytes


def test_without_limits_there_is_no_fraction() -> None:
    assert roofline.compute(evidence([turns(4.0)])) == {"flops": 4032}


def test_a_share_is_that_within_rounds_not_the_quotient_of_two_estimates() -> None:
    slow_twice = limits((1008.0, 1e9), (504.0, 1e9), (504.0, 1e9)) * 2
    own = [turns(4.0, 8.0, 8.0), turns(8.0, 16.0, 16.0)]
    found = roofline.compute(evidence(own, machine_peaks=slow_twice))
    assert found["roofline_fraction"] == pytest.approx(math.sqrt(1 * 0.5))
    assert found["roofline_low"] < found["roofline_fraction"] < found["roofline_high"]
    assert found["machine_flops_per_s"] == 504.0


def test_where_a_round_has_no_limits_there_is_no_fraction() -> None:
    torn = [[*limits((1008.0, 1e9))[0], {}]]
    assert roofline.compute(evidence([turns(4.0, 4.0)], machine_peaks=torn)) == {"flops": 4032}


def test_the_products_of_the_workload_are_a_limit_of_their_own() -> None:
    found = roofline.compute(evidence([turns(4.0)], machine_peaks=limits(1e9, 1e9, 3.0)))
    assert found["products_s"] == 3.0
    assert found["products_fraction"] == pytest.approx(0.75)
    assert math.isnan(found["products_low"])  # a single process


# Hygiene


def clean(samples: int = 10, seconds: float = 1e-3, **other: Any) -> Measurement:
    """A turn of samples that leave no time over, all of it spent computing."""
    whole = samples * seconds
    quiet: dict[str, Any] = {"loop_s": whole, "cpu_s": whole, "switches": 0}
    return Measurement([seconds] * samples, **(quiet | other))


def test_samples_that_account_for_their_time_are_not_flagged() -> None:
    found = timing_validity.compute(evidence([[clean(), clean(calls=2, loop_s=2e-2, cpu_s=2e-2)]]))
    assert found["accounted_share"] == pytest.approx(1)
    assert (found["cores_busy"], found["flags"]) == (1.0, "")


@pytest.mark.parametrize("loop_s", [1.011e-2, 0.989e-2])
def test_time_that_no_sample_accounts_for_is_flagged_and_so_is_time_counted_twice(
    loop_s: float,
) -> None:
    found = timing_validity.compute(evidence([[clean(loop_s=loop_s, cpu_s=loop_s)]]))
    assert found["flags"] == "unaccounted"
    assert timing_validity.compute(evidence([[clean(loop_s=1.009e-2, cpu_s=1e-2)]]))["flags"] == ""


def test_one_that_waits_in_every_turn_is_flagged_and_one_that_was_pushed_aside_is_not() -> None:
    assert timing_validity.compute(evidence([[clean(cpu_s=0.5e-2)] * 20]))["flags"] == "waits"
    assert (
        timing_validity.compute(evidence([[clean(cpu_s=0.5e-2)] * 15 + [clean()] * 5]))["flags"]
        == ""
    )


def test_one_that_stands_in_line_for_a_core_does_not_wait_of_its_own_accord() -> None:
    assert (
        timing_validity.compute(evidence([[clean(cpu_s=0.5e-2, queued_s=0.45e-2)] * 20]))["flags"]
        == ""
    )
    assert (
        timing_validity.compute(evidence([[clean(cpu_s=0.5e-2, queued_s=0.35e-2)] * 20]))["flags"]
        == "waits"
    )


def test_one_that_waits_for_a_gpu_does_what_it_should() -> None:
    on_gpu = replace(SMALL, device="cuda")
    assert (
        timing_validity.compute(evidence([[clean(cpu_s=0.5e-2)] * 20], workload=on_gpu))["flags"]
        == ""
    )


# One file each


def test_the_metrics_are_the_files_of_the_package() -> None:
    files = {path.stem for path in Path(metrics.__file__).parent.glob("[!_]*.py")}
    assert {vars(metric)["__name__"].rpartition(".")[2] for metric in metrics.metrics()} == files
    assert files >= {"speed", "memory", "accuracy"}
    assert all(metric.NEEDS <= metrics.EVIDENCE_KINDS for metric in metrics.metrics())


def test_no_two_metrics_add_the_same_column() -> None:
    full = evidence([turns(4.0)], [turns(4.0)], machine_peaks=limits(1.0, 1.0), memory={"x": 1})
    names = [name for metric in metrics.metrics() for name in metric.compute(full)]
    assert len(names) == len(set(names))


def test_a_metric_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "energy_for_a_test.py").write_text(
        "from lstmbench.results.schema import number\n"
        "NEEDS = frozenset({'samples'})\n"
        "COLUMNS = (number('joules', 'energy of one call', {'J': 1.0, 'mJ': 1e3}),)\n"
        "def compute(evidence):\n    return {'joules': 2.0 * evidence.workload.seq_len}\n"
    )
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    metrics.metrics.cache_clear()
    try:
        assert metrics.compute(evidence([turns(4.0)]))["joules"] == 4.0
        assert "joules" not in metrics.compute(evidence([]), frozenset({"first_calls"}))
        assert quantity("joules") == number("joules", "energy of one call", {"J": 1.0, "mJ": 1e3})
    finally:
        monkeypatch.undo()
        metrics.metrics.cache_clear()
    assert "joules" not in metrics.compute(evidence([turns(4.0)]))
    assert quantity("joules").units == {"": 1.0}


# A GPU's clock


def test_a_gpu_s_clock_is_the_median_and_all_that_held_it_down_is_named() -> None:
    on_gpu = replace(SMALL, device="cuda")
    own = [
        turns(1.0, 1.0, mhz=1980.0),
        turns(1.0, mhz=1200.0, throttled="software power cap, hardware slowdown"),
    ]
    found = gpu_clock.compute(evidence(own, workload=on_gpu))
    assert found == {"gpu_mhz": 1980.0, "gpu_throttled": "hardware slowdown, software power cap"}
    assert gpu_clock.compute(evidence([turns(1.0)], workload=on_gpu)) == {
        "gpu_mhz": None,
        "gpu_throttled": "",
    }
    assert gpu_clock.compute(evidence([turns(1.0, mhz=2600.0)])) == {}
