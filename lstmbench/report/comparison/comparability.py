"""Which cases of two runs can be compared, by which quantity, and why the others cannot."""

from typing import Any, Final

import numpy as np
import pandas as pd

from lstmbench.report.comparison.matched_cases import FLAGS, NAMES, RATIO, TIME, other_threads
from lstmbench.report.comparison.verdicts import INTERVAL, category, has_interval

QUANTITIES: Final = ("ratio", "time")


def add_quantity(cases: pd.DataFrame, by: str | None) -> pd.DataFrame:
    """Return matched cases with what each is compared by, and what makes it less reliable.

    Args:
        cases: as ``match_cases`` returns them.
        by: ``time``, or anything else for the ratio where both runs have one to the same
            reference. The reference itself, whose ratio is 1, is always compared by time.

    Returns:
        The cases with ``quantity``, ``flags``, ``is_reference`` and ``same_reference``.
    """
    columns = [cases[name] for name in ("implementation", "base_ratio_to", "new_ratio_to")]
    names = sorted({name for column in columns for name in column.cat.categories})
    implementation, base, new = (column.cat.set_categories(names) for column in columns)
    is_reference, same_reference = implementation == base, base == new
    by_time = is_reference | ~same_reference | (by == "time")
    flags = cases[["base_flags", "new_flags"]].fillna(0).astype(int)
    return cases.assign(
        is_reference=is_reference,
        same_reference=same_reference,
        quantity=category(by_time.astype(int), QUANTITIES),
        flags=category(flags["base_flags"] | flags["new_flags"], FLAGS),
    )


def estimates_of(cases: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the numbers of a run, those of each case's quantity, for the functions of verdicts."""
    ratio, time = ([f"{name.lower()}_{column}" for column in columns] for columns in (RATIO, TIME))
    by_ratio = cases[["quantity"]] == "ratio"
    numbers = np.where(by_ratio, cases[ratio], cases[time])
    estimates = pd.DataFrame(numbers, cases.index, INTERVAL)
    # An interval counts as that of a normal distribution if the number is not recorded
    return estimates.assign(processes=cases[f"{name.lower()}_processes"].fillna(np.inf))


def incomparability_reasons(
    cases: pd.DataFrame,
    by: str | None,
    across_machines: bool,
    between_runs: str,
) -> pd.Series:
    """Return why each case cannot be compared; empty where it can.

    Args:
        cases: as ``add_quantity`` returns them.
        by: ``ratio`` to refuse cases without a common reference.
        across_machines: whether ratios may be compared in spite of ``between_runs``.
        between_runs: why times of these two runs cannot be compared, or empty.
    """
    threads, base, new = other_threads(cases), cases["base_failure"], cases["new_failure"]
    failure = (base + "; " + new).fillna(base).fillna(new)
    reasons: list[tuple[Any, Any]] = [  # the first that applies counts
        (threads.notna(), threads),
        (cases["run"] == "left_only", "only in BASE"),
        (cases["run"] == "right_only", "only in NEW"),
        (failure.notna(), failure),
    ]
    if by == "ratio":
        references = cases[["base_ratio_to", "new_ratio_to"]].astype(object).fillna("nothing")
        text = "ratio to " + references["base_ratio_to"] + " in BASE, "
        text += "to " + references["new_ratio_to"] + " in NEW"
        reasons.append((~cases["same_reference"], text))
    if between_runs:
        across = across_machines & (cases["quantity"] == "ratio")
        reasons.append((~across, between_runs))
    for name in NAMES:
        texts = [f"no interval of the {quantity} in {name}" for quantity in QUANTITIES]
        text = cases["quantity"].cat.rename_categories(texts).astype(str)
        reasons.append((~has_interval(estimates_of(cases, name)), text))
    return pd.Series("", cases.index).case_when(reasons)
