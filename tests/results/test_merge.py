"""Runs of several machines in one folder: none is lost, none is changed, and what contradicts
itself is refused.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from made_up import fill, quick_rows, row, workloads

from lstmbench.errors import LstmbenchError
from lstmbench.results import merge as merge_module
from lstmbench.results.merge import merge
from lstmbench.results.store import Store, read_manifest, read_results


def a_run(folder: Path, run_id: str, cases: int = 3, **manifest) -> Path:
    rows = [case | {"run_id": run_id} for case in quick_rows()[:cases]]
    return fill(folder, rows, run_id=run_id, **manifest)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_each_run_keeps_its_folder_and_every_byte(tmp_path):
    one = a_run(tmp_path / "here" / "one", "r1")
    two = a_run(tmp_path / "there" / "two", "r2")
    (two / "tables").mkdir()
    (two / "tables" / "quick-ratio.md").write_text("a table")
    found = merge([one, tmp_path / "there"], tmp_path / "out")
    assert [(merged.run_id, merged.folder.name, merged.copied) for merged in found] == [
        ("r1", "one", True),
        ("r2", "two", True),
    ]
    assert contents(tmp_path / "out" / "one") == contents(one)
    assert contents(tmp_path / "out" / "two") == contents(two)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "two"]
    assert set(read_results(tmp_path / "out")["run_id"]) == {"r1", "r2"}


def test_the_same_run_twice_is_one_whether_given_twice_or_there_already(tmp_path):
    one = a_run(tmp_path / "one", "r1")
    again = Path(shutil.copytree(one, tmp_path / "again"))
    assert len(merge([one, again], tmp_path / "out")) == 1
    before = contents(tmp_path / "out")
    (found,) = merge([again, tmp_path / "out"], tmp_path / "out")
    assert (found.folder.name, found.copied) == ("one", False)
    assert contents(tmp_path / "out") == before


def test_an_unreadable_run_in_the_target_has_no_id(tmp_path):
    (tmp_path / "out" / "broken").mkdir(parents=True)
    (tmp_path / "out" / "broken" / "manifest.json").write_text("{")
    (merged,) = merge([a_run(tmp_path / "one", "None")], tmp_path / "out")
    assert (merged.folder.name, merged.copied) == ("one", True)


@pytest.mark.parametrize("there", [True, False])
def test_the_same_id_with_other_records_is_refused_naming_both(tmp_path, there):
    one, other = a_run(tmp_path / "one", "r1"), a_run(tmp_path / "other", "r1", cases=2)
    new = a_run(tmp_path / "new", "r2")
    if there:
        merge([one], tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(LstmbenchError) as caught:
        merge([new, other] if there else [new, one, other], tmp_path / "out")
    assert all(
        str(path) in str(caught.value)
        for path in (other, tmp_path / "out" / "one" if there else one)
    )
    assert contents(tmp_path / "out") == before


def test_a_name_that_is_taken_is_replaced_by_one_of_the_run_s_id(tmp_path):
    runs = [a_run(tmp_path / machine / "quick", f"../{machine} <1>") for machine in ("a", "b")]
    (tmp_path / "out" / "b-1").mkdir(parents=True)
    found = merge(runs, tmp_path / "out")
    assert [merged.folder.relative_to(tmp_path / "out").as_posix() for merged in found] == [
        "quick",
        "b-1-2",
    ]
    assert [read_manifest(merged.folder)["run_id"] for merged in found] == ["../a <1>", "../b <1>"]


def broken(folder: Path) -> None:
    (folder / "samples.parquet").write_bytes(b"no parquet")


def unfinished(folder: Path) -> None:
    Store(folder).write_manifest(read_manifest(folder) | {"complete": False})


def interrupted(folder: Path) -> None:
    (folder / "parts").mkdir()


def without_records(folder: Path) -> None:
    (folder / "records.parquet").unlink()


def of_another(folder: Path) -> None:
    fill(folder, [row("torch.nn", workloads()[-1], np.random.default_rng(1)) | {"run_id": "r9"}])
    Store(folder).write_manifest(read_manifest(folder) | {"run_id": "r2"})


def linked(folder: Path) -> None:
    (folder / "tables").symlink_to("/")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (broken, "samples.parquet cannot be read"),
        (unfinished, "is not finished"),
        (interrupted, "is not finished"),
        (without_records, "is not finished|no column"),
        (of_another, "are of the run r9, but its manifest is of r2"),
        (linked, "is a link"),
    ],
)
def test_what_is_not_whole_is_refused_before_anything_is_copied(tmp_path, harm, message):
    one, two = a_run(tmp_path / "one", "r1"), a_run(tmp_path / "two", "r2")
    harm(two)
    with pytest.raises(LstmbenchError, match=message):
        merge([one, two], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_copy_that_breaks_off_leaves_nothing_that_looks_like_a_run(tmp_path, monkeypatch):
    one = a_run(tmp_path / "one", "r1")
    copytree = shutil.copytree

    def breaks_off(source, target):
        copytree(source, target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merge_module.shutil, "copytree", breaks_off)
    with pytest.raises(LstmbenchError, match=r"cannot be copied to .*: No space left on device"):
        merge([one], tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_no_runs_and_a_run_as_the_target_are_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    one = a_run(tmp_path / "one", "r1")
    with pytest.raises(LstmbenchError, match="There are no results in"):
        merge([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(LstmbenchError, match="is a run's folder itself"):
        merge([one], one)
