"""Do the implementations agree? The workers' gate, held in this process on one workload, with nothing timed."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from lstmbench.cell.registry import describe, names
from lstmbench.cell.tolerance import TOLERANCE
from lstmbench.measure.case import Case, Workload
from lstmbench.measure.inputs import write_with_answers
from lstmbench.measure.worker import Held
from lstmbench.results.record import frame


def agreement(
    seq_len: int = 64,
    hidden_size: int = 16,
    batch_size: int = 4,
    dtypes: Sequence[str] = ("float64", "float32"),
    seed: int = 0,
) -> pd.DataFrame:
    """Hold every implementation that is here against the float64 oracle, on windows of the temperatures.

    Args:
        seq_len: T, the steps of a window.
        hidden_size: H.
        batch_size: B, the number of windows.
        dtypes: in which the implementations compute; weights and inputs are rounded to it before the oracle gets them.
        seed: of the weights, the windows and the cotangents.

    Returns:
        Records: ``output_rel_error`` and ``grad_rel_error``, and ``status`` ok, wrong_result or skipped with its reason
        in ``error``; no times.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="lstmbench-") as scratch:
        for dtype in dtypes:
            workload = Workload("training", batch_size, seq_len, 1, hidden_size, dtype=dtype, input="temperatures")
            inputs = Path(scratch) / f"{dtype}.npz"
            write_with_answers(workload, seed, inputs)
            rows += [Case(name, workload).columns() | _hold(name, workload, inputs) for name in names()]
    return frame(rows)


def _hold(name: str, workload: Workload, inputs: Path) -> dict[str, Any]:
    known = describe(name)
    if reason := known["reason"]:
        return {"status": "skipped", "error": reason}
    for kind, value in (("dtypes", workload.dtype), ("modes", workload.mode)):
        if value not in known[kind]:
            return {"status": "skipped", "error": f"{name} does not support {value}", "peer": known["peer"]}
    with ExitStack() as scope:
        held = Held(name, workload, inputs, scope)
        errors = held.errors(held.call(0))
    good = all(error is None or error <= TOLERANCE[workload.dtype] for error in errors.values())
    return errors | {"status": "ok" if good else "wrong_result", "error": "", "peer": known["peer"]}
