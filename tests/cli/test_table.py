"""``lstmbench table``: tables of a run, one table, an index."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Ended

pytestmark = pytest.mark.usefixtures("unpainted")


def test_table_prints_and_writes_the_tables_of_a_run(
    measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    _, folder = measured
    before = {path.name: path.read_bytes() for path in (folder / "tables").iterdir()}
    ended = call("table", folder)
    assert ended.code == 0
    assert "numpy.reference" in ended.out
    assert {path.name: path.read_bytes() for path in (folder / "tables").iterdir()} == before


@pytest.mark.parametrize(
    ("form", "sign"), [("md", "| "), ("tex", r"\toprule"), ("csv", "implementation,")]
)
def test_one_table_is_printed_in_each_form(
    form: str, sign: str, measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    ended = call("table", measured[1], "--id", "tiny-speed", "--format", form)
    assert ended.code == 0
    assert sign in ended.out


def test_of_a_folder_of_runs_the_index_is_made(
    measured: tuple[Path, Path], call: Callable[..., Ended]
) -> None:
    root = measured[1].parent
    assert str(root / "README.md") in call("table", root).out
    assert "tiny" in (root / "README.md").read_text()
