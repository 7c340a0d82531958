"""The project around the library: its files agree with each other, and its documents tell what is
so.
"""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lstmbench

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "vaderSentiment": "vadersentiment",
}
GPU_NAMES = {**CONDA_NAMES, "torch": "pytorch-gpu"}
CONDA_OWN = {"python", "pip", "nox"}
"""What an environment needs beside the package: Python is a field of its own in pyproject.toml, nox
runs the tasks.
"""
NOT_CONDA = {"triton"}
"""What an environment does not name: PyTorch for CUDA brings the Triton it needs, and without CUDA
only tests do.
"""


# Requirements: pyproject.toml leads, the others follow


def declared() -> dict[str, str]:
    """Return every package of pyproject.toml, with its range as a sorted text."""
    groups = [PROJECT["dependencies"], *(group for name, group in EXTRAS.items() if name != "all")]
    parsed = [Requirement(line) for group in groups for line in group]
    return {requirement.name: bounds(str(requirement.specifier)) for requirement in parsed}


def bounds(text: str) -> str:
    return ",".join(sorted(text.split(",")))


def conda(text: str) -> dict[str, str]:
    """Return the packages of an environment file, with their ranges; those with a build selector
    have none.
    """
    lines = [line for line in yaml.safe_load(text)["dependencies"] if isinstance(line, str)]
    matches = [re.fullmatch(r"([\w-]+)(.*)", line) for line in lines]
    assert all(matches), lines
    return {match[1]: "" if "=*=" in match[2] else bounds(match[2]) for match in matches if match}


def differences(environment: dict[str, str], names: dict[str, str]) -> set[tuple[str, str]]:
    """Return what an environment has that pyproject.toml has not, or the other way round."""
    wanted = {
        names.get(name, name): range_
        for name, range_ in declared().items()
        if name not in NOT_CONDA
    }
    found = {name: range_ for name, range_ in environment.items() if name not in CONDA_OWN}
    return set(wanted.items()) ^ set(found.items())


def test_the_conda_environment_has_the_names_and_ranges_of_pyproject() -> None:
    environment = conda((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert differences(environment, CONDA_NAMES) == set()
    assert environment["python"] == bounds(PROJECT["requires-python"])


def test_the_gpu_environment_has_them_too_and_jaxlib_built_for_cuda() -> None:
    environment = conda((ROOT / "environment-gpu.yml").read_text(encoding="utf-8"))
    assert environment.pop("jaxlib") == ""
    assert differences(environment, GPU_NAMES) == set()
    assert environment["python"] == bounds(PROJECT["requires-python"])


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("  - psutil>=6,<8\n", "", "psutil"),
        ("scipy>=1.14", "scipy>=1.13", "scipy"),
        ("  - pip\n", "  - left\n", "left"),
    ],
)
def test_a_package_that_is_missing_extra_or_of_another_range_is_named(
    old: str, new: str, named: str
) -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert old in text
    assert named in {name for name, _ in differences(conda(text.replace(old, new)), CONDA_NAMES)}


@pytest.mark.parametrize("file", ["environment.yml", "environment-gpu.yml"])
def test_an_environment_takes_conda_forge_alone_and_installs_the_project(file: str) -> None:
    content = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    assert content["channels"] == ["conda-forge"]
    assert content["dependencies"][-1] == {"pip": ["-e ."]}


BEFORE_CONDA = (
    "binder", ".binder", "Dockerfile", "Project.toml", "JuliaProject.toml", "REQUIRE",
    "default.nix", "runtime.txt", "install.R", "DESCRIPTION",
)  # fmt: skip
"""What repo2docker would build an image from instead of environment.yml, or beside it."""


def test_an_image_is_built_from_the_conda_environment_with_the_project_in_it() -> None:
    assert [name for name in BEFORE_CONDA if (ROOT / name).exists()] == []
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    # A local requirement, so that the whole repository is there before it is installed
    assert environment["dependencies"][-1]["pip"] == ["-e ."]
    assert {"jupyterlab", "ipykernel"} <= set(
        conda((ROOT / "environment.yml").read_text(encoding="utf-8"))
    )


@pytest.mark.slow
@pytest.mark.compile
def test_what_is_run_once_an_image_is_built_ends_well(tmp_path: Path) -> None:
    script = ROOT / "postBuild"
    assert os.access(script, os.X_OK)  # repo2docker asks for that
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    }
    environment |= {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("lstmbench/recurrence*")) or shutil.which("g++") is None


def test_the_extra_all_holds_every_other_extra() -> None:
    (everything,) = (Requirement(line) for line in EXTRAS["all"])
    assert everything.extras == set(EXTRAS) - {"all"}


def test_every_declared_package_is_pinned_within_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert re.fullmatch(r"[0-9][0-9a-z.]*", version), (
                f"{line!r} is not an exact pin without a local version"
            )
            pins[canonicalize_name(name)] = version
    for group in [
        PROJECT["dependencies"],
        *(group for name, group in EXTRAS.items() if name != "all"),
    ]:
        for requirement in map(Requirement, group):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), (
                requirement
            )


# One version, one licence


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert str(citation["version"]) == PROJECT["version"] == lstmbench.__version__
    assert f"## [{PROJECT['version']}]" in changelog


def test_the_licence_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def faults(citation: dict[str, Any]) -> list[str]:
    """Return what the Citation File Format's own schema says against it.

    The schema is that of citation-file-format.github.io/1.2.0, by its authors under CC BY 4.0.
    """
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(
        (ROOT / "tests/schemas/citation-file-format-1.2.0.json").read_text(encoding="utf-8")
    )
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(citation)]


def citation_file() -> dict[str, Any]:
    return yaml.load(
        (ROOT / "CITATION.cff").read_text(encoding="utf-8"), Loader=yaml.BaseLoader
    )  # dates stay text


def test_the_citation_is_valid_in_its_format() -> None:
    assert faults(citation_file()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"authors": []},
        {"date-released": "soon"},
        {"licence": "MIT"},
        {"doi": "none yet"},
        {"title": ""},
    ],
)
def test_a_citation_that_is_not_valid_is_seen(change: dict[str, Any]) -> None:
    assert faults(citation_file() | change)


def test_the_authors_are_the_same_everywhere_and_a_wheel_carries_the_citation() -> None:
    assert citation_file()["authors"] == PROJECT["authors"]
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert whole["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {
        "CITATION.cff": "lstmbench/CITATION.cff"
    }


def test_every_public_name_is_there() -> None:
    for name in lstmbench.__all__:
        assert getattr(lstmbench, name) is not None


# Tasks


def sessions(source: str) -> dict[str, str | None]:
    """Return the docstrings of a noxfile's sessions by name."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {
        function.name: ast.get_docstring(function)
        for function in functions
        if any("nox.session" in ast.unparse(decorator) for decorator in function.decorator_list)
    }


def test_every_session_says_what_it_does() -> None:
    found = sessions((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    assert {"tests", "lint", "typecheck", "bench", "notebooks", "lab", "report", "verify"} <= set(
        found
    )
    assert [name for name, text in found.items() if not text] == []


def test_a_session_without_a_docstring_is_seen() -> None:
    assert sessions("@nox.session\ndef a(session): pass") == {"a": None}


@pytest.mark.parametrize("task", ["bench", "tests"])
def test_the_readme_gives_the_two_commands(task: str) -> None:
    command = f"python3 -m pip install nox && python3 -m nox -s {task}"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert task in sessions((ROOT / "noxfile.py").read_text(encoding="utf-8"))


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert "python3 -m pip install nox && python3 -m nox -s tests" in script.read_text(
        encoding="utf-8"
    )
    assert script.stat().st_mode & 0o111


@pytest.mark.skipif(find_spec("ruff") is None, reason="needs ruff")
def test_every_module_is_linted() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    linted = {Path(line).relative_to(ROOT) for line in done.stdout.splitlines()}
    folders = ("lstmbench", "tests", "validation", "examples")
    modules = {path for folder in folders for path in ROOT.glob(f"{folder}/**/*.py")}
    assert {path.relative_to(ROOT) for path in modules} <= linted
    assert not any(path.parts[0] == "results" for path in linted)


# Notebooks


def left_in(notebook: dict[str, Any]) -> list[str]:
    """Return what a stripped notebook does not hold."""
    found = [key for key in ("papermill", "widgets") if key in notebook["metadata"]]
    for cell in notebook["cells"]:
        found += [f"{key} of a cell" for key in ("outputs", "execution_count") if cell.get(key)]
        found += [
            f"{key} of a cell" for key in ("papermill", "execution") if key in cell["metadata"]
        ]
    return found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_the_notebook_is_kept_stripped_with_the_plain_kernel(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert left_in(notebook) == []
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_an_executed_notebook_is_seen() -> None:
    cell = {"execution_count": 1, "outputs": ["x"], "metadata": {"papermill": {}}}
    found = left_in({"metadata": {"papermill": {}}, "cells": [cell]})
    assert found == [
        "papermill",
        "outputs of a cell",
        "execution_count of a cell",
        "papermill of a cell",
    ]


# Documents


def python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def examples(file: str, language: str = "python") -> list[str]:
    return re.findall(
        rf"```{language}\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), flags=re.DOTALL
    )


@pytest.mark.skipif(find_spec("torch") is None, reason="the example loads a PyTorch implementation")
def test_the_readmes_example_runs() -> None:
    example, *_ = examples("README.md")
    python(example)


@pytest.mark.skipif(find_spec("torch") is None, reason="the example is written in PyTorch")
def test_the_implementation_in_contributing_computes_the_lstm() -> None:
    example = next(text for text in examples("CONTRIBUTING.md") if "@register(" in text)
    (name,) = re.findall(r'@register\("([\w.]+)"', example)
    check = f"""
import sys
sys.path[:0] = [{str(ROOT / "tests")!r}]
import stacks
from conformance import check, draw
check("{name}", "float64", "cpu", draw(7, 2, 3, 5))
# Layers, directions and a projection
sizes, kind = dict(T=7, B=2, input_size=3, hidden_size=5), stacks.EVERY[-2]
stacks.check("{name}", stacks.problem_of(sizes, kind, True, 1))
"""
    python(example + check)


def test_the_metric_in_contributing_computes_a_column() -> None:
    example = next(text for text in examples("CONTRIBUTING.md") if "NEEDS" in text)
    check = """
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.disturbance import Measurement
turns = [[Measurement([0.5, 0.5, 0.5], loop_s=1.5, cpu_s=1.5, switches=0)] * 2]
evidence = Evidence(Workload("inference", 4, 10, 1, 8), "torch.nn", 0.02, measurements=turns)
assert compute(evidence) == {"steps_per_s": 80.0}
"""
    python(example + check)


def test_the_suite_in_contributing_is_one(tmp_path: Path) -> None:
    from lstmbench.measure.suites.suite_file import read_suite

    (example,) = examples("CONTRIBUTING.md", "yaml")
    (tmp_path / "mine.yaml").write_text(example, encoding="utf-8")
    assert read_suite(tmp_path / "mine.yaml").count() > 0


DOCUMENTS = ["README.md", "CONTRIBUTING.md", "validation/README.md", "examples/plugin/README.md"]
DOCUMENTS += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


def commands(document: str) -> str:
    """Return the code of a document: its blocks, and the code within its sentences, by lines."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|yaml)\n(.*?)```", text, flags=re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*blocks, *inline])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_command_lines_of_a_document_are_those_of_the_program(document: str) -> None:
    from typer.main import get_command

    from lstmbench.cli import app

    program: Any = get_command(app)
    lines = re.findall(r"(?:^|bin/|- | && )lstmbench (\w.*)", commands(document), re.MULTILINE)
    assert lines or document != "README.md"
    for line in lines:
        verb, *words = shlex.split(line, comments=True)
        command = program.commands[verb]
        command.make_parser(command.context_class(command)).parse_args(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_tasks_and_scripts_of_a_document_exist(document: str) -> None:
    known = sessions((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    assert set(re.findall(r"nox -s \"?(\w+)", commands(document))) <= set(known)
    for script in re.findall(r"python3? (\S+\.py)", commands(document)):
        assert (ROOT / script).is_file(), script


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_a_document_names_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    folders = ["", "lstmbench", ".github/workflows", Path(document).parent]
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|cpp|h|yml|toml))`", text))
    named.discard("lstmbench/variants/torch_plain.py")  # readers write it
    for path in named:
        assert any((ROOT / folder / path).is_file() for folder in folders), path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_links_of_a_document_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for link in re.findall(r"\]\((?!https?://)([^)]*)\)", path.read_text(encoding="utf-8")):
        file, _, heading = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if heading:
            text = target.read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in headings}
            assert heading in anchors, link
