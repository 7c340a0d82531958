import hashlib
import json
import re
from pathlib import Path

import pytest
from made_up import MANIFEST, fill, fill_lessons, make, quick_rows, unwell

from lstmbench import report
from lstmbench.errors import LstmbenchError

pytestmark = pytest.mark.usefixtures("unpainted")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))


def test_a_run_gets_tables_figures_and_a_page(written):
    names = set(contents(written))
    for kind in ("ratio", "speed", "memory", "accuracy", "first-call"):
        assert {f"tables/quick-{kind}.{end}" for end in ("md", "tex", "csv")} <= names
    for kind in ("ratio", "speed", "allocated", "peak", "output-error", "gradient-error"):
        assert {f"figures/quick-{kind}-cpu.{end}" for end in ("svg", "png", "pdf")} <= names
    text = (written / "README.md").read_text(encoding="utf-8")
    for word in (
        "# Suite quick on Some(R) CPU",
        "175 cases: 158 ok",
        "8.0 GiB",
        "numpy 2.4.6",
        "not measured",
        "timeout",
    ):
        assert word in text
    assert "Nothing to draw (7 skipped): quick-ratio-gpu-cuda" in text


def test_a_run_of_lessons_shows_the_curves_of_each_task_whatever_its_name(tmp_path):
    fill_lessons(tmp_path, "adding", "<b>$\\input$")
    text = report.write(tmp_path).read_text(encoding="utf-8")
    for name in ("learning-learning-adding", "learning-learning-b-input"):
        assert f"](figures/{name}.png)" in text
        assert {f"figures/{name}.{end}" for end in ("svg", "png", "pdf")} <= set(contents(tmp_path))
    assert "<b>" not in text


def test_writing_again_changes_no_byte_and_touches_no_file(folder):
    report.write(folder)
    before = contents(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    report.write(folder)
    assert contents(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_every_link_of_a_page_leads_to_a_file_beside_it(written):
    for page in (written / "README.md", written.parent / "README.md"):
        targets = links(page)
        assert targets
        for link in targets:
            assert not link.startswith(("/", "http", ".."))
            assert (page.parent / link.replace("%20", " ")).is_file(), link


def test_figures_on_the_page_have_alt_text(written):
    alts = re.findall(
        r"!\[([^\]]*)\]\(figures/", (written / "README.md").read_text(encoding="utf-8")
    )
    assert len(alts) == 6
    assert all("Lines: numpy.reference" in alt for alt in alts)


def test_no_path_of_this_machine_is_on_a_page(written):
    for path in written.parent.rglob("*.md"):
        assert str(written.parent) not in path.read_text(encoding="utf-8")


def test_tables_in_files_hold_the_whole_footer_and_the_hash_of_their_csv(written):
    digest = hashlib.sha256((written / "tables/quick-speed.csv").read_bytes()).hexdigest()[:12]
    for end in ("md", "tex"):
        text = (written / f"tables/quick-speed.{end}").read_text(encoding="utf-8")
        assert digest in text
        assert "Noise floor: not measured" in text


def test_nothing_of_an_older_rendering_is_left_but_what_others_put_there_stays(folder):
    report.write(folder)
    (folder / "figures" / "quick-old.svg").write_text("old")
    (folder / "figures" / "mine.svg").write_text("mine")
    report.write(folder)
    assert not (folder / "figures" / "quick-old.svg").exists()
    assert (folder / "figures" / "mine.svg").exists()


def test_no_temporary_file_is_left(folder, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(LstmbenchError, match="cannot be written: No space left on device"):
        report.write(folder)
    assert not [
        name
        for name in contents(folder)
        if name.endswith(".tmp") or "/." in name or name.startswith(".")
    ]


def test_a_run_in_which_all_failed_has_a_page_without_figures(tmp_path):
    folder = fill(tmp_path / "run", [unwell(row, "failed", "no luck") for row in quick_rows()])
    text = report.write(folder).read_text(encoding="utf-8")
    assert "168 cases: 168 failed" in text
    assert "Nothing to draw (168 failed)" in text
    assert not (folder / "figures").exists()


@pytest.mark.parametrize("what", ["nothing", "no manifest", "no records", "broken manifest"])
def test_what_is_no_run_is_one_sentence(tmp_path, what):
    folder = tmp_path / "run"
    if what != "nothing":
        folder.mkdir()
    if what == "no records":
        (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    if what == "broken manifest":
        (folder / "manifest.json").write_text("{")
    with pytest.raises(LstmbenchError):
        report.write(folder)
    assert not (folder / "README.md").exists()


def test_the_index_lists_all_runs_newest_first_and_shows_the_newest_ratios(tmp_path):
    fill(tmp_path / "a", quick_rows(), started="2026-01-01T00:00:00Z")
    fill(
        tmp_path / "b",
        [*quick_rows()[:-1], unwell(quick_rows()[-1], "timeout", "slow")],
        started="2026-03-01T00:00:00Z",
    )
    fill(tmp_path / "c", quick_rows(), started="2026-04-01T00:00:00Z", complete=False)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "manifest.json").write_text("{")
    text = report.write_index(tmp_path).read_text(encoding="utf-8")
    order = [
        re.search(r"\[(.)\]\(./README.md\)|\| \| (.) \|", line)
        for line in text.splitlines()
        if line.startswith("|")
    ]
    assert [match.group(1) or match.group(2) for match in order if match][:4] == [
        "c",
        "b",
        "a",
        "d",
    ]
    assert "| 167 | 1 timeout |" in text
    assert "none; not finished" in text
    assert "cannot be read" in text
    assert "## The newest: [b](b/README.md)" in text
    assert "**quick-ratio.**" in text
    assert report.write_index(tmp_path).read_text(encoding="utf-8") == text


def test_an_index_of_nothing_says_how_to_begin(tmp_path):
    assert "There are no runs yet" in report.write_index(tmp_path).read_text(encoding="utf-8")
    with pytest.raises(LstmbenchError, match="There is no folder"):
        report.write_index(tmp_path / "nowhere")


def test_the_latest_run_is_the_newest_that_came_to_its_end(tmp_path):
    with pytest.raises(LstmbenchError, match="There are no results in"):
        report.latest(tmp_path)
    started = fill(
        tmp_path / "started", quick_rows(), started="2026-05-01T00:00:00Z", complete=False
    )
    assert report.latest(tmp_path) == started
    fill(tmp_path / "old", quick_rows(), started="2026-01-01T00:00:00Z")
    done = fill(tmp_path / "new", quick_rows(), started="2026-02-01T00:00:00Z")
    assert report.latest(tmp_path) == done
    assert report.latest(done) == done


def test_a_suite_with_a_hostile_name_writes_inside_its_folder(tmp_path):
    rows = [row | {"suite": "../../<b>x"} for row in quick_rows()[:7]]
    folder = fill(
        tmp_path / "run", rows, suite={"name": "../../<b>x"}, machine={"cpu": "<script>|"}
    )
    page = report.write(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert (folder / "tables" / "b-x-speed.csv").is_file()
    assert "<script" not in page.read_text(encoding="utf-8")
    assert "<script" not in report.write_index(tmp_path).read_text(encoding="utf-8")


def test_made_up_records_are_whole():
    assert len(make(quick_rows())) == 168


def test_an_executed_notebook_and_its_page_are_on_one_line(folder):
    (folder / "notebooks").mkdir()
    for name in ("03 a.ipynb", "03 a.html", "04_b.ipynb"):
        (folder / "notebooks" / name).write_text("")
    lines = report.write(folder).read_text(encoding="utf-8").splitlines()[-2:]
    assert lines[0] == "- [03 a.ipynb](notebooks/03%20a.ipynb) · [03 a.html](notebooks/03%20a.html)"
    assert lines[1] == "- [04\\_b.ipynb](notebooks/04_b.ipynb)"
