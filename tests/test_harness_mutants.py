"""The faults of ``validation/mutants.py`` can be put into the library as it is now."""

from pathlib import Path

import pytest
from scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = load_script("validation/mutants.py").MUTANTS


@pytest.mark.parametrize("name", MUTANTS)
def test_the_text_to_replace_is_there_once_and_the_tests_exist(name: str) -> None:
    mutant = MUTANTS[name]
    path = ROOT / "lstmbench" / mutant.file
    assert path.is_file(), mutant.file
    assert path.read_text(encoding="utf-8").count(mutant.old) == 1, mutant.old
    assert [test for test in mutant.tests.split() if not (ROOT / test).exists()] == []
