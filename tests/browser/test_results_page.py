"""The page of all runs, opened from disk as a reader would: sorted, filtered, drawn, clicked, by
mouse and keyboard.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up import fill, fill_lessons, quick_rows, trouble

from lstmbench import report
from lstmbench.results.store import Store

pytestmark = pytest.mark.browser

HOSTILE = (
    '</script><script>window.owned = true</script><img src=x onerror="window.owned = true"><b>x'
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run with trouble and raw samples in it, one of whose implementations has a
    hostile name.
    """
    base = tmp_path_factory.mktemp("results")
    rows = trouble(quick_rows())
    for row in rows:
        if row["implementation"] == "jax.fused":
            row["implementation"] = HOSTILE
    fill(base / "here", rows, suite={"name": HOSTILE}, machine={"cpu": HOSTILE})
    samples = [
        row
        | {
            "process": process,
            "round": k,
            "sample": 0,
            "disturbed": k == 2,
            "calls": 1,
            "seconds": 0.001 * (k + 1),
        }
        for row in rows
        if row["status"] == "ok"
        for process in range(2)
        for k in range(5)
    ]
    store = Store(base / "here")
    store.append("all", rows, samples)
    (base / "here" / "records.parquet").unlink()
    (base / "here" / "samples.parquet").unlink()
    store.finish()
    report.write(base / "here")
    fill_lessons(base / "taught", "adding", HOSTILE)
    report.write_index(base)
    return (base / "index.html").as_uri()


@pytest.fixture
def opened(page: Any, address: str) -> Iterator[Any]:
    """The page, opened; it must ask for no other file."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#cases-plots .point")
    yield page
    assert {url.partition("#")[0] for url in asked if not url.startswith(("blob:", "data:"))} == {
        address
    }
    assert page.evaluate("window.owned") is None


def column(page: Any, name: str) -> list[str]:
    place = page.evaluate(
        "name => [...document.querySelectorAll('#cases-table thead th')]"
        ".findIndex(e => e.title === name)",
        name,
    )
    return page.locator(f"#cases-table tbody tr > :nth-child({place + 1})").all_inner_texts()


def head(page: Any, name: str) -> Any:
    return page.locator(f'#cases-table th[title="{name}"]')


def times(page: Any) -> list[float]:
    texts = [text for text in column(page, "time_median_s") if text != "–"]
    units = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}
    return [float(text.split()[0]) * units[text.split()[-1]] for text in texts]


def test_every_case_is_in_the_table_and_foreign_text_stays_text(
    opened: Any, pictures: Path
) -> None:
    assert opened.locator("#count").inner_text() == "175 of 175 cases"
    assert HOSTILE in column(opened, "implementation")
    assert HOSTILE in opened.locator('[aria-label="Table of runs"]').inner_text()
    opened.screenshot(path=pictures / "results-light.png", full_page=True)


def test_rows_are_sorted_by_mouse_and_by_keyboard(opened: Any) -> None:
    head(opened, "time_median_s").locator("button").click()
    assert times(opened) == sorted(times(opened))
    assert head(opened, "time_median_s").get_attribute("aria-sort") == "ascending"
    opened.keyboard.press("Enter")  # the focus is still on the head
    assert times(opened) == sorted(times(opened), reverse=True)
    assert head(opened, "time_median_s").get_attribute("aria-sort") == "descending"
    assert column(opened, "time_median_s")[-1] == "–"  # what has no time comes last, whichever way


def test_a_filter_leaves_its_rows_and_the_address_keeps_it(opened: Any) -> None:
    opened.get_by_label("training", exact=True).check()
    opened.get_by_label("torch.nn", exact=True).focus()
    opened.keyboard.press("Space")
    assert set(column(opened, "implementation")) == {"torch.nn"}
    assert "training" in opened.locator("#cases-common").inner_text()
    count = opened.locator("#count").inner_text()
    opened.reload()
    opened.wait_for_selector("#cases-plots .point")
    assert opened.locator("#count").inner_text() == count
    opened.get_by_label("Rows that hold").fill("no such words")
    assert opened.locator("#count").inner_text() == "0 of 175 cases"
    assert opened.locator("#undrawn").inner_text() == "No case is chosen."
    opened.get_by_role("button", name="Show all", exact=True).click()
    assert opened.locator("#count").inner_text() == "175 of 175 cases"


def test_the_quantity_and_the_axis_are_chosen(opened: Any) -> None:
    opened.locator("#axes [name=y]").select_option("ratio")
    opened.locator("#axes [name=x]").select_option("hidden_size")
    opened.wait_for_selector("#cases-plots .point")
    assert opened.locator("#cases-plots .ytitle").first.text_content() == "time ratio"
    assert opened.locator("#cases-plots .xtitle").first.text_content() == "hidden size H"


def test_hovering_shows_interval_and_samples(opened: Any, pictures: Path) -> None:
    opened.locator("#cases-plots .point").first.hover(force=True)
    opened.wait_for_selector("#cases-plots .hovertext")
    text = opened.locator("#cases-plots .hovertext").text_content()
    assert "[" in text and "samples 90" in text and "processes 3" in text
    opened.screenshot(path=pictures / "results-hover.png")


def test_a_click_on_a_point_shows_its_raw_samples(opened: Any, pictures: Path) -> None:
    place = opened.locator("#cases-plots .point").nth(5)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.wait_for_selector("#cases-plots .hovertext")
    opened.mouse.down()
    opened.mouse.up()
    opened.wait_for_selector("#samples-plot .point")
    assert opened.locator("#samples-plot .point").count() == 10
    assert "All 10 samples" in opened.locator("#details").inner_text()
    opened.wait_for_timeout(300)
    opened.screenshot(path=pictures / "results-samples.png")
    opened.keyboard.press("Escape")
    assert not opened.locator("#details").is_visible()


def test_points_and_samples_are_reached_by_keyboard_alone(opened: Any) -> None:
    for _ in range(80):
        opened.keyboard.press("Tab")
        if opened.evaluate("document.activeElement.className").startswith("plot"):
            break
    opened.keyboard.press("ArrowRight")
    first = opened.locator("#spoken").text_content()
    opened.keyboard.press("ArrowRight")
    assert "samples" in first and opened.locator("#spoken").text_content() != first
    opened.keyboard.press("Enter")
    opened.wait_for_selector("#samples-plot .point")
    assert opened.locator("#details").is_visible()


def test_learning_curves_are_drawn_hovered_and_walked(opened: Any, pictures: Path) -> None:
    plots = opened.locator("#scores-plots .plot")
    assert plots.count() == 2
    assert opened.locator("#scores-plots figcaption").all_inner_texts() == [
        "adding, taught",
        f"{HOSTILE}, taught",
    ]
    names = plots.first.locator(".legendtext").all_text_contents()
    assert names == ["torch.fused", "jax.fused", "on the test data"]
    assert plots.first.locator(".shape-label").text_content() == "naive"
    plots.first.focus()
    for spoken in (
        "torch.fused, 10 updates, error: 1.5 (1 to 2, 2 seeds)",
        "torch.fused, 20 updates",
    ):
        opened.keyboard.press("ArrowRight")
        assert spoken in opened.locator("#spoken").text_content()
    opened.wait_for_selector("#scores-plots .hovertext")
    opened.locator("#scores").screenshot(path=pictures / "results-learning.png")


def test_the_filtered_rows_are_downloaded(opened: Any) -> None:
    opened.get_by_label("torch.nn", exact=True).check()
    with opened.expect_download() as download:
        opened.locator("#cases-csv").click()
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 25
    assert {row["implementation"] for row in rows} == {"torch.nn"}
    assert all(float(row["time_median_s"]) > 0 for row in rows if row["status"] == "ok")


def test_it_is_dark_where_the_system_is_and_where_it_is_chosen(opened: Any, pictures: Path) -> None:
    def ground() -> str:
        return opened.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    opened.emulate_media(color_scheme="dark")
    dark = ground()
    assert dark != light
    opened.get_by_label("Colours").select_option("light")
    assert ground() == light
    opened.emulate_media(color_scheme="light")
    opened.get_by_label("Colours").select_option("dark")
    assert ground() == dark
    opened.screenshot(path=pictures / "results-dark.png", full_page=True)
    opened.get_by_label("Colours").select_option("auto")


def test_a_narrow_screen_is_not_scrolled_sideways(opened: Any, pictures: Path) -> None:
    opened.set_viewport_size({"width": 400, "height": 800})
    opened.wait_for_timeout(500)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 400
    opened.screenshot(path=pictures / "results-narrow.png", full_page=True)
