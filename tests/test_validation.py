"""The scripts in ``validation/`` fit the library as it is now."""

from pathlib import Path

import pytest
from scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "validation").glob("*.py"))
MUTANTS = load_script("validation/mutants.py").MUTANTS


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_imports_of_a_script_exist(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(path.parent)  # as for a script that is started there
    load_script(str(path.relative_to(ROOT)))


def test_the_readme_lists_every_script() -> None:
    text = (ROOT / "validation" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in SCRIPTS if f"`{path.name}`" not in text] == []


@pytest.mark.parametrize("name", MUTANTS)
def test_the_text_that_a_mutant_replaces_is_there_once_and_its_tests_exist(name: str) -> None:
    mutant = MUTANTS[name]
    path = ROOT / "lstmbench" / mutant.file
    assert path.is_file(), mutant.file
    assert path.read_text(encoding="utf-8").count(mutant.old) == 1, mutant.old
    assert [test for test in mutant.tests.split() if not (ROOT / test).exists()] == []
