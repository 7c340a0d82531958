"""CPU and GPU side by side: what is split where records hold both, and the sentence that says which they hold."""

from collections.abc import Iterator

import pandas as pd

from lstmbench.show.formats import Sentence, markdown, shorten
from lstmbench.show.labels import counts, ordered, phrase, status_words

GPU = "cuda"


def keys(records: pd.DataFrame, *others: str) -> list[str]:
    """Return the columns to group by: the device before the others, where there are several."""
    return ["device", *others] if records["device"].nunique() > 1 else list(others)


def by_device(records: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each device with the words for it; of a single one, without words."""
    devices = ordered("device", records["device"].dropna())
    if len(devices) < 2:
        yield "", records
        return
    for device in devices:
        yield f" on the {phrase('device', device)}", records[records["device"] == device]


def told(records: pd.DataFrame) -> Sentence:
    """Say in one sentence on which devices these cases were measured, and why there is nothing of a GPU if so."""
    on_gpu = records["device"] == GPU
    gpu, others = records[on_gpu], records[~on_gpu]
    if gpu.empty:
        return Sentence("These records hold no GPU rows: every case is on the CPU.")
    if not (gpu["status"] == "ok").any():
        found = {status_words(str(status)): int(count) for status, count in gpu["status"].value_counts().items()}
        reasons = gpu["error"].dropna()
        reason = f" The first reason: {markdown(shorten(reasons.iloc[0]))}" if len(reasons) else ""
        return Sentence(f"None of the GPU rows has a number ({counts(found)}).{reason}")
    if others.empty:
        return Sentence("These records hold no CPU rows: every case is on the GPU.")
    return Sentence(f"CPU and GPU stand side by side: {len(others)} rows of the one, {len(gpu)} of the other.")
