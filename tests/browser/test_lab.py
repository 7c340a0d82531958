"""The notebooks in a real JupyterLab: opened from the browser, run by its menu, and looked at when
they have ended.
"""

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

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
START_MS, RUN_MS = 180_000, 1_800_000
PANEL = "window.jupyterapp?.shell.currentWidget"
OPENED = f"""path => {{
  const panel = {PANEL};
  return panel?.context?.path === path && panel.sessionContext.session?.kernel?.status === "idle";
}}"""
# A dialog ends it too: JupyterLab opens one where the kernel dies, and nothing runs on behind it.
ENDED = f"""() => {{
  const cells = {PANEL}.context.model.toJSON().cells;
  const ran = cells.filter((cell) => cell.cell_type === "code" && cell.source.length);
  const failed = ran.some((cell) => cell.outputs.some((output) => output.output_type === "error"));
  const idle = {PANEL}.sessionContext.session?.kernel?.status === "idle";
  const done = failed || ran.every((cell) => cell.execution_count);
  return document.querySelector(".jp-Dialog") || (idle && done);
}}"""
QUIET = '{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}'
BROKEN = {"fails": "1 / 0", "dies": "import os; os._exit(1)"}


class Lab(NamedTuple):
    """A JupyterLab that runs."""

    address: str
    token: str

    def url(self, path: str) -> str:
        return f"{self.address}/{path}?token={self.token}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on loopback, over a copy of the notebooks, for it saves what it runs; settings are
    its own.
    """
    pytest.importorskip("jupyterlab")
    home, settings = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("settings")
    shutil.copytree(ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".*"))
    shutil.copytree(ROOT / "results", home / "results")
    for name, source in BROKEN.items():
        save(home / "notebooks" / f"{name}.ipynb", ["1", source, "2"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    notices = settings / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
    notices.mkdir(parents=True)
    (notices / "notification.jupyterlab-settings").write_text(QUIET)  # it asks nobody for news
    options = [
        f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        "--no-browser",
    ]
    options += [
        "--allow-root",
        "--LabApp.expose_app_in_browser=True",
        f"--ServerApp.root_dir={home}",
    ]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MPLBACKEND", "JUPYTER_PATH")
    }
    environment |= {
        name: str(settings / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    }
    environment |= {
        name: str(settings / name.lower()) for name in ("JUPYTERLAB_SETTINGS_DIR", "IPYTHONDIR")
    }
    environment |= {
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
        "JUPYTER_TOKEN": token,
    }
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
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


def save(path: Path, sources: list[str]) -> None:
    """Write a notebook of these code cells."""
    import nbformat

    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    python = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=python), path)


@pytest.fixture
def desk(page: Any, lab: Lab) -> Iterator[Any]:
    """A page on which notebooks are opened; the kernels that they started are ended."""
    page.set_default_timeout(START_MS)
    yield page
    page.goto("about:blank")  # nobody is left who would start a kernel again
    for session in page.request.get(lab.url("api/sessions")).json():
        page.request.delete(lab.url(f"api/sessions/{session['id']}"))


def open_notebook(page: Any, lab: Lab, name: str) -> None:
    """Open it in a workspace of its own: that of another would come back with the notebooks that
    were open there.
    """
    path = f"notebooks/{name}.ipynb"
    page.goto(lab.url(f"lab/workspaces/{name}-{secrets.token_hex(4)}/tree/{path}"))
    page.wait_for_function(OPENED, arg=path)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")


def cells_of(page: Any) -> list[dict[str, Any]]:
    return json.loads(page.evaluate(f"JSON.stringify({PANEL}.context.model.toJSON())"))["cells"]


def run_all(page: Any) -> list[dict[str, Any]]:
    """Choose Run, Run All Cells; return the cells when all have run, one has failed or a dialog has
    opened.
    """
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(ENDED, timeout=RUN_MS, polling=500)
    return cells_of(page)


def outputs(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [output for cell in cells for output in cell.get("outputs", [])]


def failures(cells: list[dict[str, Any]]) -> list[str]:
    """What cells raised, and which code did not run."""
    raised = [f"{o['ename']}: {o['evalue']}" for o in outputs(cells) if o["output_type"] == "error"]
    code = [cell for cell in cells if cell["cell_type"] == "code" and cell["source"]]
    return raised + [
        f"not run: {''.join(cell['source'])}" for cell in code if not cell["execution_count"]
    ]


def draws(cell: dict[str, Any]) -> bool:
    return any(
        kind.startswith("image/") for output in outputs([cell]) for kind in output.get("data", {})
    )


def links(cells: list[dict[str, Any]]) -> list[str]:
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [
        link
        for link in re.findall(r"\]\(([^)#]+)", text)
        if not link.startswith(("http", "attachment"))
    ]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom_and_draws(
    desk: Any, lab: Lab, name: str, pictures: Path
) -> None:
    open_notebook(desk, lab, name)
    desk.screenshot(path=pictures / f"{name}-opened.png")
    cells = run_all(desk)
    desk.screenshot(path=pictures / f"{name}-run.png")
    assert failures(cells) == []
    if name == NOTEBOOKS[0]:  # it shows tables
        assert any("text/html" in output.get("data", {}) for output in outputs(cells))
        return
    figures = [place for place, cell in enumerate(cells) if draws(cell)]
    assert figures
    for place in figures:  # a cell is in the page only while it is near to what is seen
        desk.evaluate(f"place => {PANEL}.content.scrollToItem(place, 'start')", place)
        cell = desk.locator(f'.jp-NotebookPanel .jp-Cell[data-windowed-list-index="{place}"]')
        for picture in cell.locator(".jp-OutputArea-output :is(img, svg)").all():
            assert (
                picture.evaluate("async e => (await e.decode?.(), e.naturalWidth ?? e.clientWidth)")
                > 100
            )
        desk.screenshot(path=pictures / f"{name}-figure-{place}.png")


@pytest.mark.parametrize("name", BROKEN)
def test_a_cell_that_fails_and_a_kernel_that_dies_are_found(desk: Any, lab: Lab, name: str) -> None:
    open_notebook(desk, lab, name)
    found = failures(run_all(desk))
    assert "not run: 2" in found
    assert ("ZeroDivisionError: division by zero" in found) == (name == "fails")


def test_every_link_of_the_index_opens_its_notebook(desk: Any, lab: Lab, pictures: Path) -> None:
    open_notebook(desk, lab, NOTEBOOKS[0])
    found = sorted(set(links(cells_of(desk))))
    assert found == [f"{name}.ipynb" for name in NOTEBOOKS[1:]]
    index = desk.locator(".jp-NotebookPanel").first
    for link in found:
        index.get_by_role("link", name=link.removesuffix(".ipynb"), exact=True).first.click()
        desk.wait_for_function(OPENED, arg=f"notebooks/{link}")
        desk.locator(".lm-DockPanel-tabBar").get_by_text(
            f"{NOTEBOOKS[0]}.ipynb", exact=True
        ).click()
    desk.screenshot(path=pictures / f"{NOTEBOOKS[0]}-links.png")


def test_who_has_no_token_gets_nothing(page: Any, lab: Lab) -> None:
    assert page.request.get(f"{lab.address}/api/contents").status == 403
