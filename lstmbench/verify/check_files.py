"""Check the measured files of a run: their checksums, and the records against CSV and manifest."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lstmbench.errors import LstmbenchError
from lstmbench.measure import controls
from lstmbench.report.labels import Row
from lstmbench.report.provenance import part
from lstmbench.results.checksums import CHECKSUMS, file_sha256, read_checksums
from lstmbench.results.store import FILES
from lstmbench.verify.finding import Finding, case_name, unverifiable

NO_CHECKSUMS = (
    "not there: the run was made before there were checksums, so its raw files are only compared "
    "with each other."
)


def check_files(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the files of a run, and of its notebooks, that are missing, extra or changed."""
    notebooks, is_promised = folder / "notebooks", "sums" in manifest
    yield from _check_sums(folder, FILES, is_promised)
    if not (folder / CHECKSUMS).is_file() and not is_promised:
        yield Finding(CHECKSUMS, NO_CHECKSUMS, "remark")
    if notebooks.is_dir():
        copies = [path.name for path in notebooks.glob("[!.]*") if path.name != CHECKSUMS]
        for finding in _check_sums(notebooks, copies, is_promised):
            yield finding.within("notebooks")


def _check_sums(folder: Path, names: Sequence[str], is_promised: bool) -> Iterator[Finding]:
    """Yield what is wrong with these files, and with those in the folder's list of checksums."""
    try:
        sums = read_checksums(folder)
    except LstmbenchError as error:
        yield replace(unverifiable(CHECKSUMS, error, folder), weight="differs")
        sums = {}
    if is_promised and not (folder / CHECKSUMS).is_file():
        yield Finding(CHECKSUMS, "missing.")
    for name in sorted({*names, *sums}):
        path = folder / name
        try:
            if not path.is_file():
                yield Finding(name, "missing.")
            elif sums and name not in sums:
                yield Finding(name, f"an extra file, or one whose line in {CHECKSUMS} is gone.")
            elif sums and file_sha256(path) != sums[name]:
                yield Finding(name, f"changed: its checksum is not the one in {CHECKSUMS}.")
        except LstmbenchError as error:
            yield unverifiable(name, error, folder)


def check_csv(folder: Path, records: pd.DataFrame) -> Iterator[Finding]:
    """Yield where records.csv does not say what records.parquet says, to the last digit."""
    path = folder / "records.csv"
    # The records of an earlier version lack columns of today
    names = pq.read_schema(folder / "records.parquet").names
    expected = records[names].to_csv(index=False)
    # A missing file is a finding of check_files
    actual = path.read_bytes() if path.is_file() else expected.encode()
    if actual == expected.encode():
        return
    texts = (actual.decode(errors="backslashreplace"), expected)
    tables = [list(csv.reader(io.StringIO(text))) for text in texts]
    header, what = tables[1][0], "written otherwise than from records.parquet."
    for number, (row, right) in enumerate(zip_longest(*tables)):
        if row == right:
            continue
        if row is None or right is None or len(row) != len(right):
            what = f"row {number} is not the one of records.parquet."
            break
        cells = zip(header, row, right, strict=True)
        column, value, other = next(cell for cell in cells if cell[1] != cell[2])
        place = "the head"
        if number:
            case: Any = records.iloc[number - 1].to_dict()
            place = f"row {number} ({case_name(case)})"
        what = f"{place}, column {column}: {value!r}, and {other!r} in records.parquet."
        break
    yield Finding("records.csv", what)


def check_manifest(rows: list[Row], manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield where records and manifest disagree, or the noise floor and the controls."""
    run_id, environments = manifest.get("run_id"), part(manifest, "environments")
    for number, row in enumerate(rows, 1):
        environment = row["environment_id"]
        if row["run_id"] != run_id:
            what = f"column run_id: {row['run_id']!r}, and {run_id!r} in the manifest."
        elif environment is not None and environment not in environments:
            what = f"column environment_id: {environment!r}, which the manifest does not have."
        else:
            continue
        yield Finding("records.parquet", f"row {number} ({case_name(row)}), {what}")
    recorded = part(manifest, "controls")
    right = controls.summary(recorded["rows"]) if recorded.get("rows") else {}
    for key in right:
        if recorded.get(key) != right[key]:
            what = f"controls, {key}: {recorded.get(key)!r}, but its rows give {right[key]!r}."
            yield Finding("manifest.json", what)
