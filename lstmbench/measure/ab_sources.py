"""The two variants of an A/B comparison (``--ab``), and where the code of each comes from.

    torch.fused                      as it is here, uncommitted changes included
    torch.fused@v0.1                 as it was in that git revision (tag, branch, HEAD~3, commit)
    torch.fused@../old/bin/python    as it is here, under another interpreter and its packages

Only the code under test comes from the other revision. Its folder ``measure`` is replaced by the
one in use, so that a change of the harness does not count as one of the implementation. Another
interpreter needs numpy, psutil and threadpoolctl as well as the framework.
"""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from lstmbench.core.registry import check_name
from lstmbench.errors import LstmbenchError
from lstmbench.measure.environment import run_git

PACKAGE = Path(__file__).resolve().parents[1]
NO_CACHES = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True)
class Variant:
    """One of the two implementations that are compared.

    Attributes:
        label: its name in the records: the implementation, and after an ``@`` its commit or the
            version of its interpreter. It contains no path.
        name: the implementation.
        python: the interpreter; the current one if None.
        revision: the commit of its code; "" for the code that is in use here.
    """

    label: str
    name: str
    python: str | None = None
    revision: str = ""

    @property
    def cli_spec(self) -> str:
        """The argument of ``--ab`` for it; an interpreter's path is replaced by its version."""
        if self.revision:
            return f"{self.name}@{self.revision}"
        return self.label.removesuffix("@again")

    @property
    def needs_own_process(self) -> bool:
        """Whether its code or interpreter differs, so that it cannot share a fork server."""
        return self.python is not None or bool(self.revision)

    def unpack(self, scratch: Path) -> Path | None:
        """Return the folder to import its code from, created on first use; None if that is here.

        Raises:
            LstmbenchError: if the revision has no package that this version can measure.
        """
        if not self.needs_own_process:
            return None
        folder = scratch / f"code-{self.revision or 'here'}"
        if folder.exists():
            return folder
        package = folder / "lstmbench"
        if not self.revision:
            shutil.copytree(PACKAGE, package, ignore=NO_CACHES)
            return folder
        problem = f"{self.label} has no package lstmbench"
        packed = _git("archive", self.revision, "lstmbench", problem=problem)
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # since 3.11.4
            archive.extractall(folder)
        if not (package / "core").is_dir():
            shutil.rmtree(folder)
            raise LstmbenchError(
                f"{self.label} is older than lstmbench 0.2, whose modules have other names; "
                "choose a newer revision."
            )
        shutil.rmtree(package / "measure", ignore_errors=True)
        shutil.copytree(PACKAGE / "measure", package / "measure", ignore=NO_CACHES)
        return folder


def read_variants(first: str, second: str) -> tuple[Variant, Variant]:
    """Return both variants of an A/B comparison; the module's docstring shows how to name them.

    Raises:
        LstmbenchError: if an implementation, a git revision or an interpreter does not exist.
    """
    a, b = _read_variant(first), _read_variant(second)
    if a.label == b.label:  # the same code, or two interpreters of one version
        b = replace(b, label=b.label + ("-again" if "@" in b.label else "@again"))
    return a, b


def stored_variants(labels: Sequence[str]) -> Sequence[Variant]:
    """Return the variants with these labels, to resume a run. Stored paths are never executed.

    Raises:
        LstmbenchError: if one ran under another interpreter, or its revision is not available.
    """
    specs = [label.removesuffix("@again").removesuffix("-again") for label in labels]
    if len(specs) != 2 or any(os.sep in spec or "@python-" in spec for spec in specs):
        raise LstmbenchError(
            "An A/B comparison with another interpreter cannot be resumed by --resume; "
            "repeat its command with --ab."
        )
    return read_variants(*specs)


def _read_variant(spec: str) -> Variant:
    name, at, version = spec.partition("@")
    check_name(name)
    if not at:
        return Variant(name, name)
    if not version:
        raise LstmbenchError(
            f"{spec!r}: put a git revision or the path of a Python interpreter after the @."
        )
    if os.sep in version and Path(version).is_file():
        label = f"{name}@python-{_python_version(version)}"
        return Variant(label, name, python=os.path.abspath(version))
    if version.startswith("-"):
        raise LstmbenchError(f"{spec!r}: {version!r} is not a git revision.")
    problem = f"{spec!r}: {version!r} is neither a Python interpreter here nor a git revision"
    words = ("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}")
    commit = _git(*words, problem=problem).decode().strip()
    return Variant(f"{name}@{commit[:10]}", name, revision=commit)


def _python_version(python: str) -> str:
    code = "import platform; print(platform.python_version())"
    try:
        answer = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        raise LstmbenchError(f"{python!r} is not a Python interpreter that runs here.") from None
    version = answer.stdout.strip()
    if not version.replace(".", "").isalnum():
        raise LstmbenchError(
            f"{python!r} is not a Python interpreter: asked for its version, it printed "
            f"{version[:80]!r}."
        )
    return version


def _git(*words: str, problem: str) -> bytes:
    """Run git in the checkout that this package runs from.

    Raises:
        LstmbenchError: if git fails; the message is ``problem`` with git's reason.
    """
    root = PACKAGE.parent
    if not os.path.exists(root / ".git"):
        raise LstmbenchError(f"{problem}: the package does not run from a git checkout.")
    try:
        return run_git(root, *words)
    except LstmbenchError as error:
        reason = str(error)
    if not reason and run_git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
        reason = "the checkout is a shallow clone; git fetch --unshallow gets its earlier commits"
    reason = f" ({reason})" if reason else ""
    raise LstmbenchError(f"{problem} in the git checkout that the package runs from{reason}.")
