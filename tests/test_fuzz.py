"""Whatever comes in from outside is read, or refused in a sentence."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
spec = importlib.util.spec_from_file_location("fuzz", PATH)
assert spec is not None
assert spec.loader is not None
fuzz: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)


def test_nonsense_is_read_or_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a word may be taken for the name of a folder
    fuzz.fuzz(tmp_path, 100)


@pytest.mark.parametrize("reader", ["read_suite", "read_results"])
def test_a_reader_that_stumbles_is_found_out(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(_: Any) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr(fuzz, reader, stumble)
    with pytest.raises(KeyError):
        fuzz.fuzz(tmp_path, 5)
