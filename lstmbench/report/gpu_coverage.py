"""CPU and GPU side by side: results split by device, and a sentence on the devices they cover."""

from collections.abc import Iterator

import pandas as pd

from lstmbench.report.labels import counted, counts, ordered, phrase
from lstmbench.report.number_format import Sentence, markdown, shorten

GPU = "cuda"


def keys(records: pd.DataFrame, *others: str) -> list[str]:
    """Return the columns to group by: the device, if there are several, then the others."""
    return ["device", *others] if records["device"].nunique() > 1 else list(others)


def by_device(records: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the words for each device with its rows; a single device without words."""
    devices = ordered("device", records["device"].dropna())
    if len(devices) < 2:
        yield "", records
        return
    for device in devices:
        yield f" on the {phrase('device', device)}", records[records["device"] == device]


def gpu_coverage(records: pd.DataFrame) -> Sentence:
    """Return which devices these cases cover, and why there is no number of a GPU if so."""
    on_gpu = records["device"] == GPU
    gpu, others = records[on_gpu], records[~on_gpu]
    if gpu.empty:
        return Sentence("These records hold no GPU rows: every case is on the CPU.")
    if not (gpu["status"] == "ok").any():
        errors = gpu["error"].dropna()
        reason = f" The first reason: {markdown(shorten(errors.iloc[0]))}" if len(errors) else ""
        statuses = counts(counted(gpu["status"]))
        return Sentence(f"None of the GPU rows has a number ({statuses}).{reason}")
    if others.empty:
        return Sentence("These records hold no CPU rows: every case is on the GPU.")
    rows = f"{len(others)} rows of the one, {len(gpu)} of the other"
    return Sentence(f"CPU and GPU stand side by side: {rows}.")
