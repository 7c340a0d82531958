"""The results folder of a run: written so that it is readable after a crash at any moment.

- ``manifest.json``: how the run came about; ``complete`` says whether it is finished
- ``records.parquet``, ``records.csv``: one row per case
- ``samples.parquet``: every timed sample
- ``SHA256SUMS``: the checksums of these, once the run is finished
- ``parts/``: while the run goes on, a pair of files per finished workload. The file of records is
  written last and also holds the note on the workload, so that one step makes a workload done.

Parquet files and the manifest carry a checksum, so that a damaged file is refused with a sentence.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.results.checksums import (
    CHECKSUMS,
    add_parquet_checksum,
    file_sha256,
    verify_parquet_checksum,
    write_checksums,
)
from lstmbench.results.schema import (
    CASE_COLUMNS,
    COLUMNS,
    SAMPLE_COLUMNS,
    TRAINING_KEYS,
    Column,
    frame,
    typed,
)

FILES = ("manifest.json", "records.parquet", "records.csv", "samples.parquet")
NOTE_KEY = b"lstmbench"
"""The key in the Parquet metadata of a part's records for the note on its workload."""
_ROW_KEYS = (*CASE_COLUMNS, *TRAINING_KEYS, "process", "round", "sample")
"""The columns that identify a record or a sample, as far as it has them."""
CHECKSUM_KEY = "sha256"
"""The manifest's key for the checksum of all its other content."""


def is_run(folder: str | Path) -> bool:
    """Return whether this is the folder of a run."""
    return (Path(folder) / "manifest.json").is_file()


def run_folders(folder: str | Path) -> list[Path]:
    """Return the folders of runs directly below a folder, by name."""
    return sorted(path.parent for path in Path(folder).glob("*/manifest.json"))


def find_runs(folder: str | Path) -> list[Path]:
    """Return this folder if it is that of a run, or those of the runs directly below it, by name.

    Raises:
        LstmbenchError: if there is none.
    """
    if runs := [Path(folder)] if is_run(folder) else run_folders(folder):
        return runs
    problem = "neither it nor a folder in it has a manifest.json"
    raise LstmbenchError(f"There are no results in {folder}: {problem}.")


def read_results(folder: str | Path, first: int | None = None) -> pd.DataFrame:
    """Return the records of one run folder, or of every run folder directly below ``folder``.

    Args:
        folder: where the results are.
        first: the maximum number of records of each run, as they were written; None for all.

    Returns:
        One row per case, columns and units as in ``lstmbench.results.schema.COLUMNS``;
        ``attrs["manifest"]`` holds the manifest, or a list of them in the order of the folders'
        names if there are several runs.

    Raises:
        LstmbenchError: if there are no results, or they cannot be read.
    """
    runs = find_runs(folder)
    tables = [_read(run, "records", COLUMNS, first=first) for run in runs]
    manifests = [read_manifest(run) for run in runs]
    is_one = runs == [Path(folder)]
    records = tables[0] if is_one else pd.concat(tables, ignore_index=True)
    records.attrs["manifest"] = manifests[0] if is_one else manifests
    return records


def read_columns(folder: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return some columns of one run's records, texts as categories: fast for a million rows.

    A column that the records lack is left out. ``attrs["manifest"]`` holds the manifest.

    Raises:
        LstmbenchError: if this is not the folder of one run, or it cannot be read.
    """
    if not is_run(folder):
        if runs := run_folders(folder):
            count, example = len(runs), runs[-1].name
            raise LstmbenchError(
                f"{folder} holds {count} runs. Choose one of them, such as {example}."
            )
        raise LstmbenchError(f"{folder} is not a run's folder: it has no manifest.json.")
    types = {name: COLUMNS[name] for name in columns}
    records = _read(Path(folder), "records", types, only=True)
    records.attrs["manifest"] = read_manifest(folder)
    return records


def count_records(folder: str | Path) -> int:
    """Return the number of records of a run, without reading them.

    Records that a crash left both in the final file and in a part count twice.
    """
    count = 0
    for path in _files(Path(folder), "records"):
        with _open_parquet(path) as file:
            count += file.metadata.num_rows
    return count


def read_progress(folder: str | Path) -> tuple[set[str], list[dict[str, Any]]]:
    """Return the ids of the finished workloads, and the notes on those that are still in parts.

    A workload whose note says ``again`` is not finished: it is measured again, which replaces its
    part.

    Raises:
        LstmbenchError: if a file cannot be read.
    """
    done: set[str] = set()
    notes = []
    for path in _files(Path(folder), "records"):
        with _open_parquet(path) as file:
            note = json.loads((file.schema_arrow.metadata or {}).get(NOTE_KEY, b"{}"))
            if not note.get("again"):
                done.update(file.read(columns=["workload"]).column("workload").to_pylist())
                notes += [note] if note else []
    return done, notes


def read_samples(folder: str | Path) -> pd.DataFrame:
    """Return every timed sample of one run folder; columns as in ``schema.SAMPLE_COLUMNS``."""
    return _read(Path(folder), "samples", SAMPLE_COLUMNS)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of one run folder.

    Raises:
        LstmbenchError: if it cannot be read, or was changed.
    """
    path = Path(folder) / "manifest.json"
    try:
        if path.is_fifo():
            raise ValueError("it is a named pipe, not a file")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict):
            raise ValueError("not an object")
        # JSON may escape one half of a surrogate pair, which could not be written again
        json.dumps(manifest, ensure_ascii=False).encode()
        if manifest.pop(CHECKSUM_KEY, None) not in (None, _checksum(manifest)):
            raise ValueError("it is not as it was written: its checksum differs")
    except (OSError, ValueError, RecursionError) as error:
        raise LstmbenchError(f"The manifest {path} cannot be read: {error}.") from None
    return manifest


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


class Store:
    """The results folder of a run that is in progress."""

    def __init__(self, folder: Path, metric_columns: Iterable[Column] = ()) -> None:
        """Create the folder if it does not exist.

        Args:
            folder: of the run.
            metric_columns: what the records may have in addition to ``schema.COLUMNS``, in order.

        Raises:
            LstmbenchError: if it cannot be created or written to.
        """
        self.folder = folder
        self.parts = folder / "parts"
        self._metric_types = {column.name: column.dtype for column in metric_columns}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            problem = f"Results cannot be written to {folder}: {error.strerror}"
            raise LstmbenchError(f"{problem}.") from None

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace the manifest."""
        write_atomically(self.folder / "manifest.json", _manifest_bytes(manifest))

    def append(
        self,
        workload: str,
        records: list[dict[str, Any]],
        samples: list[dict[str, Any]],
        note: Mapping[str, Any] | None = None,
    ) -> None:
        """Save the rows of one finished workload; the file of records makes it done.

        Args:
            workload: its name among the parts, which are put together in the order of their names.
            records, samples: its rows.
            note: what else is saved with it, as JSON; ``read_progress`` returns it.
        """
        _write_parquet(self.parts / f"{workload}.samples.parquet", frame(samples, SAMPLE_COLUMNS))
        table = frame(records, COLUMNS, self._metric_types)
        _write_parquet(self.parts / f"{workload}.records.parquet", table, note)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Create an empty folder for the inputs of workers, and remove it after the block.

        It is in the results folder and not among the system's temporary files, so that the next
        call removes what a killed run left.
        """
        folder = self.folder.absolute() / ".scratch"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self) -> None:
        """Put all parts together into the final files, then remove the parts."""
        for kind, columns in (("samples", SAMPLE_COLUMNS), ("records", COLUMNS)):
            table = _read(self.folder, kind, columns, self._metric_types)
            _write_parquet(self.folder / f"{kind}.parquet", table)
            if kind == "records":
                write_atomically(self.folder / "records.csv", partial(table.to_csv, index=False))
        shutil.rmtree(self.parts, ignore_errors=True)
        for name in FILES:  # a run that was killed while writing leaves temporary files
            for path in self.folder.glob(f".{name}.*"):
                path.unlink(missing_ok=True)

    def seal(self, manifest: Mapping[str, Any]) -> None:
        """Write the checksums of the final files, then the manifest.

        In this order, every complete run has its checksums; ``sums`` in the manifest says so.
        """
        manifest = {**manifest, "sums": CHECKSUMS}
        sums = {name: file_sha256(self.folder / name) for name in FILES if name != "manifest.json"}
        sums["manifest.json"] = hashlib.sha256(_manifest_bytes(manifest)).hexdigest()
        write_checksums(self.folder, sums)
        self.write_manifest(manifest)


def _manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return the content of the manifest's file, with its checksum."""
    content = json.loads(json.dumps(manifest))  # as it will be read
    content[CHECKSUM_KEY] = _checksum(content)
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def _write_parquet(path: Path, rows: pd.DataFrame, note: Mapping[str, Any] | None = None) -> None:
    table = pa.Table.from_pandas(rows, preserve_index=False)
    if note is not None:
        metadata = {**(table.schema.metadata or {}), NOTE_KEY: json.dumps(note).encode()}
        table = table.replace_schema_metadata(metadata)

    def write(temporary: Path) -> None:
        pq.write_table(table, temporary)
        add_parquet_checksum(temporary)

    write_atomically(path, write)


def _files(folder: Path, kind: str) -> list[Path]:
    """Return the final file of a kind if it exists, and the parts that it does not hold yet."""
    final = [path for path in [folder / f"{kind}.parquet"] if path.is_file()]
    parts = [
        path
        for path in sorted((folder / "parts").glob(f"*.{kind}.parquet"))
        # Samples without their records are of an unfinished workload
        if path.with_name(path.name.replace(".samples.", ".records.")).is_file()
    ]
    return final + parts


def _read(
    folder: Path,
    kind: str,
    columns: Mapping[str, str],
    optional: Mapping[str, str] = MappingProxyType({}),
    only: bool = False,
    first: int | None = None,
) -> pd.DataFrame:
    """Read the files of a kind.

    Args:
        folder: of the run.
        kind: ``records`` or ``samples``.
        columns, optional: with their types, as ``typed`` takes them.
        only: whether to read no other columns; texts become categories then.
        first: the maximum number of rows.
    """
    paths = _files(folder, kind)
    if not paths:
        return frame([], columns, optional)
    is_final = paths == [folder / f"{kind}.parquet"]  # which has no row twice
    wanted = ([*columns] if is_final else [*_ROW_KEYS, *columns]) if only else None
    with _readable(paths[0] if len(paths) == 1 else folder):
        # The tables have no other reference, so that their memory is released in the conversion
        table = pa.concat_tables(
            [_read_parquet(path, wanted, first) for path in paths], promote_options="permissive"
        )
        if only:
            table = table.unify_dictionaries()
            rows = table.to_pandas(split_blocks=True, self_destruct=True)
            del table
            pa.default_memory_pool().release_unused()  # hundreds of megabytes of a million rows
        else:
            rows = typed(table.to_pandas(), columns, optional)
    if is_final:
        return rows
    rows = rows.drop_duplicates([key for key in _ROW_KEYS if key in rows], ignore_index=True)
    return rows[[name for name in columns if name in rows]] if only else rows.iloc[:first]


def _read_parquet(path: Path, columns: Sequence[str] | None, first: int | None) -> pa.Table:
    """Read some columns, texts as categories, or all; the first rows, or all."""
    texts = [name for name in columns or () if COLUMNS.get(name) == "string"]
    with _open_parquet(path, read_dictionary=texts) as file:
        if first is not None:
            return pa.Table.from_batches(islice(file.iter_batches(first), 1), file.schema_arrow)
        names = columns and [name for name in file.schema_arrow.names if name in columns]
        return file.read(columns=names)


@contextmanager
def _open_parquet(path: Path, **options: Any) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file whose checksum is correct.

    Raises:
        LstmbenchError: if the checksum differs, or the file cannot be read in the block.
    """
    with _readable(path):
        verify_parquet_checksum(path)
        with pq.ParquetFile(path, **options) as file:
            yield file


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors of reading a file into one sentence, once."""
    try:
        yield
    except LstmbenchError:
        raise
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        advice = ""
        if path.parent.name == "parts":
            part = path.name.partition(".")[0]
            advice = f" Without the files {part}.* there, that workload is measured again."
        problem = f"The results file {path} cannot be read: {reason}"
        raise LstmbenchError(f"{problem}.{advice}") from None
