"""Measuring a table again: which run it is of, with which suite, into which folder, and what the
command line says.
"""

import re
from pathlib import Path

import pytest
from made_up import fill, quick_rows
from tiny import measure_in_process, write_suite
from typer.testing import CliRunner

from lstmbench import reproduce
from lstmbench.cli import app
from lstmbench.errors import LstmbenchError
from lstmbench.measure.runner import run
from lstmbench.results.store import read_manifest

pytestmark = pytest.mark.usefixtures("unpainted")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: one that was measured."""
    root = tmp_path_factory.mktemp("results")
    suite = write_suite(
        root / "tiny.yaml",
        ["numpy.fused", "numpy.reference"],
        {"seq_len": [3, 4]},
        {"processes": 2},
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        measure_in_process(monkeypatch)
        run(suite, root / "first", progress=False, seed=1)
    (root / "tiny.yaml").unlink()  # what the run has kept is enough
    return root


def test_a_table_is_measured_again_with_the_suite_that_its_run_has_kept_and_another_seed(
    measured, monkeypatch
):
    measure_in_process(monkeypatch)
    asked = ["reproduce", "tiny-ratio", "--results", str(measured), "--no-progress"]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code in (0, 1), done.output
    (report,) = measured.glob("*-tiny-reproduction/reproduction.md")
    assert re.fullmatch(r"\d{8}T\d{6}Z-tiny-reproduction", report.parent.name)
    before, after = (read_manifest(folder) for folder in (measured / "first", report.parent))
    assert after["suite"] == before["suite"]
    assert after["seed"] != before["seed"]
    assert (report.parent / "tables" / "tiny-ratio.md").is_file()
    text = report.read_text(encoding="utf-8")
    assert f"--seed {after['seed']}" in text and "--seed 1" in text
    assert text.splitlines()[2].strip("*") in done.output.replace("\n", " ")

    written = {path: path.read_bytes() for path in report.parent.glob("reproduction.*")}
    again = [*asked[:2], "--results", str(measured / "first"), "--run", str(report.parent)]
    assert CliRunner().invoke(app, again, catch_exceptions=False).exit_code == done.exit_code
    assert written == {path: path.read_bytes() for path in written}


def test_the_newest_finished_run_that_has_the_table_is_taken(tmp_path):
    for name, started in (("a", "2026-01-02"), ("b", "2026-01-03"), ("c", "2026-01-04")):
        fill(tmp_path / name, quick_rows(), started=started, run_id=name, complete=name != "c")
    fill(tmp_path / "d", quick_rows(), started="2026-01-05", suite={"name": "other"})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    assert reproduce.find_run("quick-ratio", tmp_path) == tmp_path / "b"
    assert reproduce.find_run("quick-ratio", tmp_path / "a") == tmp_path / "a"
    with pytest.raises(
        LstmbenchError, match="the tables are other-ratio, other-speed, quick-ratio, quick-speed"
    ):
        reproduce.find_run("quick-ratios", tmp_path)


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("quick", "records no suite to measure again"),
        ({"name": "../quick"}, "records no suite to measure again"),
        ({"name": "learning", "tasks": []}, "is a training suite"),
        ({"name": "quick", "grids": []}, "quick.yaml"),
        (
            {
                "name": "quick",
                "implementations": ["gone.fast"],
                "reference": "gone.fast",
                "grids": [{}],
            },
            "quick.yaml",
        ),
    ],
)
def test_a_run_whose_suite_cannot_be_measured_is_one_sentence(tmp_path, suite, message):
    base = fill(tmp_path / "base", quick_rows(), suite=suite)
    with pytest.raises(LstmbenchError, match=message):
        reproduce.measure_again(base, tmp_path / "new")


def test_the_folder_of_another_run_is_not_measured_into(measured):
    with pytest.raises(LstmbenchError, match="holds another run"):
        reproduce.measure_again(measured / "first", measured / "first")
