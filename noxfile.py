"""The project's tasks. `nox -l` lists them; `nox -s NAME -- ARGUMENTS` runs one.

Each session has its own environment under .nox/, with the exact versions of constraints.txt. It is
installed again only if pyproject.toml, constraints.txt or the Python version has changed.
"""

import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "typecheck", "tests"]

HERE = Path(__file__).parent
RESULTS = Path("results")
NOTEBOOKS = sorted(path.stem for path in (HERE / "notebooks").glob("[0-9]*.ipynb"))
# These notebooks time something themselves, so they never run next to others.
TIMING = ["05_trust"]
# These notebooks show training runs, the others runs of workloads.
TRAINING = [name for name in NOTEBOOKS if name >= "07"]
OURS = ["peers", "numba"]
# The extras that a suite needs besides torch, jax and notebooks, by the first word of its name.
EXTRAS = {"peers": ["peers"], "frontier": OURS, "ours": OURS, "learning": ["learning"]}
# JUPYTER_PATH may lead to kernels of another environment; MPLBACKEND=Agg drops figures.
CLEAN = {"JUPYTER_PATH": None, "MPLBACKEND": None}
# uv does not read pip's settings, so they are passed on under uv's names.
FOR_UV = {
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
}
# The exit codes of `lstmbench run`. nox's own environment does not have the package, so the module
# is run by its path.
EXIT_CODES = runpy.run_path(str(HERE / "lstmbench" / "exit_codes.py"))
RUN_MEANINGS = EXIT_CODES["RUN_MEANINGS"]
NOTHING_MEASURED, NOT_POSSIBLE = EXIT_CODES["NOTHING_MEASURED"], EXIT_CODES["NOT_POSSIBLE"]
# What nbstripout removes besides outputs. Cell ids stay, so that diffs show only edits.
STRIP = (
    "--keep-id",
    "--extra-keys",
    "metadata.papermill cell.metadata.papermill metadata.language_info.version",
)


def pip_install(session: nox.Session, *what: str, pinned: bool = True) -> None:
    """Install with pip or uv, the pinned versions or the newest within the ranges."""
    env = {}
    if session.venv_backend == "uv":
        names = FOR_UV.items()
        env = {uv: os.environ[pip] for pip, uv in names if pip in os.environ}
        env = {name: value for name, value in env.items() if name not in os.environ}
        if "UV_FIND_LINKS" in env:
            env["UV_FIND_LINKS"] = ",".join(env["UV_FIND_LINKS"].split())
        if "UV_INDEX" in env:  # pip takes the best version of any index
            env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    session.install(*(["-c", "constraints.txt"] if pinned else ["--upgrade"]), *what, env=env)


def install(session: nox.Session, *extras: str) -> None:
    """Install the package with these extras, pinned, unless the environment is up to date."""
    if session.python is None and not (3, 11) <= sys.version_info[:2] < (3, 14):
        session.error(
            f"lstmbench needs Python 3.11, 3.12 or 3.13, but nox runs on {sys.version.split()[0]}"
        )
    pins = (HERE / "constraints.txt").read_bytes()
    content = (HERE / "pyproject.toml").read_bytes() + pins + repr((extras, HERE)).encode()
    wanted = hashlib.sha256(content).hexdigest()
    stamp = Path(session.virtualenv.location) / "lstmbench-installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        session.log("the environment is up to date")
        return
    pip_install(session, "-e", f".[{','.join(extras)}]" if extras else ".")
    stamp.write_text(wanted)


def execute(
    session: nox.Session, folder: Path, names: list[str], *arguments: str, parallel: int = 1
) -> None:
    """Execute notebooks, and write the copies into a folder."""

    def execute_one(name: str) -> None:
        copy = folder / f"{name}.ipynb"
        session.run("lstmbench", "notebook", name, "--out", str(copy), *arguments, env=CLEAN)

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(execute_one, (name for name in names if name not in TIMING)))
    for name in TIMING:
        if name in names:
            execute_one(name)


TESTED_WITH = (
    "torch", "jax", "numba", "triton", "learning", "formats", "dask", "peers", "notebooks",
    "test", "lint",
)  # fmt: skip


def run_tests(session: nox.Session) -> None:
    """Run the tests on two processes, unless the arguments after -- say otherwise."""
    chosen = ["-n", "2"] if set(session.posargs) <= {"--all"} else []
    session.run("pytest", *chosen, *session.posargs, env=CLEAN)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the default set of tests, or all with -- --all; other arguments after -- go to pytest."""
    install(session, *TESTED_WITH)
    run_tests(session)


@nox.session(python=["3.11", "3.12", "3.13"])
@nox.parametrize("versions", ["pinned", "newest"])
def tests_on(session: nox.Session, versions: str) -> None:
    """Run the tests on one Python, with the pinned versions or the newest within the ranges.

    Example: nox -s "tests_on-3.12(versions='pinned')" -- --all
    """
    if versions == "pinned":
        install(session, *TESTED_WITH)
    else:
        pip_install(session, "-e", f".[{','.join(TESTED_WITH)}]", pinned=False)
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and that notebooks hold no outputs; -- --fix corrects them."""
    pip_install(session, "check-jsonschema", "nbstripout", "ruff", "zizmor")
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")
    workflows = map(str, Path(".github/workflows").glob("*.yml"))
    schema = ("check-jsonschema", "--builtin-schema")
    session.run(*schema, "vendor.github-workflows", *workflows)
    session.run(*schema, "vendor.github-actions", "action.yml")
    session.run("zizmor", "--offline", "--quiet", ".")
    notebooks = [f"notebooks/{name}.ipynb" for name in NOTEBOOKS]
    if notebooks:
        session.run("nbstripout", *([] if fix else ["--verify"]), *STRIP, *notebooks)


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the types with mypy."""
    install(session, "types")
    session.run("mypy", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure a suite and render it; -- --suite smoke --compare BASE.

    The exit code is that of `lstmbench compare` if it is not 0, else that of `lstmbench run`.
    """
    parser = ArgumentParser(prog="nox -s bench --", description=bench.__doc__)
    parser.add_argument("--suite", default="quick", help="name or YAML file (default: quick)")
    parser.add_argument("--out", type=Path, help="the run's folder (default: results/TIME-SUITE)")
    parser.add_argument("--compare", type=Path, metavar="BASE", help="compare with this run")
    options = parser.parse_args(session.posargs)
    if options.compare and not (options.compare / "manifest.json").is_file():
        session.error(f"{options.compare} is not a run's folder: it has no manifest.json")
    now = datetime.now(UTC)
    out = options.out or RESULTS / f"{now:%Y%m%dT%H%M%SZ}-{Path(options.suite).stem}"
    extras = EXTRAS.get(options.suite.partition("_")[0], [])
    install(session, "torch", "jax", "notebooks", *extras)
    status = run_lstmbench(session, "run", options.suite, "--out", out)
    if status:
        meaning = RUN_MEANINGS.get(status, f"it ended with {status}")
        session.log(f"lstmbench run: {meaning}; see above, and the records")
    manifest: dict[str, Any] = {}
    if (out / "manifest.json").is_file():
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    # What was measured is shown also after a failure, unless it is nothing.
    if not manifest.get("complete") or status == NOTHING_MEASURED:
        sys.exit(status or NOT_POSSIBLE)
    render(session, out, is_training="tasks" in manifest["suite"])
    if options.compare:
        comparison = out / "comparison.md"
        code = run_lstmbench(session, "compare", options.compare, out, "--out", comparison)
        session.log(f"compared with {options.compare}: {comparison}")
        status = code or status
    if status:
        sys.exit(status)


def run_lstmbench(session: nox.Session, *arguments: str | Path) -> int:
    """Run a verb, and return its exit code; session.run would end with 1 for every failure."""
    path = os.pathsep.join([session.bin, os.environ.get("PATH", os.defpath)])
    command = [Path(session.bin) / "lstmbench", *arguments]
    return subprocess.run(command, check=False, env=os.environ | {"PATH": path}).returncode


def render(session: nox.Session, out: Path, is_training: bool) -> None:
    """Execute the notebooks with a run's records, and render its tables, figures and page."""
    names = TRAINING if is_training else [name for name in NOTEBOOKS if name not in TRAINING]
    # A relative path, so that the copies name no folder of this machine. Given results, the
    # notebooks measure nothing, so two may run in parallel.
    results = f"results={os.path.relpath(out)}"
    execute(session, out / "notebooks", names, "--html", "-p", results, parallel=2)
    session.run("lstmbench", "table", str(out))  # again, because the page links to the notebooks
    if out.parent == RESULTS:
        session.run("lstmbench", "table", str(RESULTS))
    session.log(
        f"records, tables/, figures/ and notebooks/ are in {out.resolve()}; "
        "begin with its README.md"
    )


@nox.session
def notebooks(session: nox.Session) -> None:
    """Execute every notebook with its defaults, into a temporary folder."""
    install(session, "torch", "jax", "learning", "notebooks")
    folder = Path(session.create_tmp()) / "notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    execute(session, folder, NOTEBOOKS)
    session.log(f"all {len(NOTEBOOKS)} notebooks ran; the executed copies are in {folder}")


@nox.session
def lab(session: nox.Session) -> None:
    """Open the notebooks in JupyterLab; arguments after -- go to jupyter lab."""
    install(session, "torch", "jax", "learning", "notebooks")
    session.run("jupyter", "lab", *session.posargs, "notebooks/00_index.ipynb", env=CLEAN)


@nox.session
def browser(session: nox.Session) -> None:
    """Test JupyterLab and the results page in headless Chromium; -- -k results_page: only that."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        session.error("Chromium is not installed; install it, e.g. 'apt-get install chromium'")
    install(session, "torch", "jax", "learning", "notebooks", "test")
    pip_install(session, "playwright")
    session.run("pytest", "-m", "browser", "tests/browser", *session.posargs, env=CLEAN)


@nox.session
def report(session: nox.Session) -> None:
    """Render tables, figures and pages of all runs from their records; nothing is measured."""
    install(session)
    runs = sorted(path.parent for path in RESULTS.glob("*/manifest.json"))
    for folder in [*runs, RESULTS] if runs else []:
        session.run("lstmbench", "table", str(folder))


@nox.session
def verify(session: nox.Session) -> None:
    """Check all runs against their checksums and samples; -- FOLDER: only this run."""
    install(session)
    session.run("lstmbench", "verify", *(session.posargs or [str(RESULTS)]))
