"""Records to draw from: of a run in which all went well, and of one in which much did not."""

from pathlib import Path

import pandas as pd
import pytest
from made_up import fill, make, quick_rows, trouble
from tiny import unpainted

from lstmbench import report


@pytest.fixture(scope="session")
def quick() -> pd.DataFrame:
    """Records in which all went well."""
    return make(quick_rows())


@pytest.fixture(scope="session")
def troubled() -> pd.DataFrame:
    """Records in which much went wrong."""
    return make(trouble(quick_rows()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small run's folder, with trouble in it."""
    rows = [
        row for row in trouble(quick_rows()) if row["seq_len"] > 64 and row["hidden_size"] == 256
    ]
    return fill(tmp_path / "results" / "here", rows)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with trouble in it, rendered, and its index beside it; to be read only."""
    folder = fill(tmp_path_factory.mktemp("results") / "here", trouble(quick_rows()))
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "03 speed.ipynb").write_text("{}")
    with unpainted():
        report.write(folder)
        report.write_index(folder.parent)
    return folder
