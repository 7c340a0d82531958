"""Is what was measured what was kept? Sums, and records held against their CSV, their manifest and
their samples.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lstmbench.errors import LstmbenchError
from lstmbench.measure import controls
from lstmbench.report.labels import Row
from lstmbench.results.checksums import CHECKSUMS, file_sha256, read_checksums
from lstmbench.results.store import FILES
from lstmbench.verify.finding import Finding, case_name, sentence

NO_SUMS = "not there: the run was made before there were sums, so its raw files are held against each other alone."


def check_files(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the files of a run that are missing, extra, or not what their sums say; those of its
    notebooks too.
    """
    copies = sorted(path.name for path in folder.glob("notebooks/[!.]*") if path.name != CHECKSUMS)
    yield from _check_sums(folder, FILES, "sums" in manifest)
    if not (folder / CHECKSUMS).is_file() and "sums" not in manifest:
        yield Finding(CHECKSUMS, NO_SUMS, "remark")
    if (folder / "notebooks").is_dir():
        checked = _check_sums(folder / "notebooks", copies, "sums" in manifest)
        yield from (finding.within("notebooks") for finding in checked)


def _check_sums(folder: Path, names: Sequence[str], promised: bool) -> Iterator[Finding]:
    """Yield what is wrong with these files, and with those that the folder's sums list."""
    try:
        sums = read_checksums(folder)
    except LstmbenchError as error:
        yield Finding(CHECKSUMS, sentence(error, folder))
        sums = {}
    if promised and not (folder / CHECKSUMS).is_file():
        yield Finding(CHECKSUMS, "missing.")
    for name in sorted({*names, *sums}):
        path = folder / name
        try:
            if not path.is_file():
                yield Finding(name, "missing.")
            elif sums and name not in sums:
                yield Finding(name, f"an extra file, or one whose line in {CHECKSUMS} is gone.")
            elif sums and file_sha256(path) != sums[name]:
                yield Finding(name, f"changed: its sum is not the one in {CHECKSUMS}.")
        except LstmbenchError as error:
            yield Finding(name, sentence(error, folder), "unverifiable")


def check_csv(folder: Path, records: pd.DataFrame) -> Iterator[Finding]:
    """Yield where records.csv does not say what records.parquet says, to the last digit."""
    names = pq.read_schema(
        folder / "records.parquet"
    ).names  # an older run has not all columns of today
    right = records[names].to_csv(index=False)
    path = folder / "records.csv"
    found = (
        path.read_bytes() if path.is_file() else right.encode()
    )  # that it is missing is said elsewhere
    if found == right.encode():
        return
    rows = [
        list(csv.reader(io.StringIO(text)))
        for text in (found.decode(errors="backslashreplace"), right)
    ]
    for number, (there, wanted) in enumerate(zip_longest(*rows), 1):
        if there == wanted:
            continue
        if there is None or wanted is None or len(there) != len(wanted):
            yield Finding("records.csv", f"row {number - 1} is not the one of records.parquet.")
            return
        column, one, other = next(
            (c, a, b) for c, a, b in zip(rows[1][0], there, wanted, strict=True) if a != b
        )
        case: Any = records.iloc[number - 2].to_dict()
        name = "the head" if number == 1 else f"row {number - 1} ({case_name(case)})"
        yield Finding(
            "records.csv", f"{name}, column {column}: {one!r}, and {other!r} in records.parquet."
        )
        return
    yield Finding("records.csv", "written otherwise than from records.parquet.")


def check_manifest(rows: list[Row], manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield where records and manifest are not of one run, and where the controls do not lead to
    the noise floor.
    """
    environments = manifest.get("environments") or {}
    for number, row in enumerate(rows, 1):
        if row["run_id"] != manifest.get("run_id"):
            what = (
                f"column run_id: {row['run_id']!r}, and {manifest.get('run_id')!r} in the manifest."
            )
        elif row["environment_id"] is not None and row["environment_id"] not in environments:
            what = f"column environment_id: {row['environment_id']!r}, which the manifest does not have."
        else:
            continue
        yield Finding("records.parquet", f"row {number} ({case_name(row)}), {what}")
    shown = manifest.get("controls") or {}
    if shown.get("rows"):
        right = controls.summary(shown["rows"])
        for key in right:
            if shown.get(key) != right[key]:
                yield Finding(
                    "manifest.json",
                    f"controls, {key}: {shown.get(key)!r}, but its rows give {right[key]!r}.",
                )
