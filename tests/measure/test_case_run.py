"""A case is a wrong result outside the tolerance of its dtype; every sample of it is a row."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import mutants

import lstmbench as lb
from lstmbench.core.tolerance import TOLERANCE
from lstmbench.measure.case_run import CaseRun
from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.suites.case import Workload

TINY = Workload("inference", batch_size=3, seq_len=2, input_size=5, hidden_size=7)
GOOD = {
    "first_call_s": 1.0,
    "invalid_outputs": "",
    "output_rel_error": 0.0,
    "grad_rel_error": 0.0,
}


def checked(dtype: str, **check: Any) -> CaseRun:
    workload = Workload("training", 2, 3, 4, 5, dtype=dtype)
    case_run = CaseRun(workload, "torch.nn", 0.02, implementation="torch.nn")
    case_run.check_accuracy(GOOD | check)
    return case_run


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("which", ["output_rel_error", "grad_rel_error"])
def test_outputs_and_gradients_have_the_tolerance_of_their_dtype(dtype: str, which: str) -> None:
    bound = TOLERANCE[dtype]
    assert checked(dtype, **{which: bound}).status == "ok"
    for beyond in (np.nextafter(bound, 1), math.inf, math.nan):
        case_run = checked(dtype, **{which: beyond})
        assert case_run.status == "wrong_result"
        assert which in case_run.error
        assert f"at most {bound:g} is allowed for {dtype}" in case_run.error


def test_a_wrong_result_keeps_its_errors_and_has_no_times() -> None:
    record = checked("float32", output_rel_error=0.5).record()
    assert record["output_rel_error"] == 0.5
    assert not {"time_median_s", "ratio", "first_call_s", "samples", "roofline_fraction"} & set(
        record
    )


def test_without_gradients_only_the_outputs_count() -> None:
    assert checked("float32", grad_rel_error=None).status == "ok"
    assert checked("float32", grad_rel_error=None, output_rel_error=1.0).status == "wrong_result"


def test_outputs_of_the_wrong_shape_are_reported() -> None:
    case_run = checked(
        "float32",
        output_rel_error=math.inf,
        invalid_outputs="y has shape (1,), and (2,) is right",
    )
    assert (case_run.status, case_run.error) == (
        "wrong_result",
        "y has shape (1,), and (2,) is right",
    )


@pytest.mark.usefixtures("given_limits", "no_process_left")
def test_an_error_below_float32_precision_is_found_in_float64(
    plugins: Callable[..., None], measure: Callable[..., lb.Run]
) -> None:
    plugins(mutants())
    done = measure(["numpy.fused", "mutant.rough"], {"dtype": ["float32", "float64"]})
    records = done.records.set_index(["implementation", "dtype"])
    assert records.loc[("mutant.rough", "float32"), "status"] == "ok"
    refused = records.loc[("mutant.rough", "float64")]
    assert (refused["status"], pd.isna(refused["time_median_s"])) == ("wrong_result", True)
    assert 1e-9 < refused["output_rel_error"] < 1e-6
    assert records.loc[("numpy.fused", "float64"), "output_rel_error"] < 1e-12


def test_every_sample_is_kept_with_its_process_its_round_and_its_number_of_calls() -> None:
    """Each process finds for itself how many calls make a sample."""
    first = [
        Measurement([1.0, 2.0], 1.0, 1.0, 0, calls=10),
        Measurement([3.0], 1.0, 1.0, 0, calls=10),
    ]
    second = [Measurement([4.0], 1.0, 1.0, 0, calls=7)]
    case_run = CaseRun(TINY, "torch.nn", 0.02, implementation="torch.nn", peer=True)
    case_run.measurements = [first, second]
    rows = list(case_run.samples())
    kept = [
        tuple(row[name] for name in ("process", "round", "sample", "calls", "seconds"))
        for row in rows
    ]
    assert kept == [(0, 0, 0, 10, 1.0), (0, 0, 1, 10, 2.0), (0, 1, 0, 10, 3.0), (1, 0, 0, 7, 4.0)]
    assert all(
        row["implementation"] == "torch.nn" and row["peer"] and row["seq_len"] == 2 for row in rows
    )
