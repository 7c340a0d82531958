"""The project's tasks: `nox -l` lists them, `nox -s NAME` runs one, and what follows `--` is passed
on to it.

Each session has its own environment under .nox/, with the exact versions in constraints.txt. It is
kept, and installed again only when pyproject.toml, constraints.txt or the Python version has
changed.
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

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "typecheck", "tests"]

HERE = Path(__file__).parent
RESULTS = Path("results")
NOTEBOOKS = sorted(path.stem for path in (HERE / "notebooks").glob("[0-9]*.ipynb"))
TIMING = ["05_trust"]
OURS = ["peers", "numba"]
EXTRAS = {
    "peers": ["peers"],
    "frontier": OURS,
    "ours": OURS,
    "learning": ["learning"],
}  # what a suite needs beside
LESSONS = [
    name for name in NOTEBOOKS if name >= "07"
]  # they show runs of lessons, the others runs of workloads
# JUPYTER_PATH may lead to kernels of another environment; MPLBACKEND=Agg keeps figures out of
# executed notebooks.
CLEAN = {"JUPYTER_PATH": None, "MPLBACKEND": None}
# uv reads none of pip's settings: those given as environment variables are handed on under uv's
# names.
FOR_UV = {
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
}
# How `lstmbench run` may end, and `nox -s bench` with it, where it is not 0: all well. This
# environment does not have the package, so the module is run by its path.
RUN_MEANINGS = runpy.run_path(str(HERE / "lstmbench" / "exit_codes.py"))["RUN_MEANINGS"]
# What nbstripout removes beside the outputs; cell ids stay, so that a diff shows only what was
# edited.
STRIP = (
    "--keep-id",
    "--extra-keys",
    "metadata.papermill cell.metadata.papermill metadata.language_info.version",
)


def pip_install(session: nox.Session, *what: str, pinned: bool = True) -> None:
    """Install with pip or with uv, whichever made the environment; as pinned, or the newest that
    the ranges admit.
    """
    env = {}
    if session.venv_backend == "uv":
        env = {
            new: os.environ[old]
            for old, new in FOR_UV.items()
            if old in os.environ and new not in os.environ
        }
        if "UV_FIND_LINKS" in env:
            env["UV_FIND_LINKS"] = ",".join(env["UV_FIND_LINKS"].split())
        if "UV_INDEX" in env:
            env.setdefault(
                "UV_INDEX_STRATEGY", "unsafe-best-match"
            )  # the best version of any index, as pip takes it
    session.install(*(["-c", "constraints.txt"] if pinned else ["--upgrade"]), *what, env=env)


def install(session: nox.Session, *extras: str) -> None:
    """Install the package with these extras, as pinned, unless this environment already holds just
    that.
    """
    if session.python is None and not (3, 11) <= sys.version_info[:2] < (3, 14):
        session.error(
            f"lstmbench needs Python 3.11, 3.12 or 3.13, but nox runs on {sys.version.split()[0]}"
        )
    pins = (HERE / "constraints.txt").read_bytes()
    wanted = hashlib.sha256(
        (HERE / "pyproject.toml").read_bytes() + pins + repr((extras, HERE)).encode()
    ).hexdigest()
    stamp = Path(session.virtualenv.location) / "lstmbench-installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        session.log("the environment is up to date")
        return
    pip_install(session, "-e", f".[{','.join(extras)}]" if extras else ".")
    stamp.write_text(wanted)


def execute(
    session: nox.Session, folder: Path, names: list[str], *parameters: str, at_once: int = 1
) -> None:
    """Execute notebooks, and leave the copies in a folder; those that time something in any case
    come alone.
    """

    def one(name: str) -> None:
        copy = folder / f"{name}.ipynb"
        session.run("lstmbench", "notebook", name, "--out", str(copy), *parameters, env=CLEAN)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, (name for name in names if name not in TIMING)))
    for name in TIMING:
        if name in names:
            one(name)


TESTED_WITH = (
    "torch", "jax", "numba", "triton", "learning", "formats", "dask", "peers", "notebooks",
    "test", "lint",
)  # fmt: skip


def run_tests(session: nox.Session) -> None:
    """Run the tests on two processes, unless the arguments after -- say otherwise."""
    chosen = ["-n", "2"] if set(session.posargs) <= {"--all", "--rest"} else []
    session.run("pytest", *chosen, *session.posargs, env=CLEAN)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the default set of tests, or all with -- --all; other arguments after -- go to pytest."""
    install(session, *TESTED_WITH)
    run_tests(session)


@nox.session(python=["3.11", "3.12", "3.13"])
@nox.parametrize("versions", ["pinned", "newest"])
def tests_on(session: nox.Session, versions: str) -> None:
    """Run the tests on one Python, with the pinned versions or with the newest that the ranges
    admit.

    Such as: nox -s "tests_on-3.12(versions='pinned')" -- --all
    """
    if versions == "pinned":
        install(session, *TESTED_WITH)
    else:
        pip_install(session, "-e", f".[{','.join(TESTED_WITH)}]", pinned=False)
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and that notebooks hold no outputs; -- --fix mends what can be
    mended.
    """
    pip_install(session, "check-jsonschema", "nbstripout", "ruff", "zizmor")
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")
    for kind, path in (("workflows", ".github/workflows"), ("actions", "action.yml")):
        files = map(str, Path(path).glob("*.yml") if Path(path).is_dir() else [path])
        session.run("check-jsonschema", "--builtin-schema", f"vendor.github-{kind}", *files)
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
    """Measure a suite, and make its tables, figures and executed notebooks; -- --suite smoke
    --compare BASE.

    The exit code is that of `lstmbench compare` if it is not 0, else that of `lstmbench run`.
    """
    now = datetime.now(UTC)
    parser = ArgumentParser(prog="nox -s bench --", description=bench.__doc__)
    parser.add_argument(
        "--suite", default="quick", help="a suite's name, or a YAML file (default: quick)"
    )
    parser.add_argument(
        "--out", type=Path, help="the run's folder (default: results/<time>-<suite>)"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="BASE", help="compare with this run, and end as that ends"
    )
    asked = parser.parse_args(session.posargs)
    if asked.compare and not (asked.compare / "manifest.json").is_file():
        session.error(f"{asked.compare} is no run's folder: it has no manifest.json")
    out = asked.out or RESULTS / f"{now:%Y%m%dT%H%M%SZ}-{Path(asked.suite).stem}"
    extra = EXTRAS.get(asked.suite.partition("_")[0], [])
    install(session, "torch", "jax", "notebooks", *extra)
    command = [Path(session.bin) / "lstmbench", "run", asked.suite, "--out", out]
    path = os.pathsep.join([session.bin, os.environ.get("PATH", os.defpath)])
    # Not by session.run, which ends with 1 whatever the program ended with
    status = subprocess.run(command, check=False, env=os.environ | {"PATH": path}).returncode
    manifest = out / "manifest.json"
    complete = manifest.is_file() and json.loads(manifest.read_text(encoding="utf-8")).get(
        "complete"
    )
    if status:
        session.log(
            f"lstmbench run: {RUN_MEANINGS.get(status, f'it ended with {status}')}; "
            "see above, and the records"
        )
    if not complete or status == 5:  # else what was measured is shown all the same
        sys.exit(status or 2)
    # A path from the project's folder: the executed copies name no folder of this machine.
    # Nothing is measured in them when they are given results, so two may run at once.
    lessons = "tasks" in json.loads((out / "manifest.json").read_text(encoding="utf-8"))["suite"]
    names = LESSONS if lessons else [name for name in NOTEBOOKS if name not in LESSONS]
    execute(
        session,
        out / "notebooks",
        names,
        "--html",
        "-p",
        f"results={os.path.relpath(out)}",
        at_once=2,
    )
    session.run(
        "lstmbench", "table", str(out)
    )  # once more, since the run's page links to the notebooks
    if out.parent == RESULTS:
        session.run("lstmbench", "table", str(RESULTS))
    session.log(
        f"records, tables/, figures/ and notebooks/ are in {out.resolve()}; "
        "begin with its README.md"
    )
    if asked.compare:
        command = [
            Path(session.bin) / "lstmbench",
            "compare",
            asked.compare,
            out,
            "--out",
            out / "comparison.md",
        ]
        code = subprocess.run(command, check=False).returncode
        session.log(f"compared with {asked.compare}: {out / 'comparison.md'}")
        status = code or status
    if status:
        sys.exit(status)


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
    """Run all notebooks in JupyterLab, try the results page, in a headless Chromium; -- -k
    results_page: only that.
    """
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        session.error("there is no Chromium here: 'apt-get install chromium' or its like brings it")
    install(session, "torch", "jax", "learning", "notebooks", "test")
    pip_install(session, "playwright")
    session.run("pytest", "-m", "browser", "tests/browser", *session.posargs, env=CLEAN)


@nox.session
def report(session: nox.Session) -> None:
    """Render tables, figures and pages of all runs again from their records; measure nothing."""
    install(session)
    runs = sorted(path.parent for path in RESULTS.glob("*/manifest.json"))
    for folder in [*runs, RESULTS] if runs else []:
        session.run("lstmbench", "table", str(folder))


@nox.session
def verify(session: nox.Session) -> None:
    """Hold all runs against their sums and samples, and render them again to compare; -- a run's
    folder for one.
    """
    install(session)
    session.run("lstmbench", "verify", *(session.posargs or [str(RESULTS)]))
