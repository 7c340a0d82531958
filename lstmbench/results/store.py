"""A folder of results: written so that a crash at any moment leaves it readable, read back as tidy
DataFrames.

- ``manifest.json``: how the run came about; ``complete`` says whether it came to its end
- ``records.parquet``, ``records.csv``: one row per case
- ``samples.parquet``: every timed sample
- ``SHA256SUMS``: the sums of these, once the run has come to its end
- ``parts/``: while the run goes on, one pair of files per finished workload; that of its records is
  written last, and holds what else was learnt in measuring it, so that one step makes a workload
  done

Parquet files and the manifest carry a checksum: what is damaged is refused in a sentence, never
read as something else.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.results import sealed_parquet
from lstmbench.results.schema import CASE_COLUMNS, COLUMNS, TRAINING_KEYS, SAMPLE_COLUMNS, frame, typed
from lstmbench.results.checksums import SUMS, sum_of, write_sums

FILES = ("manifest.json", "records.parquet", "records.csv", "samples.parquet")
LEARNT = b"lstmbench"
"""The key under which the file of a part's records holds what else was learnt."""
SEAL = "sha256"
"""The manifest's key for the checksum of all the rest of it."""


def read_results(folder: str | Path, first: int | None = None) -> pd.DataFrame:
    """Return the records of one run folder, or of every run folder directly below ``folder``.

    Args:
        folder: where the results are.
        first: no more than so many records of each run, as they were written; all of them if None.

    Returns:
        One row per case, columns and units as in ``lstmbench.results.schema.COLUMNS``;
        ``attrs["manifest"]`` holds the manifest, or a list of them in the order of the folders'
        names where there are several runs.

    Raises:
        LstmbenchError: if there are no results, or they cannot be read.
    """
    root = Path(folder)
    if (root / "manifest.json").is_file():
        records = _read(root, "records", COLUMNS, first=first)
        records.attrs["manifest"] = read_manifest(root)
        return records
    runs = sorted(path.parent for path in root.glob("*/manifest.json"))
    if not runs:
        raise LstmbenchError(f"There are no results in {root}: it has no manifest.json, nor has a folder in it.")
    several = [_read(run, "records", COLUMNS, first=first) for run in runs]
    records = pd.concat(several, ignore_index=True)
    records.attrs["manifest"] = [read_manifest(run) for run in runs]
    return records


def read_columns(folder: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return some columns of the records of one run, texts as categories: a million rows are read
    in a moment.

    A column that the records lack is left out. ``attrs["manifest"]`` holds the manifest.

    Raises:
        LstmbenchError: if this is not the folder of one run, or it cannot be read.
    """
    root = Path(folder)
    if not (root / "manifest.json").is_file():
        several = sorted(path.parent.name for path in root.glob("*/manifest.json"))
        if several:
            raise LstmbenchError(f"{root} holds {len(several)} runs, and one is wanted, such as {several[-1]}.")
        raise LstmbenchError(f"{root} is no run's folder: it has no manifest.json.")
    records = _read(root, "records", {name: COLUMNS[name] for name in columns}, only=True)
    records.attrs["manifest"] = read_manifest(root)
    return records


def count_records(folder: str | Path) -> int:
    """Return how many records a run has, without reading them; what a crash has left twice counts
    twice.
    """
    return sum(_rows_in(path) for path in _files(Path(folder), "records"))


def read_kept(folder: str | Path) -> tuple[set[str], list[dict[str, Any]]]:
    """Return the ids of the workloads that are done, and what was learnt from those that still have
    their part.

    Not done is what is to be measured ``again``, as its note says; its part is replaced then.

    Raises:
        LstmbenchError: if a file cannot be read.
    """
    done: set[str] = set()
    learnt = []
    for path in _files(Path(folder), "records"):
        with _opened(path) as file:
            note = json.loads((file.schema_arrow.metadata or {}).get(LEARNT, b"{}"))
            if note.get("again"):
                continue
            done.update(file.read(columns=["workload"]).column("workload").to_pylist())
            learnt += [note] if note else []
    return done, learnt


def read_samples(folder: str | Path) -> pd.DataFrame:
    """Return every timed sample of one run folder; columns as in ``schema.SAMPLE_COLUMNS``."""
    return _read(Path(folder), "samples", SAMPLE_COLUMNS)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of one run folder.

    Raises:
        LstmbenchError: if it cannot be read, or is not as it was written.
    """
    path = Path(folder) / "manifest.json"
    try:
        if path.is_fifo():
            raise ValueError("it is a pipe, and would be waited for")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict):
            raise ValueError("not an object")
        # Half a character may be escaped, and never written again
        json.dumps(manifest, ensure_ascii=False).encode()
        seal = manifest.pop(SEAL, None)
        if seal not in (None, _checksum(manifest)):
            raise ValueError("it is not as it was written, its checksum differs")
    except (OSError, ValueError, RecursionError) as error:
        raise LstmbenchError(f"The manifest {path} cannot be read: {error}.") from None
    return manifest


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


class Store:
    """The results folder of a run that is going on."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is not there yet.

        Raises:
            LstmbenchError: if it cannot be made or written to.
        """
        self.folder = folder
        self.parts = folder / "parts"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise LstmbenchError(f"Results cannot be written to {folder}: {error.strerror}.") from None

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace the manifest."""
        text = _text(manifest)
        write_atomically(self.folder / "manifest.json", lambda path: path.write_text(text, encoding="utf-8"))

    def append(
        self,
        workload: str,
        records: list[dict[str, Any]],
        samples: list[dict[str, Any]],
        learnt: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the rows of one finished workload. The file of records is written last: it makes the
        workload done.

        Args:
            workload: its name among the parts, whose order is that of these names.
            records, samples: its rows.
            learnt: what else is to be kept of it, as JSON can say it; ``read_kept`` returns it.
        """
        _write_parquet(self.parts / f"{workload}.samples.parquet", frame(samples, SAMPLE_COLUMNS))
        _write_parquet(self.parts / f"{workload}.records.parquet", frame(records), learnt)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty folder for what workers are handed; it goes with the block, or with the
        next one's beginning.

        Here, and not among the system's temporary files, where nobody knows what a killed run has
        left.
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
            table = _read(self.folder, kind, columns)
            _write_parquet(self.folder / f"{kind}.parquet", table)
            if kind == "records":
                write_atomically(self.folder / "records.csv", partial(table.to_csv, index=False))
        shutil.rmtree(self.parts, ignore_errors=True)
        for left in (each for name in FILES for each in self.folder.glob(f".{name}.*")):
            left.unlink(missing_ok=True)  # by a run that was killed while it wrote

    def seal(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest of a run whose files are final, and before it the sums of all that was
        measured.

        In this order no run is complete that has no sums; ``sums`` in the manifest says that it has
        them.
        """
        manifest = {**manifest, "sums": SUMS}
        sums = {name: sum_of(self.folder / name) for name in FILES if name != "manifest.json"}
        write_sums(self.folder, sums | {"manifest.json": hashlib.sha256(_text(manifest).encode()).hexdigest()})
        self.write_manifest(manifest)


def _text(manifest: Mapping[str, Any]) -> str:
    """Return the manifest as it is written, with its checksum."""
    content = json.loads(json.dumps(manifest))  # as it is going to be read
    return json.dumps(content | {SEAL: _checksum(content)}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _write_parquet(path: Path, table: pd.DataFrame, learnt: Mapping[str, Any] | None = None) -> None:
    rows = pa.Table.from_pandas(table, preserve_index=False)
    if learnt is not None:
        rows = rows.replace_schema_metadata((rows.schema.metadata or {}) | {LEARNT: json.dumps(learnt).encode()})

    def write(temporary: Path) -> None:
        pq.write_table(rows, temporary)
        sealed_parquet.seal(temporary)

    write_atomically(path, write)


def _files(folder: Path, kind: str) -> list[Path]:
    """Return the final file of a kind, and whatever parts there are that it doesn't hold yet."""
    final = folder / f"{kind}.parquet"
    paths = ([final] if final.is_file() else []) + sorted((folder / "parts").glob(f"*.{kind}.parquet"))
    if kind == "samples":  # samples without their records belong to a workload that was not finished
        paths = [path for path in paths if path == final or _records_of(path).is_file()]
    return paths


def _read(
    folder: Path, kind: str, columns: Mapping[str, str], only: bool = False, first: int | None = None
) -> pd.DataFrame:
    """Read the files of a kind.

    With ``only``, nothing but these columns is read, as far as they are there, and texts come as
    categories.
    """
    paths = _files(folder, kind)
    whole = len(paths) == 1 and paths[0].parent == folder  # it was put together without duplicates
    keys = [*CASE_COLUMNS, *TRAINING_KEYS, *(["process", "round", "sample"] if kind == "samples" else [])]
    if only:
        tables = [_read_some(path, [*columns] if whole else [*keys, *columns]) for path in paths]
        merged = (
            tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True) if tables else frame([], columns)
        )
    else:
        read = [_read_parquet(path, first) for path in paths]
        with _readable(paths[0] if len(paths) == 1 else folder):
            merged = (
                typed(pa.concat_tables(read, promote_options="permissive").to_pandas(), columns)
                if read
                else frame([], columns)
            )
    if whole or not paths:
        return merged
    merged = merged.drop_duplicates(subset=[key for key in keys if key in merged.columns], ignore_index=True)
    return merged[[name for name in columns if name in merged.columns]] if only else merged.iloc[:first]


def _read_parquet(path: Path, first: int | None) -> pa.Table:
    with _opened(path) as file:
        return file.read() if first is None else pa.Table.from_batches(_head(file, first), file.schema_arrow)


def _head(file: pq.ParquetFile, first: int) -> list[pa.RecordBatch]:
    """Return the first rows; nothing else is read."""
    batch = next(file.iter_batches(batch_size=first), None)
    return [] if batch is None else [batch]


def _read_some(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    words = [name for name in columns if COLUMNS.get(name) == "string"]
    with _opened(path, read_dictionary=words) as file:
        there = [name for name in file.schema_arrow.names if name in columns]
        records = file.read(columns=there).to_pandas(split_blocks=True, self_destruct=True)
        # A million rows leave hundreds of megabytes behind
        pa.default_memory_pool().release_unused()
        return records


def _rows_in(path: Path) -> int:
    with _opened(path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _opened(path: Path, **options: Any) -> Iterator[pq.ParquetFile]:
    """Give a Parquet file that is as it was written.

    Raises:
        LstmbenchError: if it is not, or what is done with it shows that it cannot be read.
    """
    with _readable(path):
        sealed_parquet.check(path)
        with pq.ParquetFile(path, **options) as file:
            yield file


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        way_out = ""
        if path.parent.name == "parts":
            way_out = f" Without the files {path.name.partition('.')[0]}.* there, that workload is measured again."
        raise LstmbenchError(f"The results file {path} cannot be read: {reason}.{way_out}") from None


def _records_of(samples: Path) -> Path:
    return samples.with_name(samples.name.replace(".samples.", ".records."))
