"""Headless Chromium, driven by Playwright; these tests belong to `nox -s browser`."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PICTURES = pytest.StashKey[Path]()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser."""
    api = pytest.importorskip("playwright.sync_api")
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        pytest.skip("there is no Chromium here: `apt-get install chromium` brings it")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(pytestconfig: pytest.Config) -> Path:
    """Where screenshots are kept; it is named at the end."""
    pytestconfig.stash[PICTURES] = folder = Path(tempfile.mkdtemp(prefix="lstmbench-browser-"))
    return folder


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if PICTURES in config.stash:
        terminalreporter.write_line(f"screenshots are in {config.stash[PICTURES]}")


@pytest.fixture
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An empty page of the browser; what goes wrong in its scripts fails the test."""
    page = chromium.new_page(
        viewport={"width": 1280, "height": 900}, color_scheme="light", accept_downloads=True
    )
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []
