"""Do the implementations agree? The workers' gate, held in this process, with nothing timed."""

import platform
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from lstmbench.core.registry import implementation_row, names
from lstmbench.core.tolerance import TOLERANCE
from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.inputs import write_with_answers
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.results.schema import frame


def agreement(
    seq_lens: Sequence[int] = (16, 64),
    hidden_size: int = 16,
    batch_size: int = 4,
    dtypes: Sequence[str] = ("float64", "float32"),
    seed: int = 0,
    device: str = "cpu",
) -> pd.DataFrame:
    """Hold every implementation that is here against the float64 oracle, on windows of the
    temperatures.

    Args:
        seq_lens: T, the steps of a window; one or several.
        hidden_size: H.
        batch_size: B, the number of windows.
        dtypes: in which the implementations compute; weights and inputs are rounded to it before
            the oracle gets them.
        seed: of the weights, the windows and the cotangents.
        device: where they compute.

    Returns:
        Records: ``output_rel_error`` and ``grad_rel_error``, and ``status`` ok, wrong_result or
        skipped with its reason in ``error``; no times. ``attrs["manifest"]`` says where they come
        from.
    """
    asked = f"seq_lens={tuple(seq_lens)}, hidden_size={hidden_size}, batch_size={batch_size}, seed={seed}"
    asked += f", device={device!r}" if device != "cpu" else ""
    manifest = _manifest(f"agreement({asked}, dtypes={tuple(dtypes)})")
    rows = []
    with tempfile.TemporaryDirectory(prefix="lstmbench-") as scratch:
        for dtype, T in dict.fromkeys((dtype, T) for dtype in dtypes for T in seq_lens):
            workload = Workload(
                "training",
                batch_size,
                T,
                1,
                hidden_size,
                dtype=dtype,
                device=device,
                input="temperatures",
            )
            inputs = Path(scratch) / f"{workload.id}.npz"
            write_with_answers(workload, seed, inputs)
            rows += [
                Case(name, workload).columns() | _hold(name, workload, inputs) for name in names()
            ]
    records = frame(
        row | {"run_id": manifest["run_id"], "suite": manifest["suite"]["name"]} for row in rows
    )
    records.attrs["manifest"] = manifest
    return records


def _manifest(call: str) -> dict[str, Any]:
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "run_id": f"agreement-{started.replace(':', '').replace('-', '')}",
        "suite": {"name": "agreement"},
        "started": started,
        "complete": True,
        "command": f'python -c "from lstmbench.measure.accuracy_check import agreement; print({call})"',
        "git": environment.git(),
        "machine": environment.machine(),
        "python": platform.python_version(),
        "packages": environment.packages(),
    }


def _hold(name: str, workload: Workload, inputs: Path) -> dict[str, Any]:
    known = implementation_row(name)
    if reason := known["reason"]:
        return {"status": "skipped", "error": reason}
    for kind, value in (
        ("devices", workload.device),
        ("dtypes", workload.dtype),
        ("modes", workload.mode),
    ):
        if value not in known[kind]:
            return {
                "status": "skipped",
                "error": f"{name} does not support {value}",
                "peer": known["peer"],
            }
    with ExitStack() as scope:
        try:
            held = PreparedCase(name, workload, inputs, scope)
        except LstmbenchError as error:  # Keras on one backend, in a process that has it on another
            return {"status": "skipped", "error": str(error), "peer": known["peer"]}
        check = held.check(held.call(0))
    errors = {name: error for name, error in check.items() if name != "invalid_outputs"}
    good = all(error is None or error <= TOLERANCE[workload.dtype] for error in errors.values())
    return errors | {"status": "ok" if good else "wrong_result", "error": "", "peer": known["peer"]}
