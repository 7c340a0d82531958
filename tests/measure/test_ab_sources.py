"""The variants of an A/B comparison: labels, where their code comes from, what is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import write_suite

import lstmbench as lb
from lstmbench.measure import ab_sources
from lstmbench.measure.ab_sources import read_variants, stored_variants

THERE = f"numpy.fused@{sys.executable}"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that the package seems to run from; its first commit, tagged ``wrong``, has a
    wrong numpy.fused.
    """
    root = tmp_path / "checkout"
    shutil.copytree(
        ab_sources.PACKAGE, root / "lstmbench", ignore=shutil.ignore_patterns("__pycache__")
    )
    code = root / "lstmbench" / "variants" / "numpy_fused.py"
    right = code.read_text()
    wrong = right.replace("return y, ", "return y * 1.001, ", 1)
    assert wrong != right
    code.write_text(wrong)

    def git(*words: str) -> None:
        who = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
        subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "wrong")
    git("tag", "wrong")
    code.write_text(right)
    git("commit", "-q", "-a", "-m", "right")
    monkeypatch.setattr(ab_sources, "PACKAGE", root / "lstmbench")
    return root


def test_an_implementation_against_another_is_called_by_its_name() -> None:
    assert [variant.label for variant in read_variants("torch.fused", "torch.nn")] == [
        "torch.fused",
        "torch.nn",
    ]
    assert not any(
        variant.needs_own_process for variant in read_variants("torch.fused", "torch.nn")
    )


def test_an_implementation_against_itself_has_another_name() -> None:
    one, other = read_variants("torch.nn", "torch.nn")
    assert (one.label, other.label, other.name, other.cli_spec) == (
        "torch.nn",
        "torch.nn@again",
        "torch.nn",
        "torch.nn",
    )


def test_a_revision_is_called_by_its_commit_whatever_it_was_asked_by(checkout: Path) -> None:
    one, other = read_variants("numpy.fused@wrong", "numpy.fused@HEAD")
    assert one.label == f"numpy.fused@{one.revision[:10]}" and len(one.revision) == 40
    assert one.revision != other.revision
    assert one.cli_spec == f"numpy.fused@{one.revision}"


def test_an_interpreter_is_called_by_its_version_and_its_path_is_nowhere() -> None:
    one, other = read_variants(THERE, THERE)
    version = ".".join(map(str, sys.version_info[:3]))
    assert (one.label, other.label) == (
        f"numpy.fused@python-{version}",
        f"numpy.fused@python-{version}-again",
    )
    assert sys.executable not in one.label + one.cli_spec


@pytest.mark.parametrize(
    ("side", "why"),
    [
        ("numpy.fuse", "There is no implementation 'numpy.fuse'"),
        ("numpy.fused@", "put a git revision or the path of a Python interpreter after the @"),
        ("numpy.fused@no-such-branch", "neither a Python interpreter here nor a git revision"),
        ("numpy.fused@--help", "is not a git revision"),
        ("numpy.fused@/no/such/python", "'/no/such/python' is neither a Python interpreter here"),
        (f"numpy.fused@{shutil.which('true')}", "is not a Python interpreter: "),
        (f"numpy.fused@{Path(__file__)}", "is not a Python interpreter that runs here"),
        ("", "There is no implementation ''"),
    ],
)
def test_what_is_not_there_is_refused_with_its_reason(side: str, why: str) -> None:
    with pytest.raises(lb.LstmbenchError, match=why.replace("(", "\\(")):
        read_variants("numpy.fused", side)


def test_without_a_checkout_there_are_no_revisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ab_sources, "PACKAGE", tmp_path / "site-packages" / "lstmbench")
    with pytest.raises(lb.LstmbenchError, match="the package does not run from a git checkout"):
        read_variants("numpy.fused@HEAD", "numpy.fused")


def test_in_a_shallow_clone_the_reason_is_told(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{checkout}", str(tmp_path / "shallow")],
        check=True,
    )
    monkeypatch.setattr(ab_sources, "PACKAGE", tmp_path / "shallow" / "lstmbench")
    with pytest.raises(
        lb.LstmbenchError,
        match=r"nor a git revision .*shallow clone; git fetch --unshallow",
    ):
        read_variants("numpy.fused@HEAD~1", "numpy.fused")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)
def test_in_a_checkout_of_another_owner_the_reason_is_git_s(checkout: Path) -> None:
    for path in (checkout, checkout / ".git"):
        os.chown(path, 65534, 65534)
    with pytest.raises(
        lb.LstmbenchError, match=r"detected dubious ownership .* safe.directory"
    ) as caught:
        read_variants("numpy.fused@HEAD", "numpy.fused")
    assert "\n" not in str(caught.value)


def test_a_revision_is_looked_for_in_the_checkout_whatever_a_hook_s_environment_says(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = read_variants("numpy.fused@HEAD", "numpy.fused")[0].revision
    subprocess.run(["git", "init", "-q", str(tmp_path / "other")], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert read_variants("numpy.fused@HEAD", "numpy.fused")[0].revision == wanted


@pytest.mark.usefixtures("given_limits", "no_process_left")
def test_what_is_measured_of_a_revision_is_the_code_of_that_revision(
    checkout: Path, tmp_path: Path
) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"])
    done = lb.run(
        suite, tmp_path / "out", progress=False, seed=0, ab=("numpy.fused", "numpy.fused@wrong")
    )
    records = done.records.set_index("implementation")
    (label,) = (name for name in records.index if "@" in name)
    assert records.loc["numpy.fused", "status"] == "ok"
    assert records.loc[label, "status"] == "wrong_result"
    assert (records.loc[label, "backend"], records.loc[label, "variant"]) == ("numpy", "fused")
    environments = done.manifest["environments"]
    assert environments[records.loc[label, "environment_id"]]["revision"].startswith(
        label.partition("@")[2]
    )
    assert environments[records.loc["numpy.fused", "environment_id"]]["revision"] is None


@pytest.mark.usefixtures("given_limits", "no_process_left")
def test_a_revision_that_cannot_be_imported_costs_its_own_row_only(
    checkout: Path, tmp_path: Path
) -> None:
    (checkout / "lstmbench" / "core" / "registry.py").write_text(
        "raise RuntimeError('half written')\n"
    )
    subprocess.run(
        [
            "git",
            "-C",
            str(checkout),
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b.c",
            "commit",
            "-qam",
            "broken",
        ],
        check=True,
    )
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"])
    done = lb.run(
        suite, tmp_path / "out", progress=False, seed=0, ab=("numpy.fused", "numpy.fused@HEAD")
    )
    statuses = dict(
        zip(done.records["implementation"].str.contains("@"), done.records["status"], strict=True)
    )
    assert statuses == {False: "ok", True: "skipped"}
    assert "half written" in " ".join(done.records["error"].dropna())


@pytest.mark.slow
@pytest.mark.usefixtures("given_limits", "no_process_left")
def test_another_interpreter_runs_the_code_that_is_here(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"])
    done = lb.run(suite, tmp_path / "out", progress=False, seed=0, ab=("numpy.fused", THERE))
    assert list(done.records["status"]) == ["ok", "ok"]
    assert list(done.records["ratio_to"]) == ["numpy.fused"] * 2
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert sys.executable not in text


@pytest.mark.usefixtures("given_limits")
def test_an_ab_comparison_is_resumed_and_another_one_is_refused(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"])
    first = lb.run(
        suite, tmp_path / "out", progress=False, seed=0, ab=("numpy.fused", "numpy.fused")
    )
    again = lb.run(suite, tmp_path / "out", progress=False, ab=("numpy.fused", "numpy.fused"))
    assert again.manifest == first.manifest
    with pytest.raises(lb.LstmbenchError, match="another suite"):
        lb.run(suite, tmp_path / "out", progress=False, ab=("numpy.fused", "numpy.reference"))


def test_a_revision_before_the_present_modules_is_refused_and_named(
    checkout: Path, tmp_path: Path
) -> None:
    (checkout / "lstmbench" / "core").rename(checkout / "lstmbench" / "cell")
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "older modules"], check=True)
    old, _ = read_variants("numpy.fused@HEAD", "numpy.fused")
    for _ in range(2):  # nothing half unpacked is taken for it the second time
        with pytest.raises(lb.LstmbenchError, match=f"{old.label} is older than lstmbench 0.2"):
            old.unpack(tmp_path / "scratch")


def test_stored_labels_give_the_variants_again(checkout: Path) -> None:
    for specs in (
        ("numpy.fused", "numpy.fused"),
        ("numpy.fused@wrong", "numpy.fused@wrong"),
        ("numpy.fused@wrong", "numpy.reference"),
    ):
        variants = read_variants(*specs)
        assert stored_variants([variant.label for variant in variants]) == variants


@pytest.mark.parametrize("label", ["numpy.fused@python-3.11.7", "numpy.fused@/bin/sh"])
def test_a_stored_interpreter_is_not_run(label: str) -> None:
    with pytest.raises(lb.LstmbenchError, match="cannot be resumed by --resume"):
        stored_variants(["numpy.fused", label])
