"""The example of a plug-in: built as a package, installed, found, checked and measured like one of
ours.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import write_suite

import lstmbench as lb

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "plugin"
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"

Install = Callable[..., Path]


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Build the example's wheel, with an edit of its module, and unpack it into a folder."""
    pytest.importorskip("setuptools", minversion="77")

    def install(old: str = "", new: str = "") -> Path:
        source, built, site = (
            tmp_path_factory.mktemp(name) for name in ("source", "built", "site")
        )
        shutil.copytree(EXAMPLE, source, dirs_exist_ok=True)
        module = source / "lstmbench_example.py"
        text = module.read_text(encoding="utf-8")
        assert old in text
        module.write_text(text.replace(old, new), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", BUILD, built], cwd=source, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        (wheel,) = built.glob("lstmbench_example-*.whl")
        with zipfile.ZipFile(
            wheel
        ) as archive:  # a wheel of plain Python is installed by being unpacked
            archive.extractall(site)
        return site

    return install


@pytest.fixture(scope="module")
def site(install: Install) -> Path:
    return install()


def python(*arguments: str, site: Path) -> subprocess.CompletedProcess[str]:
    earlier = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    path = os.pathsep.join([str(site), str(ROOT), str(ROOT / "tests"), *earlier])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_it_is_not_there_before_it_is_installed(tmp_path: Path) -> None:
    done = python(
        "-c", "from lstmbench.core import registry; print(registry.names())", site=tmp_path
    )
    assert "numpy.fused" in done.stdout
    assert "example.numpy" not in done.stdout


def test_once_installed_it_is_listed_with_the_others(site: Path) -> None:
    code = (
        "import lstmbench as lb; from lstmbench.core import registry; import json;"
        "print(json.dumps([registry.names(), registry.implementation_row('example.numpy')]))"
    )
    done = python("-c", code, site=site)
    assert done.returncode == 0, done.stderr
    names, row = json.loads(done.stdout)
    assert {"example.numpy", "numpy.fused", "torch.nn"} <= set(names)
    assert (row["available"], row["reason"], row["peer"]) == (True, "", False)
    assert (row["backend"], row["variant"]) == ("example", "numpy")
    assert row["dtypes"] == ["float32", "float64"]
    assert row["modes"] == ["inference", "training"]


CHECK = """
import stacks
from conformance import check, draw
for dtype in ("float32", "float64"):
    for shape in ((1, 3, 9, 8), (6, 4, 12, 8), (40, 9, 17, 33)):
        check("example.numpy", dtype, "cpu", draw(*shape))
sizes = {"T": 6, "B": 4, "input_size": 3, "hidden_size": 5}
kind = stacks.EVERY[-2]  # all layers and directions
stacks.check("example.numpy", stacks.problem_of(sizes, kind, True, 1))
"""


def test_it_passes_the_check_that_ours_pass(site: Path) -> None:
    done = python("-c", CHECK, site=site)
    assert done.returncode == 0, done.stderr


QUICKLY = """
import sys
from tiny import given_limits, unpainted
from lstmbench import cli
from lstmbench.measure.process.worker_pool import WorkerPool
WorkerPool.machine_worker = given_limits
sys.argv = {words}
with unpainted():
    cli.main()
"""
"""The command line, without measuring the machine's limits and without painting figures."""


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize(
    ("old", "new", "status", "codes"),
    [
        ("", "", "ok", (0, 3)),  # 3: so little time that the controls contradict the intervals
        ("i, f, g, o = np.split", "f, i, g, o = np.split", "wrong_result", (4,)),
    ],
    ids=["as it is", "with two gates swapped"],
)
def test_it_is_held_against_the_oracle_and_measured_in_a_worker(
    install: Install, tmp_path: Path, old: str, new: str, status: str, codes: tuple[int, ...]
) -> None:
    grid = {"mode": ["inference", "training"]}
    suite = write_suite(tmp_path / "suite.yaml", ["numpy.fused", "example.numpy"], grid)
    words = ["lstmbench", "run", str(suite), "--out", str(tmp_path / "out")]
    done = python("-c", QUICKLY.format(words=words), site=install(old, new))
    assert done.returncode in codes, done.stderr
    records = lb.read_results(tmp_path / "out").set_index(["implementation", "mode"])
    for mode in grid["mode"]:
        assert records.status["example.numpy", mode] == status
        assert records.status["numpy.fused", mode] == "ok"
