"""The store: readable after a crash at any moment, nothing lost, nothing twice, a sentence for what
cannot be read.
"""

import contextlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmbench.errors import LstmbenchError
from lstmbench.measure.suites.case import Case, Workload
from lstmbench.results import store
from lstmbench.results.checksums import CHECKSUMS, PARQUET_MARK, file_sha256, read_checksums
from lstmbench.results.schema import COLUMNS, SAMPLE_COLUMNS, frame
from lstmbench.results.store import Store, read_manifest, read_results, read_samples

NAMES = ("numpy.fused", "torch.nn")
Rows = list[dict[str, Any]]


def workload(seq_len: int) -> Workload:
    return Workload("inference", batch_size=2, seq_len=seq_len, input_size=3, hidden_size=4)


def records(seq_len: int, **more: Any) -> Rows:
    """One row that is ok, with all that is measured, and one that was skipped."""
    ok, other = (
        Case(name, workload(seq_len)).columns() | {"workload": workload(seq_len).id}
        for name in NAMES
    )
    ok |= {
        "status": "ok",
        "peer": False,
        "time_median_s": 0.1 + seq_len * 1e-17,
        "samples": 3,
        "converged": True,
    }
    other |= {"status": "skipped", "peer": True, "error": 'not here, "sadly"; é\n<b>'}
    return [ok | more, other | more]


def samples(seq_len: int) -> Rows:
    where = Case(NAMES[0], workload(seq_len)).columns() | {"peer": False, "process": 0, "calls": 1}
    return [where | {"round": k, "sample": 0, "seconds": k / 3} for k in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def fill(folder: Path, *seq_lens: int) -> Store:
    """A run that has done workloads of these lengths."""
    run_store = Store(folder)
    run_store.write_manifest({"run_id": folder.name})
    for seq_len in seq_lens:
        run_store.append(f"{seq_len:05d}", records(seq_len), samples(seq_len))
    return run_store


def lengths(table: pd.DataFrame) -> list[int]:
    return table["seq_len"].tolist()


# Writing


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LstmbenchError, match="Results cannot be written to"):
            Store(path)


# Parts and their union


def test_parts_are_read_as_they_come_and_put_together_at_the_end(folder: Path) -> None:
    run_store = fill(folder, 5, 3)
    before, before_samples = read_results(folder), read_samples(folder)
    assert lengths(before) == [3, 3, 5, 5]  # in the order of the suite, which names them
    run_store.finish()
    pd.testing.assert_frame_equal(read_results(folder), before)
    pd.testing.assert_frame_equal(read_samples(folder), before_samples)
    assert not (folder / "parts").exists()


def test_a_run_that_has_done_nothing_yet_has_no_rows_and_all_columns(folder: Path) -> None:
    fill(folder)
    for table, columns in ((read_results(folder), COLUMNS), (read_samples(folder), SAMPLE_COLUMNS)):
        assert len(table) == 0
        assert {name: str(kind) for name, kind in table.dtypes.items()} == columns


def test_what_is_appended_twice_is_there_once(folder: Path) -> None:
    run_store = fill(folder, 3, 5)
    run_store.append("00003", records(3), samples(3))
    run_store.append("00009", records(5), samples(5))
    run_store.finish()
    assert lengths(read_results(folder)) == [3, 3, 5, 5]
    assert lengths(read_samples(folder)) == [3, 3, 3, 5, 5, 5]


def test_samples_without_their_records_belong_to_nothing(folder: Path) -> None:
    fill(folder, 3, 5)
    (folder / "parts" / "00005.records.parquet").unlink()
    assert lengths(read_results(folder)) == [3, 3]
    assert lengths(read_samples(folder)) == [3, 3, 3]


def test_the_records_of_a_workload_are_written_after_its_samples(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(store, "_write_parquet", lambda path, *_: written.append(path.name))
    fill(folder, 3)
    assert written == ["00003.samples.parquet", "00003.records.parquet"]


@pytest.mark.parametrize("moment", range(12))
def test_a_crash_while_parts_are_put_together_loses_nothing(
    folder: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each step that changes the disk: three files, the parts' folder, and within it."""
    run_store = fill(folder, 3, 5)
    expected, expected_samples = read_results(folder), read_samples(folder)
    steps: list[Any] = []

    def crashing(step: Any) -> Any:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            steps.append(step)
            if len(steps) == moment + 1:
                raise KeyboardInterrupt
            return step(*arguments, **options)

        return wrapped

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crashing(Path.replace))
        patched.setattr(os, "unlink", crashing(os.unlink))
        patched.setattr(os, "rmdir", crashing(os.rmdir))
        with contextlib.suppress(KeyboardInterrupt):
            run_store.finish()
    assert (len(steps) > moment) == (moment < 11), (
        "every moment is tried, and the last one comes after all"
    )
    pd.testing.assert_frame_equal(read_results(folder), expected)
    assert len(read_samples(folder)) == len(expected_samples)
    Store(folder).finish()
    pd.testing.assert_frame_equal(read_results(folder), expected)
    pd.testing.assert_frame_equal(read_samples(folder), expected_samples)
    assert sorted(path.name for path in folder.iterdir()) == sorted(store.FILES)


def test_a_finished_run_has_the_sums_of_its_files_and_its_manifest_says_so(folder: Path) -> None:
    run_store = fill(folder, 3)
    run_store.finish()
    run_store.seal({"run_id": "é", "complete": True})
    assert read_checksums(folder) == {name: file_sha256(folder / name) for name in store.FILES}
    assert read_manifest(folder) == {"run_id": "é", "complete": True, "sums": CHECKSUMS}


def test_a_run_is_not_complete_before_it_has_its_sums(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_store = fill(folder, 3)
    run_store.finish()
    with monkeypatch.context() as patched:
        patched.setattr(
            store, "write_checksums", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            run_store.seal({"complete": True})
    assert "complete" not in read_manifest(folder)


# Reading


def test_csv_says_what_parquet_says(folder: Path) -> None:
    run_store = fill(folder, 3)
    run_store.append(
        "00004",
        records(4, time_median_s=1 / 3, ratio=5e-324, flops=1e300, peak_host_bytes=2**53 + 1),
        [],
    )
    run_store.finish()
    parquet = read_results(folder)
    csv = pd.read_csv(
        folder / "records.csv", dtype=COLUMNS, engine="python"
    )  # whose floats are Python's, to the bit
    pd.testing.assert_frame_equal(csv, parquet.reset_index(drop=True), check_exact=True)


def test_what_is_missing_is_missing_and_not_zero_nor_empty(folder: Path) -> None:
    fill(folder, 3).finish()
    found = read_results(folder)
    assert (
        found.loc[1, ["time_median_s", "samples", "ratio_to", "converged", "peak_host_bytes"]]
        .isna()
        .all()
    )
    assert pd.isna(found.loc[0, "error"])
    assert found.loc[1, "error"] == 'not here, "sadly"; é\n<b>'
    assert ",,," in (folder / "records.csv").read_text(encoding="utf-8")


def test_a_column_that_the_schema_does_not_know_comes_last_and_is_kept(folder: Path) -> None:
    run_store = fill(folder, 3)
    run_store.append("00004", records(4, joules=2.5), [])
    run_store.finish()
    found = read_results(folder)
    assert list(found.columns) == [*COLUMNS, "joules"]
    assert found["joules"].isna().tolist() == [True, True, False, False]


def test_a_file_of_an_older_schema_gets_the_columns_that_it_lacks(folder: Path) -> None:
    fill(folder, 3).finish()
    older = pd.read_parquet(folder / "records.parquet").drop(columns=["ratio", "input"])
    older.to_parquet(folder / "records.parquet")
    found = read_results(folder)
    assert list(found.columns) == list(COLUMNS)
    assert found["ratio"].isna().all()


def test_the_manifest_goes_with_the_records(folder: Path) -> None:
    fill(folder, 3)
    assert read_results(folder).attrs["manifest"] == {"run_id": "run"}


def test_several_runs_are_read_as_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    fill(tmp_path / "b", 5).finish()
    fill(tmp_path / "a", 3)
    (tmp_path / "no run").mkdir()
    found = read_results(tmp_path)
    assert lengths(found) == [3, 3, 5, 5]
    assert found.index.tolist() == [0, 1, 2, 3]
    assert {name: str(kind) for name, kind in found.dtypes.items()} == COLUMNS
    assert [manifest["run_id"] for manifest in found.attrs["manifest"]] == ["a", "b"]


def test_where_there_are_no_results_it_says_so(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(LstmbenchError, match=f"There are no results in {folder}"):
            read_results(folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property"),
        (b"[]", "not an object"),
        (b"\xff", "codec"),
    ],
)
def test_a_broken_manifest_costs_a_sentence_that_names_it(
    folder: Path, text: bytes, reason: str
) -> None:
    fill(folder, 3)
    (folder / "manifest.json").write_bytes(text)
    for read in (read_results, read_manifest):
        with pytest.raises(
            LstmbenchError, match=f"manifest.json cannot be read: .*{reason}"
        ) as caught:
            read(folder)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("finished", [True, False])
def test_a_truncated_file_costs_a_sentence_that_names_it(
    folder: Path, share: float, finished: bool
) -> None:
    run_store = fill(folder, 3)
    if finished:
        run_store.finish()
    path = folder / "records.parquet" if finished else folder / "parts" / "00003.records.parquet"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(LstmbenchError, match=f"{path} cannot be read: ") as caught:
        read_results(folder)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("cannot be read") == 1


def test_a_table_of_something_else_costs_a_sentence_that_names_it(folder: Path) -> None:
    fill(folder, 3).finish()
    pd.DataFrame({"seq_len": ["many"], "status": ["ok"]}).to_parquet(folder / "records.parquet")
    with pytest.raises(LstmbenchError, match=r"records.parquet cannot be read: .*many"):
        read_results(folder)


@pytest.mark.parametrize(
    "name", ["manifest.json", "records.parquet", "samples.parquet", "parts/00003.records.parquet"]
)
def test_a_bit_that_has_changed_is_found_or_changes_nothing(folder: Path, name: str) -> None:
    """Parquet alone reads every fourth as something else, see ``validation/bitflips.py``."""
    run_store = fill(folder, 3, 5)
    if not name.startswith("parts"):
        run_store.finish()
    whole, generator, path = (folder / name).read_bytes(), random.Random(0), folder / name
    right = read_manifest(folder), read_results(folder), read_samples(folder)
    found = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            read = read_manifest(folder), read_results(folder), read_samples(folder)
        except LstmbenchError as error:
            assert str(path) in str(error)  # noqa: PT017
            found += 1
            continue
        # The name of the seal may have become that of an unknown key
        assert right[0].items() <= read[0].items()
        pd.testing.assert_frame_equal(read[1], right[1], check_exact=True)
        pd.testing.assert_frame_equal(read[2], right[2], check_exact=True)
    assert found > 100


def test_without_its_damaged_part_a_workload_is_not_done(folder: Path) -> None:
    fill(folder, 3, 5)
    path = folder / "parts" / "00003.records.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        LstmbenchError,
        match=r"Without the files 00003\.\* there, that workload is measured again\.",
    ):
        store.read_progress(folder)
    for path in (folder / "parts").glob("00003.*"):
        path.unlink()
    assert store.read_progress(folder)[0] == {workload(5).id}


def test_a_file_of_another_program_needs_no_seal(folder: Path) -> None:
    fill(folder, 3).finish()
    before = read_results(folder)
    before.to_parquet(folder / "records.parquet", index=False)
    pd.testing.assert_frame_equal(read_results(folder), before)


def test_any_reader_of_parquet_reads_what_is_sealed(folder: Path) -> None:
    fill(folder, 3).finish()
    assert PARQUET_MARK in (folder / "records.parquet").read_bytes()
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "records.parquet").astype(COLUMNS), read_results(folder)
    )


def test_what_was_learnt_from_a_workload_is_kept_with_its_records_until_the_end(
    folder: Path,
) -> None:
    run_store = fill(folder)
    for seq_len in (5, 3):
        run_store.append(f"{seq_len:05d}", records(seq_len), [], {"controls": [seq_len]})
    assert store.read_progress(folder) == (
        {workload(3).id, workload(5).id},
        [{"controls": [3]}, {"controls": [5]}],
    )
    run_store.finish()
    assert store.read_progress(folder) == ({workload(3).id, workload(5).id}, [])


def test_what_a_killed_run_has_left_in_its_scratch_folder_goes_when_the_next_begins(
    folder: Path,
) -> None:
    run_store = Store(folder)
    (folder / ".scratch" / "below").mkdir(parents=True)
    (folder / ".scratch" / "below" / "inputs.npz").write_text("half")
    with run_store.scratch() as scratch:
        assert (scratch, list(scratch.iterdir())) == (folder / ".scratch", [])
    assert not scratch.exists()


# The schema

JSON = st.dictionaries(
    st.text(max_size=5),
    st.integers() | st.text() | st.none() | st.floats(allow_nan=False),
    max_size=5,
)


@given(manifest=JSON)
def test_a_manifest_is_read_as_it_was_written(
    manifest: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("manifests")
    Store(folder).write_manifest(manifest)
    assert read_manifest(folder) == json.loads(json.dumps(manifest))


def test_a_table_has_the_columns_and_types_of_the_schema_whatever_the_rows_hold() -> None:
    for rows in ([], records(3), [{"seq_len": 4}], [{"joules": 1.0, "status": "ok"}]):
        table = frame(rows)
        assert list(table.columns)[: len(COLUMNS)] == list(COLUMNS)
        assert {name: str(table[name].dtype) for name in COLUMNS} == COLUMNS
        assert len(table) == len(rows)
