"""Which cases of two runs can be compared, by which quantity, and why the others cannot."""

from functools import lru_cache
from itertools import compress, product
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmbench.show.comparing.matched_cases import NAMES, RATIO, TIME, other_threads
from lstmbench.show.comparing.verdicts import Estimates, has_interval
from lstmbench.show.formats import shorten
from lstmbench.show.labels import status_words
from lstmbench.show.provenance import ENOUGH_PROCESSES

QUANTITIES: Final = ("ratio", "time")

_FLAGS: Final = ("exploratory", "noisy", "not converged")
_FLAG_COMBINATIONS: Final = [
    ", ".join(compress(_FLAGS, is_set)) for is_set in product((False, True), repeat=len(_FLAGS))
]


def choose_quantity(cases: pd.DataFrame, by: str | None) -> pd.Categorical:
    """Return what each case is compared by: the ratio if both runs have one to the same reference.

    The reference itself, whose ratio is 1, is always compared by time.

    Args:
        cases: as ``match_cases`` returns them.
        by: ``time`` to compare all cases by time.
    """
    is_reference = cases["implementation"].astype(object) == cases["base_ratio_to"].astype(object)
    by_ratio = _same_reference(cases) & ~is_reference & (by != "time")
    return pd.Categorical.from_codes(np.where(by_ratio, 0, 1), QUANTITIES)


def estimates_of(cases: pd.DataFrame, name: str) -> Estimates:
    """Return the numbers of one run, for each case those of its ``quantity``."""
    run = name.lower()
    by_ratio = cases["quantity"] == "ratio"
    ratio_or_time = (
        np.where(by_ratio, cases[f"{run}_{ratio}"], cases[f"{run}_{time}"])
        for ratio, time in zip(RATIO, TIME, strict=True)
    )
    return Estimates(*ratio_or_time, cases[f"{run}_processes"].to_numpy())


def incomparability_reasons(
    cases: pd.DataFrame, by: str | None, across_machines: bool, between_runs: str
) -> NDArray[np.object_]:
    """Return why each case cannot be compared; empty where it can.

    Args:
        cases: matched cases with their ``quantity``.
        by: ``ratio`` to refuse cases without a common reference.
        across_machines: whether ratios may be compared in spite of ``between_runs``.
        between_runs: why times of these two runs cannot be compared, or empty.
    """
    threads = other_threads(cases)
    failures = _failures(cases)
    reasons: list[tuple[Any, Any]] = [  # the first that applies counts
        (threads.notna(), threads),
        (cases["run"] == "left_only", "only in BASE"),
        (cases["run"] == "right_only", "only in NEW"),
        (failures.notna(), failures),
    ]
    if by == "ratio":
        base, new = (cases[f"{name.lower()}_ratio_to"].astype(object).fillna("nothing") for name in NAMES)
        text = "ratio to " + base + " in BASE, to " + new + " in NEW"
        reasons.append((~_same_reference(cases), text))
    if between_runs:
        reasons.append((~((cases["quantity"] == "ratio") & across_machines), between_runs))
    for name in NAMES:
        unusable = ~has_interval(estimates_of(cases, name))
        for quantity in QUANTITIES:
            text = f"no interval of the {quantity} in {name}"
            reasons.append((unusable & (cases["quantity"] == quantity), text))
    conditions, texts = zip(*reasons, strict=True)
    objects = [np.asarray(text, dtype=object) for text in texts]
    return np.select(conditions, objects, np.asarray("", dtype=object))


def flags(cases: pd.DataFrame) -> pd.Categorical:
    """Return in words what makes the numbers of either run less reliable than they look."""
    is_set = np.zeros((len(_FLAGS), len(cases)), dtype=bool)
    for run in ("base", "new"):
        enough = cases[f"{run}_processes"] >= ENOUGH_PROCESSES
        is_set[0] |= (cases[f"{run}_status"] == "ok") & ~enough
        is_set[1] |= cases[f"{run}_noisy"] == 1
        is_set[2] |= cases[f"{run}_converged"] == 0
    return pd.Categorical.from_codes([4, 2, 1] @ is_set, _FLAG_COMBINATIONS)


def _same_reference(cases: pd.DataFrame) -> pd.Series:
    return cases["base_ratio_to"].astype(object) == cases["new_ratio_to"].astype(object)


def _failures(cases: pd.DataFrame) -> pd.Series:
    """Return which statuses of cases in both runs are not ``ok``, and why; missing for the others."""
    failed = (cases["base_status"] != "ok") | (cases["new_status"] != "ok")
    columns = ["base_status", "base_error", "new_status", "new_error"]
    rows = cases.loc[failed & (cases["run"] == "both"), columns].astype(object).fillna("")
    texts = [_failure(*row) for row in rows.itertuples(index=False)]
    return pd.Series(texts, rows.index, dtype=object).reindex(cases.index)


@lru_cache  # a million cases fail for a few reasons
def _failure(base_status: str, base_error: str, new_status: str, new_error: str) -> str:
    runs = zip(NAMES, (base_status, new_status), (base_error, new_error), strict=True)
    return "; ".join(
        f"{status_words(status)} in {name}" + (f": {shorten(error)}" if error else "")
        for name, status, error in runs
        if status != "ok"
    )
