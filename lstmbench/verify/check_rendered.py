"""Are tables, figures and pages what the records give? They are rendered again, in memory, and
compared by bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from lstmbench.report.provenance import part
from lstmbench.results.checksums import CHECKSUMS
from lstmbench.results.store import FILES
from lstmbench.verify.difference import difference
from lstmbench.verify.finding import Finding

Render = Callable[[Path], Mapping[str, bytes]]

DRAWN_WITH = ("matplotlib", "pillow")
"""The packages that the bytes of a figure depend on."""
NOT_OF_THE_RECORDS = ("comparison.md", "reproduction.md", "reproduction.csv")
"""What a run's folder may hold that another run has a part in."""


def check_rendered(folder: Path, manifest: Mapping[str, Any], render: Render) -> Iterator[Finding]:
    """Yield what is not as it is rendered, what is missing, and what is there beside it."""
    right = render(folder)
    there = {name: path for name, path in _files(folder) if not name.startswith("notebooks/")}
    if not any(name in there for name in right):
        yield Finding(
            "README.md",
            "not there, nor tables and figures: 'lstmbench table' makes them.",
            "unverifiable",
        )
        return
    strange: list[Finding] = []
    for name, content in right.items():
        if name not in there:
            yield Finding(name, "missing.")
        elif (found := _read(there[name])) is None:
            yield Finding(name, "cannot be read.", "unverifiable")
        elif found != content:
            differs = Finding(name, difference(found, content))
            if name.startswith("figures/"):
                strange.append(differs)
            else:
                yield differs
    others = _other_versions(manifest)
    yield from [Finding("figures", others, "remark")] if strange and others else strange
    for name in sorted(set(there) - set(right) - {*FILES, CHECKSUMS}):
        if name in NOT_OF_THE_RECORDS:
            yield Finding(name, "not verified: it does not follow from this run alone.", "remark")
        else:
            yield Finding(name, "an extra file, which the records do not give.")


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a run by their names in it; hidden ones are no one's results."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), path


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _other_versions(manifest: Mapping[str, Any]) -> str:
    """Say by which other versions than those here the figures were drawn; "" if by none that is
    known.
    """
    recorded = part(manifest, "packages")
    here = {name: metadata.version(name) for name in DRAWN_WITH}
    others = [name for name in DRAWN_WITH if recorded.get(name) not in (None, here[name])]
    drawn, own = (", ".join(f"{name} {of[name]}" for name in others) for of in (recorded, here))
    return f"cannot be compared: drawn by {drawn}, here is {own}." if others else ""
