"""The page of all runs: one file that needs nothing else, whose data are those of the records, and
no text is code.
"""

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

from lstmbench import report
from lstmbench.report.labels import WORKLOAD
from lstmbench.report.page import plotly_figures, results_page
from lstmbench.report.tables.learning_curves import LearningCurve
from lstmbench.results.schema import BYTES, SAMPLE_COLUMNS, SECONDS, frame
from lstmbench.results.store import read_results

HOSTILE = '</script><script>alert(1)</script><!--<img src=x onerror="alert(2)">&lt; \' " \u2028'
# The digest of version 4.1.1, as published
PLOTLY = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"


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
    report.write_index(base)
    return (base / "index.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    match = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL
    )
    assert match
    return json.loads(match[1])


def cells(columns: list[dict[str, Any]], name: str, part: str = "values") -> list[Any]:
    """Return the values, or the texts, of a column, row by row."""
    return next(column for column in columns if column["name"] == name)[part]


def with_samples(folder: Path, rows: list[dict[str, Any]], samples: list[dict[str, Any]]) -> Path:
    fill(folder, rows)
    frame([row | sample for row in rows for sample in samples], SAMPLE_COLUMNS).to_parquet(
        folder / "samples.parquet"
    )
    return folder


def taken(process: int, count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"process": process, "round": k, "sample": 0, "seconds": 0.001 + k / 1e6, **more}
        for k in range(count)
    ]


def test_the_data_in_the_page_are_those_of_the_records_in_the_order_of_the_tables(tmp_path):
    fill(tmp_path / "here", trouble(quick_rows()))
    cases = data_of(page_of(tmp_path))["cases"]
    names = ["implementation", "status", "seq_len", "peer", "error", "time_median_s"]
    records = read_results(tmp_path / "here").astype(object)
    expected = records.assign(
        peer=records["peer"].map({True: "True", False: "False"}, na_action="ignore")
    )
    shown = pd.DataFrame(
        {
            name: pd.Series(cells(cases, name), dtype=object)
            for name in expected
            if name in columns(cases)
        }
    )
    order = ["mode", "input", "hidden_size", "seq_len", "device", "implementation"]
    for name in names:
        ordered = expected.sort_values(order)[name].tolist()
        assert shown.sort_values(order)[name].tolist() == [
            None
            if pd.isna(value)
            else pytest.approx(value, rel=1e-5)
            if name == "time_median_s"
            else value
            for value in ordered
        ]
    assert set(cells(cases, "run")) == {"here"}
    assert "peak_device_bytes" not in columns(cases)  # nowhere measured
    assert list(dict.fromkeys(cells(cases, "implementation")))[:2] == [
        "numpy.reference",
        "numpy.fused",
    ]
    assert cells(cases, "seq_len")[:8] == [16] * 7 + [64]


def columns(cases: list[dict[str, Any]]) -> set[str]:
    return {column["name"] for column in cases}


def test_nothing_is_loaded_from_elsewhere_and_the_page_forbids_it(written):
    elements = Elements((written.parent / "index.html").read_text(encoding="utf-8"))
    for tag, attributes in elements.found:
        assert "src" not in attributes and tag not in ("link", "iframe", "object", "base")
        assert not str(attributes.get("href", "")).startswith(("http", "/", "."))
    policy = next(
        attributes["content"] for _, attributes in elements.found if "http-equiv" in attributes
    )
    assert "default-src 'none'" in policy and "http" not in policy


def test_every_link_leads_to_a_file_beside_the_page(written):
    elements = Elements((written.parent / "index.html").read_text(encoding="utf-8"))
    hrefs = [str(attributes["href"]) for tag, attributes in elements.found if tag == "a"]
    links = [href for href in hrefs if not href.startswith("#")]
    assert "here/README.md" in links and "here/notebooks/03%20speed.ipynb" in links
    for link in links:
        assert (written.parent / link.replace("%20", " ")).is_file(), link


def sought(script: str) -> set[str]:
    """Return the ids of the elements that a script looks for."""
    return set(re.findall(r'byId\("([^"]+)"\)', script))


def test_every_element_that_a_script_looks_for_is_in_the_page(written):
    page = (written.parent / "index.html").read_text(encoding="utf-8")
    ids = {str(attributes["id"]) for _, attributes in Elements(page).found if "id" in attributes}
    script = Elements(page).scripts[-1][1]
    assert {"data", "filters", "details-title"} <= sought(script) <= ids
    for part in ("plots", "all", "csv", "common", "table", "more"):
        assert {f"cases-{part}", f"scores-{part}"} <= ids


def test_an_element_that_is_looked_for_and_missing_would_be_seen():
    assert sought('byId("a").hidden = byId("b-c").open') == {"a", "b-c"}


def test_text_of_a_record_is_no_markup_and_ends_no_script(tmp_path):
    row = quick_rows()[0]
    plain = fill(tmp_path / "plain" / "here", [row])
    rows = [
        row
        | {
            "implementation": HOSTILE,
            "status": "failed",
            "error": HOSTILE,
            "flags": HOSTILE,
            "input": HOSTILE,
        }
    ]
    fill(
        tmp_path / "foul" / "here",
        rows,
        suite={"name": HOSTILE},
        machine={"cpu": HOSTILE},
        python=HOSTILE,
    )
    foul, kind = page_of(tmp_path / "foul"), page_of(plain.parent)
    assert [tag for tag, _ in Elements(foul).found] == [tag for tag, _ in Elements(kind).found]
    assert len(Elements(foul).scripts) == len(Elements(kind).scripts) == 3
    assert cells(data_of(foul)["cases"], "error") == [HOSTILE]


def test_hostile_text_put_in_as_it_is_would_be_seen():
    tags = [
        tag
        for tag, _ in Elements(
            f'<script type="application/json">{json.dumps(HOSTILE)}</script>'
        ).found
    ]
    assert tags != ["script"]


def test_numbers_that_are_none_are_missing_and_the_data_stay_json(tmp_path):
    rows = quick_rows()[:2]
    rows[0]["time_high_s"] = float("inf")
    rows[1]["ratio"] = float("nan")
    fill(tmp_path / "here", rows)
    cases = data_of(page_of(tmp_path))["cases"]
    assert cells(cases, "time_high_s")[0] is None
    assert cells(cases, "ratio")[1] is None and cells(cases, "ratio", "texts")[1] == "–"


@pytest.mark.parametrize(
    ("cell", "units", "text"),
    [
        ((0.00123456, 0.0012, 0.0013), SECONDS, "1.23 [1.20, 1.30] ms"),
        ((0.00123456, 0.0012, None), SECONDS, "1.23 ms"),
        ((2.5e-6, None, None), SECONDS, "2.50 µs"),
        ((0, None, None), SECONDS, "0.00 s"),
        ((3 * 2**20, None, None), BYTES, "3.00 MiB"),
        ((1.5, 1.4, 1.6), {"ratio": 1.0}, "1.50 [1.40, 1.60]"),
        ((2.1e-8, None, None), {"relative L2": 1.0}, "2.10e-08"),
        ((1.85e11, None, None), {"": 1.0}, "1.85e+11"),
        ((1024, None, None), {"steps": 1.0}, "1024"),
        ((None, None, None), SECONDS, "–"),
    ],
)
def test_a_cell_is_a_number_in_the_unit_that_fits_with_its_interval(cell, units, text):
    assert results_page._text(units, *cell) == text


def test_a_caption_says_what_a_workload_is(tmp_path):
    fill(tmp_path / "here", quick_rows())
    cases = data_of(page_of(tmp_path))["cases"]
    assert {column["name"] for column in cases if column["is_group"]} == {"run", *WORKLOAD}
    assert set(cells(cases, "hidden_size", "texts")) == {"H = 64", "H = 256"}
    assert (
        cells(cases, "device", "texts")[0] == "CPU"
        and cells(cases, "threads", "texts")[0] == "1 thread"
    )


def test_what_can_be_chosen_is_in_the_order_of_the_tables(written):
    page = (written.parent / "index.html").read_text(encoding="utf-8")
    boxes = [
        attributes
        for tag, attributes in Elements(page).found
        if attributes.get("type") == "checkbox"
    ]
    texts = [box["value"] for box in boxes if box.get("name") == "seq_len"]
    assert texts == ["T = 16", "T = 64", "T = 256", "T = 1024"]
    assert [box["value"] for box in boxes if box.get("name") == "mode"] == ["inference", "training"]
    assert not [box for box in boxes if box.get("name") == "dtype"]  # the same everywhere
    options = [
        str(attributes["value"])
        for tag, attributes in Elements(page).found
        if tag == "option" and attributes
    ]
    assert options[:3] == ["auto", "time_median_s", "ratio"] and "first_call_s" in options
    assert options[-6:][0] == "seq_len" and options[-1] == "threads"


def test_raw_samples_belong_to_their_case_and_disturbed_ones_are_marked(tmp_path):
    rows = quick_rows()[:3]
    samples = [*taken(0, 3, disturbed=False), *taken(4, 2, disturbed=True)]
    with_samples(tmp_path / "here", rows, samples)
    samples_of = data_of(page_of(tmp_path))["samples"]
    assert samples_of["1"] == {
        "extent": "All 5 samples",
        "processes": [
            {"process": 0, "seconds": [0.001, 0.001001, 0.001002], "disturbed": []}
            | {"summary": ["0", "3", "0", "1.00 ms", "1.00 ms", "1.00 ms"]},
            {"process": 4, "seconds": [0.001, 0.001001], "disturbed": [0, 1]}
            | {"summary": ["4", "2", "2", "1.00 ms", "1.00 ms", "1.00 ms"]},
        ],
    }
    assert set(samples_of) == {"0", "1", "2"}


def seconds(samples: dict[str, Any]) -> list[float]:
    return [time for process in samples["processes"] for time in process["seconds"]]


def test_samples_of_two_runs_are_not_mixed(tmp_path):
    for name, count in (("one", 2), ("two", 3)):
        with_samples(tmp_path / name, quick_rows()[:1], taken(0, count))
    data = data_of(page_of(tmp_path))
    runs = cells(data["cases"], "run")
    assert {run: len(seconds(data["samples"][str(k)])) for k, run in enumerate(runs)} == {
        "one": 2,
        "two": 3,
    }


@pytest.mark.parametrize(("of_a_case", "in_all"), [(4, 100), (100, 8)])
def test_of_many_samples_an_even_part_is_kept_and_their_number_said(
    tmp_path, monkeypatch, of_a_case, in_all
):
    monkeypatch.setattr(results_page, "MAX_SAMPLES_PER_CASE", of_a_case)
    monkeypatch.setattr(results_page, "MAX_SAMPLES", in_all)
    with_samples(tmp_path / "here", quick_rows()[:2], taken(0, 12))
    samples_of = data_of(page_of(tmp_path))["samples"]
    for samples in samples_of.values():
        assert samples["extent"] == "4 of 12, evenly chosen, samples"
        assert seconds(samples) == [0.001, 0.001003, 0.001006, 0.001009]


def test_training_runs_are_rows_of_scores_and_no_cases(tmp_path):
    case = {
        key: quick_rows()[0][key]
        for key in ("implementation", "backend", "device", "dtype", "threads")
    }
    training = case | {
        "task": "adding",
        "cell": "lstm",
        "seed": 0,
        "metric": "error",
        "score": 0.25,
        "status": "ok",
    }
    fill(
        tmp_path / "lessons",
        [training, training | {"seed": 1, "score": None, "status": "failed", "error": HOSTILE}],
    )
    data = data_of(page_of(tmp_path))
    assert data["cases"] == []
    assert cells(data["scores"], "score") == [0.25, None]
    fill(tmp_path / "quick", quick_rows())
    data = data_of(page_of(tmp_path))
    assert len(cells(data["cases"], "mode")) == 168
    assert cells(data["scores"], "task") == ["adding", "adding"]


def test_the_page_holds_learning_curves_of_which_no_text_is_markup(tmp_path):
    fill_lessons(tmp_path / "taught", "adding", HOSTILE)
    page = page_of(tmp_path)
    adding, foul = data_of(page)["learning_curves"]
    mean, _, band, _, star = adding["traces"]
    assert mean["x"] == [10, 20, 30] and mean["y"] == [1.5, 1.0, 0.8333]
    assert mean["text"][0] == "torch.fused\n10 updates\nerror: 1.5 (1 to 2, 2 seeds)"
    assert band["x"] == [10, 20, 30, 30, 20, 10] and band["y"] == [
        2.0,
        1.5,
        1.333,
        0.3333,
        0.5,
        1.0,
    ]
    assert star["y"] == [0.25] and star["text"][0].startswith("LSTM on the test data: 0.25 [")
    assert [line["label"]["text"] for line in adding["layout"]["shapes"]] == ["naive"]
    assert adding["layout"]["shapes"][0]["y0"] == 0.5 and adding["caption"] == "adding, taught"
    assert foul["caption"] == f"{HOSTILE}, taught" and len(Elements(page).scripts) == 3
    assert [trace.get("name") for trace in adding["traces"] if trace.get("showlegend", True)] == [
        "torch.fused",
        "jax.fused",
        "on the test data",
    ]


def test_what_plotly_reads_as_markup_is_escaped(tmp_path):
    fill_lessons(tmp_path / "taught", "adding")
    panel = data_of(page_of(tmp_path))["learning_curves"][0]
    assert panel["layout"]["yaxis"]["title"]["text"] == "error"
    assert plotly_figures._titled("<b>")["title"]["text"] == "&lt;b&gt;"
    assert plotly_figures._baseline("<b>", 0.5)["label"]["text"] == "&lt;b&gt;"


def test_of_many_epochs_an_even_part_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(plotly_figures, "MAX_EPOCHS", 2)
    fill_lessons(tmp_path / "taught", "adding")
    assert data_of(page_of(tmp_path))["learning_curves"][0]["traces"][0]["x"] == [10, 30]


@pytest.mark.parametrize(("log", "near", "far"), [(False, 3.0, 5.0), (True, 5.0, 25.0)])
def test_a_baseline_far_off_is_left_out(log, near, far):
    baselines = {"near": near, "far": far}
    curve = LearningCurve("adding", "adding", "error", log, [], None, baselines)
    assert curve.near_baselines(1.0, 2.0) == {"near": near}


def test_a_folder_without_runs_and_a_run_that_cannot_be_read_have_a_page(tmp_path):
    assert "There are no runs yet" in page_of(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    page = page_of(tmp_path)
    assert "cannot be read" in page and str(tmp_path) not in page


def test_of_a_run_too_large_to_show_the_page_says_what_it_leaves_out(tmp_path, monkeypatch):
    monkeypatch.setattr("lstmbench.report.tables.shown_records.MAX_SHOWN_WHOLE", 100)
    monkeypatch.setattr("lstmbench.report.tables.shown_records.SHOWN_CASES", 70)
    fill(tmp_path / "here", quick_rows())
    assert "here: Shown: the first 70 of 168 cases" in page_of(tmp_path)


def test_the_page_is_the_same_wherever_the_runs_lie(tmp_path):
    for name in ("a", "elsewhere"):
        with_samples(tmp_path / name / "here", quick_rows()[:9], taken(0, 3))
    first, second = page_of(tmp_path / "a"), page_of(tmp_path / "elsewhere")
    assert first == second and str(tmp_path) not in first


def test_plotly_is_as_it_was_published_and_has_its_licence():
    folder = files("lstmbench.report.page") / "static"
    plotly = (folder / "plotly-basic.min.js").read_bytes()
    assert hashlib.sha256(plotly).hexdigest() == PLOTLY
    assert (
        b"</script" not in plotly and b"<!--" not in plotly
    )  # it stands within an element of the page
    assert "MIT License" in (folder / "LICENSE-plotly.txt").read_text(encoding="utf-8")
