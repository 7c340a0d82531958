"""What a number depends on beside the code is read as it is, and a system that does not tell costs
no run.
"""

import json
import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import lstmbench as lb
from lstmbench.measure import environment


def test_the_machine_is_described() -> None:
    found = environment.machine()
    assert set(found) - {"cpu_id"} == {
        "cpu",
        "cpu_flags",
        "cores",
        "memory_bytes",
        "os",
        "kernel",
        "arch",
    }
    assert found["memory_bytes"] > 2**26
    assert found["cores"] >= 1
    assert found["cpu_flags"] == sorted(found["cpu_flags"])
    assert json.loads(json.dumps(found)) == found


def test_a_system_without_its_usual_files_is_described_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    monkeypatch.setattr(Path, "read_text", missing)
    found = environment.machine()
    assert found["cpu"]
    assert found["cpu_flags"] == []
    assert "cpu_id" not in found
    assert found["os"] == platform.platform()


ZEN = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC
stepping\t: 1
flags\t\t: fpu sse avx2 avx

processor\t: 1
vendor_id\t: Other
"""
SSE = ["avx", "avx2", "fpu", "sse"]
ARM = """processor\t: 0
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


@pytest.mark.parametrize(
    ("cpuinfo", "cpu", "cpu_id", "flags"),
    [
        (
            ZEN,
            "AMD EPYC",
            "AuthenticAMD family 25 model 1 stepping 1",
            SSE,
        ),
        (ARM, "silicon", "CPU implementer 0x41 variant 0x3 part 0xd0c revision 1", ["asimd", "fp"]),
        ("vendor_id : IBM/S390\nfeatures : vx\n", "silicon", None, []),
        ("model : 3\nnonsense\n", "silicon", None, []),
        (ZEN.replace("AMD EPYC", ""), "silicon", "AuthenticAMD family 25 model 1 stepping 1", SSE),
        ("", "silicon", None, []),
    ],
)
def test_a_processor_is_described_by_what_the_system_tells_of_its_first_core(
    cpuinfo: str, cpu: str, cpu_id: str | None, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: cpuinfo)
    monkeypatch.setattr(platform, "processor", lambda: "silicon")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"PRETTY_NAME": "Some OS"})
    found = environment.machine()
    assert (found["cpu"], found.get("cpu_id"), found["cpu_flags"]) == (cpu, cpu_id, flags)


def test_machines_whose_processors_bear_one_name_are_of_one_kind_only_if_nothing_else_differs() -> (
    None
):
    one = {
        "cpu": "AMD EPYC",
        "cpu_id": "A family 25 model 1 stepping 1",
        "cpu_flags": ["avx", "avx2"],
        "cores": 2,
    }
    assert environment.kind(one) == "AMD EPYC (family 25, model 1, stepping 1) with AVX2, 2 cores"
    assert environment.kind(
        one | {"cpu_flags": ["avx2", "aes"], "kernel": "6.9"}
    ) == environment.kind(one)
    others: list[dict[str, Any]] = [
        {"cpu_flags": ["avx", "avx2", "avx512f"]},
        {"cpu_id": "A family 25 model 17 stepping 1"},
        {"cpu_id": "A family 25 model 1 stepping 2"},
        {"cores": 4},
        {"gpu": "H"},
    ]
    assert len({environment.kind(one | other) for other in [{}, *others]}) == 1 + len(others)


def test_every_package_has_its_version_and_this_one_too() -> None:
    found = environment.packages()
    assert found["numpy"] == metadata.version("numpy")
    assert found["lstmbench"] == lb.__version__
    assert list(found) == sorted(found)


def test_of_two_packages_of_one_name_the_first_on_the_path_counts_and_a_broken_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, version in (("first", "1.0"), ("second", "2.0")):
        info = tmp_path / folder / "twice-0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Twice\nVersion: {version}\n")
    (tmp_path / "first" / "broken-1.0.dist-info").mkdir()
    for folder in ("second", "first"):
        monkeypatch.syspath_prepend(str(tmp_path / folder))
    assert environment.packages()["twice"] == "1.0"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which environment.py lies where it lies in ours."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    module = tmp_path / "lstmbench" / "measure" / "environment.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(environment, "__file__", str(module))
    return tmp_path


def test_the_commit_is_that_of_the_package_and_a_change_to_it_makes_it_dirty(
    checkout: Path,
) -> None:
    head = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    assert environment.git() == {"commit": head.stdout.strip(), "dirty": False}
    (checkout / "results").mkdir()
    (checkout / "results" / "new.md").write_text(
        "a run's results are no change of what is measured"
    )
    assert not environment.git()["dirty"]
    (checkout / "lstmbench" / "measure" / "new.py").write_text("")
    assert environment.git()["dirty"]


def test_another_project_s_repository_is_not_ours(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the package is installed into an environment that lies in somebody's checkout."""
    module = checkout / "venv" / "site-packages" / "lstmbench" / "measure" / "environment.py"
    monkeypatch.setattr(environment, "__file__", str(module))
    assert environment.git() == {"commit": None, "dirty": None}


def test_without_git_there_is_no_commit_and_the_reason(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    reason = "git cannot be run: No such file or directory"
    assert environment.git() == {"commit": None, "dirty": None, "reason": reason}


@pytest.mark.parametrize(
    "names",
    [["GIT_DIR"], ["GIT_DIR", "GIT_WORK_TREE"], ["GIT_INDEX_FILE"], ["GIT_OBJECT_DIRECTORY"],
     ["GIT_COMMON_DIR"], ["GIT_CEILING_DIRECTORIES"], ["GIT_DIR", "GIT_PREFIX", "GIT_TRACE"]],
    ids=" ".join,
)  # fmt: skip
def test_what_a_hook_s_environment_says_of_another_repository_is_not_heeded(
    names: list[str],
    checkout: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = environment.git()
    other = tmp_path_factory.mktemp("other")
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    places = {
        "GIT_DIR": ".git",
        "GIT_COMMON_DIR": ".git",
        "GIT_OBJECT_DIRECTORY": ".git/objects",
        "GIT_TRACE": "log",
    }
    places |= {"GIT_WORK_TREE": "", "GIT_PREFIX": "", "GIT_INDEX_FILE": ".git/index"}
    for name in names:
        monkeypatch.setenv(name, str(other / places[name] if name in places else checkout.parent))
    assert environment.git() == before and before["commit"]


def test_a_new_file_makes_it_dirty_whatever_the_user_has_git_show(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "lstmbench" / "new.py").write_text("")
    for name, value in (("COUNT", "1"), ("KEY_0", "status.showUntrackedFiles"), ("VALUE_0", "no")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    assert environment.git()["dirty"]


def test_a_folder_of_git_s_that_holds_nothing_is_told_and_not_looked_for_above(
    checkout: Path,
) -> None:
    inner = checkout / "inner"
    (inner / ".git").mkdir(parents=True)
    with pytest.raises(lb.LstmbenchError, match=r"^not a git repository"):
        environment.run_git(inner, "rev-parse", "HEAD")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)
def test_a_checkout_of_another_owner_has_git_s_own_reason_and_no_path(checkout: Path) -> None:
    for path in (checkout, checkout / ".git"):
        os.chown(path, 65534, 65534)
    found = environment.git()
    assert found["commit"] is None
    assert found["reason"].startswith("detected dubious ownership in repository at 'the checkout'")
    assert "safe.directory" in found["reason"] and str(checkout) not in found["reason"]


def test_the_same_environment_has_the_same_id_and_another_another() -> None:
    first = environment.environment_id({"a": 1, "b": 2}, {"threads": 1})
    assert first == environment.environment_id({"b": 2, "a": 1}, {"threads": 1})
    assert first != environment.environment_id({"a": 1, "b": 2}, {"threads": 2})


def test_thread_pools_are_described_without_the_paths_of_their_files() -> None:
    found = environment.frameworks()
    assert found["pools"]
    assert "/" not in json.dumps(found["pools"])


def test_what_is_chosen_for_the_processor_is_told_by_what_chose_it() -> None:
    lb.load("numpy.fused", lb.LSTMParams.init(2, 3))
    found = environment.frameworks()["code_paths"]
    assert found["cut_products"] in ("products cut into small ones", "whole products")
    assert found["numpy.exp"] and found["numpy.tanh"]
    assert "/" not in json.dumps(found)


def test_gpus_are_part_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "gpus", lambda: {"gpu": [{"name": "H100"}]})
    assert environment.machine()["gpu"] == [{"name": "H100"}]
