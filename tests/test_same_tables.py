"""What compares all tables before and after a change sees a number, a text or a table that is
another.
"""

import shutil
import sys
from pathlib import Path

import pytest
from made_up import fill, quick_rows
from scripts import load_script

from lstmbench import report
from lstmbench.results.store import read_results

same_tables = load_script("validation/same_tables.py")

pytestmark = pytest.mark.usefixtures("unpainted")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("same") / "results"
    fill(root / "a", [row for row in quick_rows() if row["seq_len"] == 64])
    for table in report.standard_tables(read_results(root / "a")):
        (root / "a" / "tables").mkdir(exist_ok=True)
        for ending, text in (
            ("md", table.markdown()),
            ("tex", table.latex()),
            ("csv", table.csv()),
        ):
            (root / "a" / "tables" / f"{table.id}.{ending}").write_text(text, encoding="utf-8")
    return root


def outcome(monkeypatch: pytest.MonkeyPatch, before: Path, results: Path) -> int:
    monkeypatch.setattr(
        sys, "argv", ["same_tables.py", str(before), "records", "--results", str(results)]
    )
    code: int = same_tables.main()
    return code


def test_the_same_tables_are_the_same(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, results, results) == 0
    assert "14 files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("quick-speed.md", " [", " [9", "became"),
        ("quick-speed.csv", "0.0", "0.1", "became"),
        ("quick-ratio.md", "**quick-ratio.**", "**quick-rate.**", "became"),
        ("quick-ratio.md", "Noise floor", "Noise", "became"),
        ("quick-memory.md", None, "", "only after"),
    ],
)
def test_another_number_text_or_table_is_seen(
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    old: str | None,
    new: str,
    said: str,
) -> None:
    before = Path(shutil.copytree(results, tmp_path / "before"))
    path = before / "a" / "tables" / file
    if old is None:
        path.unlink()
    else:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert outcome(monkeypatch, before, results) == 1
    assert said in capsys.readouterr().out


def test_a_new_line_of_the_footer_is_told_and_is_no_difference(results: Path) -> None:
    before = same_tables.written(results)
    after = {
        name: text + "<sub>Variables: A=1.</sub>\n" * name.endswith(".md")
        for name, text in before.items()
    }
    found = list(same_tables.differences(before, after))
    assert len(found) == 7 and all(line.startswith("new line of the footer in") for line in found)


def test_latex_with_another_number_is_seen(results: Path) -> None:
    right = same_tables.written(results)
    name = "a/quick-accuracy.tex"
    wrong = right | {name: right[name].replace("e-08", "e-07")}
    assert list(same_tables.differences(right, right)) == []
    assert list(same_tables.differences(right, wrong)) == [
        f"{name}: other numbers than in a/quick-accuracy.md"
    ]
