"""Records of runs that were never made, with a known truth."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from made_up import MANIFEST
from scipy.special import stdtrit

from lstmbench.results.schema import COLUMNS
from lstmbench.results.store import Store

OK: dict[str, Any] = {
    "implementation": "torch.fused",
    "backend": "torch",
    "variant": "fused",
    "device": "cpu",
    "dtype": "float32",
    "mode": "inference",
    "batch_size": 8,
    "seq_len": 64,
    "input_size": 32,
    "hidden_size": 32,
    "num_layers": 1,
    "threads": 1,
    "input": "random",
    "status": "ok",
    "processes": 10,
    "converged": True,
    "ratio_to": "torch.nn",
}


def numbers(name: str, value: float, width: float) -> dict[str, float]:
    """A number with an interval that is ``width`` wide on either side, as a fraction."""
    low, high = (
        f"{name.removesuffix('_median_s')}_{end}{'_s' if name.endswith('_s') else ''}"
        for end in ("low", "high")
    )
    return {name: value, low: value / (1 + width), high: value * (1 + width)}


def case(
    ratio: float = 1.5, width: float = 0.01, time_s: float = 1e-3, **changed: Any
) -> dict[str, Any]:
    """One case that went well."""
    return OK | numbers("ratio", ratio, width) | numbers("time_median_s", time_s, width) | changed


def failed(status: str = "failed", error: str = "gone", **changed: Any) -> dict[str, Any]:
    """One case that did not."""
    return (
        {key: value for key, value in OK.items() if key != "ratio_to"}
        | {"status": status, "error": error}
        | changed
    )


def run(*rows: dict[str, Any], run_id: str = "new", **manifest: Any) -> pd.DataFrame:
    """A run of these rows."""
    records = pd.DataFrame(
        [dict.fromkeys(COLUMNS) | row for row in rows], columns=list(COLUMNS)
    ).astype(COLUMNS)
    records.attrs["manifest"] = MANIFEST | {"run_id": run_id} | manifest
    return records


def folder(path: Path, records: pd.DataFrame) -> Path:
    """The folder of a run with these records."""
    store = Store(path)
    store.write_manifest(records.attrs["manifest"])
    rows = records.astype(object).where(records.notna(), None).to_dict("records")
    store.append("all", rows, [])
    store.finish()
    return path


def estimates(estimate: Any, low: Any, high: Any, processes: Any) -> pd.DataFrame:
    """The numbers of a run with their intervals, as verdicts are reached by them."""
    freedom = np.asarray(processes) - 1.0
    return pd.DataFrame({"estimate": estimate, "low": low, "high": high, "freedom": freedom})


def measured(
    truth: float,
    cases: int,
    noise: float,
    processes: int,
    generator: np.random.Generator,
    between: float = 0.7,
) -> pd.DataFrame:
    """What so many cases of the same truth are measured to be, with Student's interval over the
    processes.

    Args:
        truth: the true value.
        cases: how many.
        noise: standard deviation of the logarithm of what one process gives.
        processes: how many per case.
        generator: of the noise.
        between: share of the noise that a whole process has in common; ten rounds see the rest.
    """
    shared = generator.normal(0, noise * between, (cases, processes, 1))
    rounds = generator.normal(0, noise * np.sqrt(10 * (1 - between**2)), (cases, processes, 10))
    logs = (shared + rounds).mean(axis=2)
    half = -stdtrit(processes - 1, 0.025) * logs.std(axis=1, ddof=1) / np.sqrt(processes)
    middle = logs.mean(axis=1)
    low, value, high = (truth * np.exp(middle + sign * half) for sign in (-1, 0, 1))
    return estimates(value, low, high, np.full(cases, float(processes)))


def records_of(run: pd.DataFrame, run_id: str) -> pd.DataFrame:
    """A run whose cases have these ratios, each at a sequence length of its own."""
    size = len(run)
    columns: dict[str, Any] = (
        dict.fromkeys(COLUMNS) | OK | {"time_median_s": 1.0, "time_low_s": 0.9, "time_high_s": 1.1}
    )
    columns |= {"ratio": run["estimate"], "ratio_low": run["low"], "ratio_high": run["high"]}
    columns |= {"processes": run["freedom"] + 1, "ratio_freedom": run["freedom"]}
    columns |= {"seq_len": np.arange(1, size + 1)}
    records = pd.DataFrame(columns, index=range(size))[list(COLUMNS)].astype(COLUMNS)
    records.attrs["manifest"] = MANIFEST | {"run_id": run_id}
    return records
