"""Whatever comes in from outside is read, or refused in a sentence."""

from pathlib import Path
from typing import Any

import pytest
from scripts import load_script

fuzz = load_script("validation/fuzz.py")


def test_nonsense_is_read_or_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a word may be taken for the name of a folder
    fuzz.fuzz(tmp_path, 100)


@pytest.mark.parametrize("reader", ["read_suite", "read_results"])
def test_a_reader_that_stumbles_is_found_out(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_: Any) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr(fuzz, reader, stumble)
    with pytest.raises(KeyError):
        fuzz.fuzz(tmp_path, 5)
