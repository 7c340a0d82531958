"""Nothing is timed that was not held against the oracle: each dtype has its bound, and beyond it
there are no times.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import mutants

import lstmbench as lb
from lstmbench.core.tolerance import TOLERANCE
from lstmbench.measure.metrics import Evidence
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.measure.workload_session import CaseRun

GOOD = {
    "first_call_s": 1.0,
    "invalid_outputs": "",
    "output_rel_error": 0.0,
    "grad_rel_error": 0.0,
}


def judged(dtype: str, **gate: Any) -> CaseRun:
    workload = Workload("training", 2, 3, 4, 5, dtype=dtype)
    trial = CaseRun(Case("torch.nn", workload), Evidence(workload, "torch.nn", 0.02))
    trial.judge(GOOD | gate)
    return trial


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("which", ["output_rel_error", "grad_rel_error"])
def test_the_bound_is_that_of_the_dtype_for_outputs_and_for_gradients(
    dtype: str, which: str
) -> None:
    bound = TOLERANCE[dtype]
    assert judged(dtype, **{which: bound}).status == "ok"
    for beyond in (np.nextafter(bound, 1), math.inf, math.nan):
        found = judged(dtype, **{which: beyond})
        assert found.status == "wrong_result"
        assert which in found.error
        assert f"{bound:g} is the most for {dtype}" in found.error


def test_what_is_refused_keeps_its_errors_and_has_no_times() -> None:
    record = judged("float32", output_rel_error=0.5).record()
    assert record["output_rel_error"] == 0.5
    assert not {"time_median_s", "ratio", "first_call_s", "samples", "roofline_fraction"} & set(
        record
    )


def test_without_a_backward_the_outputs_alone_count() -> None:
    assert judged("float32", grad_rel_error=None).status == "ok"
    assert judged("float32", grad_rel_error=None, output_rel_error=1.0).status == "wrong_result"


def test_an_answer_of_the_wrong_form_is_said_so() -> None:
    found = judged(
        "float32",
        output_rel_error=math.inf,
        invalid_outputs="y has shape (1,), and (2,) is right",
    )
    assert (found.status, found.error) == ("wrong_result", "y has shape (1,), and (2,) is right")


@pytest.mark.usefixtures("given_limits", "no_process_left")
def test_an_error_that_single_precision_hides_is_found_in_double(
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
