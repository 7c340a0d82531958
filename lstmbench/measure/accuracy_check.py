"""Compare the implementations with the oracle in this process; nothing is timed."""

import platform
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from lstmbench.core.registry import implementation_row, names
from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.case_run import CaseRun
from lstmbench.measure.inputs import write_inputs
from lstmbench.measure.process.prepared_case import PreparedCase
from lstmbench.measure.process.worker_pool import skip_reason
from lstmbench.measure.run_manifest import now, timestamp
from lstmbench.measure.suites.case import Workload
from lstmbench.results.schema import frame


def check_accuracy(
    seq_lens: Sequence[int] = (16, 64),
    hidden_size: int = 16,
    batch_size: int = 4,
    dtypes: Sequence[str] = ("float64", "float32"),
    seed: int = 0,
    device: str = "cpu",
) -> pd.DataFrame:
    """Compare every available implementation with the float64 oracle, on windows of temperatures.

    Args:
        seq_lens: T, the time steps of a window; one or several.
        hidden_size: H.
        batch_size: B, the number of windows.
        dtypes: of the implementations; the oracle gets weights and inputs rounded to it.
        seed: of the weights, the windows and the cotangents.
        device: where the implementations compute.

    Returns:
        Records with ``output_rel_error``, ``grad_rel_error``, ``status`` (ok, wrong_result or
        skipped) and the reason in ``error``, but no times. ``attrs["manifest"]`` says where they
        come from.
    """
    arguments = f"seq_lens={tuple(seq_lens)}, hidden_size={hidden_size}, batch_size={batch_size}"
    arguments += f", seed={seed}" + (f", device={device!r}" if device != "cpu" else "")
    manifest = _manifest(f"check_accuracy({arguments}, dtypes={tuple(dtypes)})")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="lstmbench-") as scratch:
        for dtype, T in dict.fromkeys((dtype, T) for dtype in dtypes for T in seq_lens):
            workload = Workload(
                "training", batch_size, T, 1, hidden_size,
                dtype=dtype, device=device, input="temperatures",
            )  # fmt: skip
            inputs = Path(scratch) / f"{workload.id}.npz"
            write_inputs(workload, seed, inputs)
            rows += [_record(name, workload, inputs) for name in names()]
    run = {"run_id": manifest["run_id"], "suite": manifest["suite"]["name"]}
    records = frame(row | run for row in rows)
    records.attrs["manifest"] = manifest
    return records


def _manifest(call: str) -> dict[str, Any]:
    started = now()
    code = f"from lstmbench.measure.accuracy_check import check_accuracy; print({call})"
    return {
        "run_id": f"agreement-{timestamp(started)}",
        "suite": {"name": "agreement"},
        "started": started,
        "complete": True,
        "command": f'python -c "{code}"',
        "git": environment.git(),
        "machine": environment.machine(),
        "python": platform.python_version(),
        "packages": environment.packages(),
    }


def _record(name: str, workload: Workload, inputs: Path) -> dict[str, Any]:
    row = implementation_row(name)
    case_run = CaseRun(workload, name, 0.0, implementation=name, peer=bool(row["peer"]))
    if reason := skip_reason(row, workload):
        case_run.exclude("skipped", reason)
        return case_run.record()
    with ExitStack() as scope:
        try:
            prepared = PreparedCase(name, workload, inputs, scope)
        except LstmbenchError as error:  # Keras, if this process has it with another backend
            case_run.exclude("skipped", str(error))
        else:
            case_run.check_accuracy(prepared.check(prepared.call(0)))
    return case_run.record()
