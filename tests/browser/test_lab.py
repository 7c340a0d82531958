"""The notebooks in a real JupyterLab: opened from the browser, run by its menu, and looked at when they have ended."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
START_MS, RUN_MS = 180_000, 1_800_000
MODEL = "jupyterapp.shell.currentWidget.context.model.toJSON()"
ENDED = f"""() => {{
  const panel = jupyterapp.shell.currentWidget;
  const ran = {MODEL}.cells.filter((cell) => cell.cell_type === "code" && String(cell.source).trim());
  const failed = ran.some((cell) => cell.outputs.some((output) => output.output_type === "error"));
  const idle = panel.sessionContext.session?.kernel?.status === "idle";
  return idle && (failed || ran.every((cell) => cell.execution_count));
}}"""


class Lab(NamedTuple):
    """A JupyterLab that runs."""

    address: str
    token: str

    def url(self, path: str) -> str:
        return f"{self.address}/{path}?token={self.token}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on loopback, over a copy of the notebooks, for it saves what it runs; settings are its own."""
    pytest.importorskip("jupyterlab")
    home, settings = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("settings")
    shutil.copytree(ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".*"))
    shutil.copytree(ROOT / "results", home / "results")
    shutil.copy(ROOT / "README.md", home)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    options = [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0", "--no-browser"]
    options += ["--allow-root", "--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={home}"]
    environment = {name: value for name, value in os.environ.items() if name not in ("MPLBACKEND", "JUPYTER_PATH")}
    environment |= {name: str(settings / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    environment |= {name: str(settings / name.lower()) for name in ("JUPYTERLAB_SETTINGS_DIR", "IPYTHONDIR")}
    environment |= {"JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"), "JUPYTER_TOKEN": token}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "jupyter", "lab", *options]
    with open(settings / "log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        lab = Lab(f"http://127.0.0.1:{port}", token)
        wait_for(lab, server, settings / "log")
        yield lab
    finally:
        server.terminate()
        server.wait(60)


def wait_for(lab: Lab, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once it answers; fail with what it said if it ends before."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(lab.url("api/status"), timeout=5):
                return
        except OSError:
            pass
    pytest.fail(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        every = metafunc.config.getoption("every_notebook", default=False)
        metafunc.parametrize("name", NOTEBOOKS if every else NOTEBOOKS[:2])


def open_notebook(page: Any, lab: Lab, name: str) -> None:
    page.set_default_timeout(START_MS)
    page.goto(lab.url(f"lab/tree/notebooks/{name}.ipynb"))
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    page.wait_for_function("() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")


def run_all(page: Any) -> list[dict[str, Any]]:
    """Choose Run, Run All Cells; return the cells when all have run, or one has failed."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(ENDED, timeout=RUN_MS, polling=500)
    return json.loads(page.evaluate(f"JSON.stringify({MODEL})"))["cells"]


def outputs(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [output for cell in cells for output in cell.get("outputs", [])]


def drawn(cells: list[dict[str, Any]]) -> int:
    return sum(any(kind.startswith("image/") for kind in output.get("data", {})) for output in outputs(cells))


def links(cells: list[dict[str, Any]]) -> list[str]:
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith(("http", "attachment"))]


def test_a_notebook_runs_from_top_to_bottom_and_draws(page: Any, lab: Lab, name: str, pictures: Path) -> None:
    open_notebook(page, lab, name)
    page.screenshot(path=pictures / f"{name}-opened.png")
    cells = run_all(page)
    page.screenshot(path=pictures / f"{name}-run.png")
    failures = [f"{o['ename']}: {o['evalue']}" for o in outputs(cells) if o["output_type"] == "error"]
    assert failures == []
    if name == NOTEBOOKS[0]:  # it shows tables
        assert any("text/html" in output.get("data", {}) for output in outputs(cells))
        return
    assert drawn(cells) > 0
    picture = page.locator(".jp-NotebookPanel .jp-OutputArea-output :is(img, svg)").first
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("picture => picture.tagName === 'IMG' ? picture.naturalWidth : picture.clientWidth") > 100
    page.screenshot(path=pictures / f"{name}-figure.png")


def test_every_link_of_the_index_leads_to_a_file_and_one_is_followed(page: Any, lab: Lab) -> None:
    open_notebook(page, lab, NOTEBOOKS[0])
    found = links(json.loads(page.evaluate(f"JSON.stringify({MODEL})"))["cells"])
    assert {f"{name}.ipynb" for name in NOTEBOOKS[1:]} <= set(found)
    for link in found:
        answer = page.request.get(lab.url(f"api/contents/{quote(os.path.normpath(f'notebooks/{link}'))}"))
        assert answer.ok, link
    page.locator(".jp-NotebookPanel").get_by_role("link", name=NOTEBOOKS[1]).first.click()
    page.wait_for_function(
        "name => jupyterapp.shell.currentWidget?.context?.path === name", arg=f"notebooks/{found[0]}"
    )


def test_who_has_no_token_gets_nothing(page: Any, lab: Lab) -> None:
    assert page.request.get(f"{lab.address}/api/contents").status == 403
