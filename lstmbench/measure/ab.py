"""The two sides of a duel: implementations as they are here, in another git revision, or under
another interpreter.

    torch.fused              as it is here and now, uncommitted changes included
    torch.fused@v0.1         as it was in that revision (a tag, a branch, HEAD~3, a commit)
    torch.fused@../old/bin/python    as it is here, under another interpreter with its own packages

Only what is under test comes from the other revision. Its harness, the folder ``measure``, is
replaced by the one at work here, so that a change of the harness is not taken for one of the
implementation. The other interpreter needs numpy, psutil and threadpoolctl beside the framework.
"""

import os
import shutil
import subprocess
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from lstmbench.core.registry import check_name
from lstmbench.errors import LstmbenchError
from lstmbench.measure.environment import run_git

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Variant:
    """One side of a duel.

    Attributes:
        label: how records name it: the implementation, and after an ``@`` what sets it apart. No
            path is in it.
        name: the implementation.
        python: the interpreter to run it under; this one if None.
        revision: the commit that its code comes from; "" for the code that is at work here.
    """

    label: str
    name: str
    python: str | None = None
    revision: str = ""

    @property
    def asked(self) -> str:
        """How to ask for it again; an interpreter is named by its version, for its path is nobody
        else's.
        """
        return (
            f"{self.name}@{self.revision}" if self.revision else self.label.removesuffix("@again")
        )

    @property
    def apart(self) -> bool:
        """Whether it needs processes of its own kind."""
        return self.python is not None or bool(self.revision)

    def unpack(self, scratch: Path) -> Path | None:
        """Return a folder from which its code is imported, made if it is not there yet; None if
        that is here.

        Raises:
            LstmbenchError: if the revision has no such package.
        """
        if not self.apart:
            return None
        folder = scratch / f"code-{self.revision or 'here'}"
        if folder.exists():
            return folder
        if self.revision:
            packed = _git(
                "archive", self.revision, "lstmbench", what=f"{self.label} has no package lstmbench"
            )
            with tarfile.open(fileobj=BytesIO(packed)) as archive:
                if hasattr(tarfile, "data_filter"):  # from Python 3.11.4 on
                    archive.extractall(folder, filter="data")
                else:
                    archive.extractall(folder)
            if not (folder / "lstmbench" / "core").is_dir():
                shutil.rmtree(folder)
                raise LstmbenchError(
                    f"{self.label} is older than lstmbench 0.2, whose modules have other names; "
                    "compare revisions since then."
                )
            shutil.rmtree(folder / "lstmbench" / "measure", ignore_errors=True)
            shutil.copytree(
                PACKAGE / "measure", folder / "lstmbench" / "measure", ignore=_no_caches
            )
        else:
            shutil.copytree(PACKAGE, folder / "lstmbench", ignore=_no_caches)
        return folder


def sides(first: str, second: str) -> tuple[Variant, Variant]:
    """Read both sides of a duel, see above for how they are written.

    Raises:
        LstmbenchError: if an implementation is not known, or there is neither such an interpreter
            nor such a revision.
    """
    one, other = _side(first), _side(second)
    if one.label == other.label:  # against itself, or under two interpreters of the same version
        join = "-" if "@" in other.label else "@"
        other = Variant(f"{other.label}{join}again", other.name, other.python, other.revision)
    return one, other


def _side(text: str) -> Variant:
    name, at, where = text.partition("@")
    check_name(name)
    if not at:
        return Variant(name, name)
    if not where:
        raise LstmbenchError(
            f"{text!r}: after @ comes a git revision, or the path of a Python interpreter."
        )
    if os.sep in where and Path(where).is_file():
        return Variant(f"{name}@python-{_version(where)}", name, python=os.path.abspath(where))
    if where.startswith("-"):
        raise LstmbenchError(f"{text!r}: {where!r} is no git revision.")
    told = f"{text!r}: there is no interpreter {where!r} here, and no git revision of that name"
    commit = (
        _git("rev-parse", "--verify", "--quiet", f"{where}^{{commit}}", what=told).decode().strip()
    )
    return Variant(f"{name}@{commit[:10]}", name, revision=commit)


def _version(python: str) -> str:
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
            f"{python!r} is no Python interpreter: asked for its version, it said {version[:80]!r}."
        )
    return version


def _git(*words: str, what: str) -> bytes:
    """Ask git about the checkout that this package runs from.

    Raises:
        LstmbenchError: if it refuses; ``what`` is said, and git's reason.
    """
    root = PACKAGE.parent
    if not os.path.exists(root / ".git"):
        raise LstmbenchError(f"{what}: the package runs from no git checkout.")
    try:
        return run_git(root, *words)
    except LstmbenchError as error:
        reason = str(error)
    with suppress(LstmbenchError):
        if not reason and run_git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
            reason = (
                "the checkout is a shallow clone; git fetch --unshallow brings its earlier commits"
            )
    reason = f" ({reason})" if reason else ""
    raise LstmbenchError(f"{what} in the git checkout that the package runs from{reason}.")


def _no_caches(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__"}
