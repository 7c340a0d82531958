"""Single changes to a run, many of them, drawn: each is found, and named."""

import shutil
from pathlib import Path

import pytest
from made_run import copy, make_run
from scripts import load_script

from lstmbench.verify.verify import verify

pytestmark = pytest.mark.usefixtures("unpainted")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("results") / "here")


@pytest.mark.slow
def test_each_of_a_hundred_changes_is_found_and_its_file_named(run, tmp_path):
    outcomes = list(
        load_script("validation/tamper.py").tampered(copy(run, tmp_path / "here"), 100, seed=0)
    )
    assert len(outcomes) == 100
    assert [outcome for outcome in outcomes if not (outcome.found and outcome.named)] == []


def test_after_a_hundred_changes_taken_back_nothing_differs(run, tmp_path):
    folder = copy(run, tmp_path / "here")
    assert len(list(load_script("validation/tamper.py").tampered(folder, 9, seed=1))) == 9
    assert verify(folder) == []


def test_a_run_without_notebooks_is_changed_elsewhere(run, tmp_path):
    folder, tamper = copy(run, tmp_path / "here"), load_script("validation/tamper.py")
    shutil.rmtree(folder / "notebooks")
    outcomes = list(tamper.tampered(folder, len(tamper.CHANGES), seed=2))
    assert {outcome.kind for outcome in outcomes} == set(tamper.CHANGES) - {"a byte of a notebook"}
