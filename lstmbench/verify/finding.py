"""What a verification finds, and its exit code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lstmbench import exit_codes
from lstmbench.report.labels import WORKLOAD, describe

Weight = Literal["remark", "differs", "unverifiable"]


@dataclass(frozen=True)
class Finding:
    """One thing that a reader should know.

    Attributes:
        where: the file, as a path from the folder that was verified.
        what: one sentence.
        weight: ``differs`` is a fault; ``unverifiable`` leaves open whether there is one; a
            ``remark`` says what this verification does not cover.
    """

    where: str
    what: str
    weight: Weight = "differs"

    def within(self, folder: str) -> "Finding":
        """Return the finding as seen from the folder above."""
        return replace(self, where=f"{folder}/{self.where}")

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 if something differs; or else 2 if something could not be verified; or else 0."""
    weights = {finding.weight for finding in findings}
    if "differs" in weights:
        return exit_codes.DIFFERS
    return exit_codes.NOT_POSSIBLE if "unverifiable" in weights else exit_codes.OK


def unverifiable(where: str, error: Exception, folder: Path, prefix: str = "") -> Finding:
    """Return an error as a finding, without this machine's path to the folder."""
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return Finding(where, prefix + text.replace(f"{folder}/", ""), "unverifiable")


def case_name(row: Mapping[str, Any]) -> str:
    """Return a case in words."""
    keys = ("task", "cell", "variant", "seed") if row.get("task") else WORKLOAD
    known = {key: row[key] for key in keys if row.get(key) is not None and row[key] is not pd.NA}
    return f"{row.get('implementation')}, {describe(known)}"
