"""CPU and GPU side by side: how results are split by device, and the sentence that says which
devices they cover."""

from collections.abc import Iterator

import pandas as pd

from lstmbench.report.labels import counts, ordered, phrase, status_words
from lstmbench.report.number_format import Sentence, markdown, shorten

GPU = "cuda"


def keys(records: pd.DataFrame, *others: str) -> list[str]:
    """Return the columns to group by: the device before the others, where there are several."""
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
    """Say in one sentence which devices these cases cover, and why there is no number of a GPU if
    so."""
    on_gpu = records["device"] == GPU
    gpu, others = records[on_gpu], records[~on_gpu]
    if gpu.empty:
        return Sentence("These records hold no GPU rows: every case is on the CPU.")
    if not (gpu["status"] == "ok").any():
        statuses = {
            status_words(str(status)): int(count)
            for status, count in gpu["status"].value_counts().items()
        }
        errors = gpu["error"].dropna()
        reason = f" The first reason: {markdown(shorten(errors.iloc[0]))}" if len(errors) else ""
        return Sentence(f"None of the GPU rows has a number ({counts(statuses)}).{reason}")
    if others.empty:
        return Sentence("These records hold no CPU rows: every case is on the GPU.")
    return Sentence(
        f"CPU and GPU stand side by side: {len(others)} rows of the one, {len(gpu)} of the other."
    )
