"""The page of all runs: one file that needs nothing else, whose data are those of the records, and no text is code."""

import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up import fill, fill_lessons, quick_rows, trouble

from lstmbench import show
from lstmbench.results.record import SAMPLE_COLUMNS, frame
from lstmbench.results.store import read_results
from lstmbench.show.paging import interactive

HOSTILE = '</script><script>alert(1)</script><!--<img src=x onerror="alert(2)">&lt; \' " \u2028'
PLOTLY = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"  # as published, version 4.1.1


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and the text in scripts of each type."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found[-1:] and self.found[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts.append((self.found[-1][1].get("type"), data))


def page_of(base: Path) -> str:
    show.write_index(base)
    return (base / "index.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert found
    return json.loads(found[1])


def values(columns: list[dict[str, Any]], name: str) -> list[Any]:
    column = next(column for column in columns if column["name"] == name)
    words = column.get("words")
    return [None if place < 0 else words[place] for place in column["values"]] if words else column["values"]


def with_samples(folder: Path, rows: list[dict[str, Any]], samples: list[dict[str, Any]]) -> Path:
    fill(folder, rows)
    frame([row | sample for row in rows for sample in samples], SAMPLE_COLUMNS).to_parquet(folder / "samples.parquet")
    return folder


def taken(process: int, count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"process": process, "round": k, "sample": 0, "seconds": 0.001 + k / 1e6, **more} for k in range(count)]


def test_the_data_in_the_page_are_those_of_the_records(tmp_path):
    fill(tmp_path / "here", trouble(quick_rows()))
    records = read_results(tmp_path / "here")
    cases = data_of(page_of(tmp_path))["cases"]
    for name in ("implementation", "status", "seq_len", "peer", "error"):
        assert values(cases, name) == [None if pd.isna(value) else value for value in records[name]]
    assert values(cases, "time_median_s") == [
        None if pd.isna(value) else pytest.approx(value, rel=1e-5) for value in records["time_median_s"]
    ]
    assert set(values(cases, "run")) == {"here"}
    assert "peak_device_bytes" not in {column["name"] for column in cases}  # nowhere measured


def test_nothing_is_loaded_from_elsewhere_and_the_page_forbids_it(written):
    elements = Elements((written.parent / "index.html").read_text(encoding="utf-8"))
    for tag, attributes in elements.found:
        assert "src" not in attributes and tag not in ("link", "iframe", "object", "base")
        assert not str(attributes.get("href", "")).startswith(("http", "/", "."))
    policy = next(attributes["content"] for _, attributes in elements.found if "http-equiv" in attributes)
    assert "default-src 'none'" in policy and "http" not in policy


def test_every_link_leads_to_a_file_beside_the_page(written):
    elements = Elements((written.parent / "index.html").read_text(encoding="utf-8"))
    hrefs = [str(attributes["href"]) for tag, attributes in elements.found if tag == "a"]
    links = [href for href in hrefs if not href.startswith("#")]
    assert "here/README.md" in links and "here/notebooks/03%20speed.ipynb" in links
    for link in links:
        assert (written.parent / link.replace("%20", " ")).is_file(), link


def test_text_of_a_record_is_no_markup_and_ends_no_script(tmp_path):
    row = quick_rows()[0]
    plain = fill(tmp_path / "plain" / "here", [row])
    rows = [row | {"implementation": HOSTILE, "status": "failed", "error": HOSTILE, "flags": HOSTILE, "input": HOSTILE}]
    fill(tmp_path / "foul" / "here", rows, suite={"name": HOSTILE}, machine={"cpu": HOSTILE}, python=HOSTILE)
    foul, kind = page_of(tmp_path / "foul"), page_of(plain.parent)
    assert [tag for tag, _ in Elements(foul).found] == [tag for tag, _ in Elements(kind).found]
    assert len(Elements(foul).scripts) == len(Elements(kind).scripts) == 3
    assert values(data_of(foul)["cases"], "error") == [HOSTILE]


def test_hostile_text_put_in_as_it_is_would_be_seen():
    tags = [tag for tag, _ in Elements(f'<script type="application/json">{json.dumps(HOSTILE)}</script>').found]
    assert tags != ["script"]


def test_numbers_that_are_none_are_missing_and_the_data_stay_json(tmp_path):
    rows = quick_rows()[:2]
    rows[0]["time_high_s"] = float("inf")
    rows[1]["ratio"] = float("nan")
    fill(tmp_path / "here", rows)
    cases = data_of(page_of(tmp_path))["cases"]
    assert values(cases, "time_high_s")[0] is None
    assert values(cases, "ratio")[1] is None


def test_raw_samples_belong_to_their_case_and_disturbed_ones_are_negative(tmp_path):
    rows = quick_rows()[:3]
    samples = [*taken(0, 3, disturbed=False), *taken(4, 2, disturbed=True)]
    with_samples(tmp_path / "here", rows, samples)
    found = data_of(page_of(tmp_path))["samples"]
    assert found["1"] == [5, [[0, [0.001, 0.001001, 0.001002]], [4, [-0.001, -0.001001]]]]
    assert set(found) == {"0", "1", "2"}


def test_samples_of_two_runs_are_not_mixed(tmp_path):
    for name, count in (("one", 2), ("two", 3)):
        with_samples(tmp_path / name, quick_rows()[:1], taken(0, count))
    data = data_of(page_of(tmp_path))
    counts = {run: data["samples"][str(place)][0] for place, run in enumerate(values(data["cases"], "run"))}
    assert counts == {"one": 2, "two": 3}


@pytest.mark.parametrize(("of_a_case", "in_all"), [(4, 100), (100, 8)])
def test_of_many_samples_an_even_part_is_kept_and_their_number_told(tmp_path, monkeypatch, of_a_case, in_all):
    monkeypatch.setattr(interactive, "SAMPLES_OF_A_CASE", of_a_case)
    monkeypatch.setattr(interactive, "SAMPLES_IN_ALL", in_all)
    with_samples(tmp_path / "here", quick_rows()[:2], taken(0, 12))
    found = data_of(page_of(tmp_path))["samples"]
    for total, [[_, times]] in found.values():
        assert total == 12
        assert times == [0.001, 0.001003, 0.001006, 0.001009]


def test_lessons_are_rows_of_scores_and_no_cases(tmp_path):
    case = {key: quick_rows()[0][key] for key in ("implementation", "backend", "device", "dtype", "threads")}
    lesson = case | {"task": "adding", "cell": "lstm", "seed": 0, "metric": "error", "score": 0.25, "status": "ok"}
    fill(tmp_path / "lessons", [lesson, lesson | {"seed": 1, "score": None, "status": "failed", "error": HOSTILE}])
    data = data_of(page_of(tmp_path))
    assert data["cases"] == []
    assert values(data["lessons"], "score") == [0.25, None]
    fill(tmp_path / "quick", quick_rows())
    data = data_of(page_of(tmp_path))
    assert len(values(data["cases"], "mode")) == 168
    assert values(data["lessons"], "task") == ["adding", "adding"]


def test_the_page_holds_how_learning_went_of_which_no_text_is_markup(tmp_path):
    fill_lessons(tmp_path / "taught", "adding", HOSTILE)
    page = page_of(tmp_path)
    adding, foul = data_of(page)["courses"]
    assert [line["label"] for line in adding["lines"]] == ["torch.fused", "jax.fused"]
    assert adding["lines"][0]["updates"] == [10, 20, 30] and adding["lines"][0]["mean"] == [1.5, 1.0, 0.8333]
    assert adding["lines"][0]["least"] == [1.0, 0.5, 0.3333] and adding["lines"][0]["most"] == [2.0, 1.5, 1.333]
    assert adding["score"][0] == 0.25 and adding["baselines"] == {"naive": 0.5} and adding["run"] == "taught"
    assert foul["title"] == HOSTILE and len(Elements(page).scripts) == 3


def test_of_many_epochs_an_even_part_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(interactive, "POINTS_OF_A_LINE", 2)
    fill_lessons(tmp_path / "taught", "adding")
    assert data_of(page_of(tmp_path))["courses"][0]["lines"][0]["updates"] == [10, 30]


def test_a_folder_without_runs_and_a_run_that_cannot_be_read_have_a_page(tmp_path):
    assert "There are no runs yet" in page_of(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    page = page_of(tmp_path)
    assert "cannot be read" in page and str(tmp_path) not in page


def test_of_a_run_too_large_to_show_the_page_says_what_it_leaves_out(tmp_path, monkeypatch):
    monkeypatch.setattr("lstmbench.show.tabulating.extract.MOST_CASES", 100)
    monkeypatch.setattr("lstmbench.show.tabulating.extract.SHOWN_CASES", 70)
    fill(tmp_path / "here", quick_rows())
    assert "here: Shown: the first 70 of 168 cases" in page_of(tmp_path)


def test_the_page_is_the_same_wherever_the_runs_lie(tmp_path):
    for name in ("a", "elsewhere"):
        with_samples(tmp_path / name / "here", quick_rows()[:9], taken(0, 3))
    first, second = page_of(tmp_path / "a"), page_of(tmp_path / "elsewhere")
    assert first == second and str(tmp_path) not in first


def test_what_draws_is_as_it_was_published_and_has_its_licence():
    folder = files("lstmbench.show.paging") / "page"
    charts = (folder / "plotly-basic.min.js").read_bytes()
    assert hashlib.sha256(charts).hexdigest() == PLOTLY
    assert b"</script" not in charts and b"<!--" not in charts  # it stands within an element of the page
    assert "MIT License" in (folder / "LICENSE-plotly.txt").read_text(encoding="utf-8")
