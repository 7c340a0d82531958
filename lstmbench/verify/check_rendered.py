"""Check tables, figures and pages: they are rendered again in memory and compared byte by byte."""

from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from lstmbench.report.provenance import part
from lstmbench.results.checksums import CHECKSUMS
from lstmbench.results.store import FILES
from lstmbench.verify.difference import difference
from lstmbench.verify.finding import Finding, unverifiable

Render = Callable[[Path], Mapping[str, bytes]]

DRAWN_WITH = ("matplotlib", "seaborn", "pillow")
"""The packages that the bytes of a figure depend on."""
OF_TWO_RUNS = ("comparison.md", "reproduction.md", "reproduction.csv")
"""Files in a run's folder that also depend on another run."""


def check_rendered(folder: Path, manifest: Mapping[str, Any], render: Render) -> Iterator[Finding]:
    """Yield rendered files that are missing or differ, and files that are not rendered."""
    rendered, files = render(folder), _files(folder)
    if not rendered.keys() & files.keys():
        what = "not there, nor tables and figures: 'lstmbench table' makes them."
        yield Finding("README.md", what, "unverifiable")
        return
    figures = []
    for name, expected in rendered.items():
        if name not in files:
            yield Finding(name, "missing.")
            continue
        try:
            actual = files[name].read_bytes()
        except OSError as error:
            yield unverifiable(name, error, folder, "cannot be read: ")
            continue
        if actual != expected:
            finding = Finding(name, difference(actual, expected))
            if name.startswith("figures/"):
                figures.append(finding)
            else:
                yield finding
    versions = _other_versions(manifest)
    yield from [Finding("figures", versions, "remark")] if figures and versions else figures
    for name in sorted(files.keys() - rendered.keys() - {*FILES, CHECKSUMS}):
        if name in OF_TWO_RUNS:
            yield Finding(name, "not verified: it does not follow from this run alone.", "remark")
        else:
            yield Finding(name, "an extra file, which the records do not give.")


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of a run by name, without notebooks and hidden files."""
    names = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        name.as_posix(): path
        for name, path in names.items()
        if name.parts[0] != "notebooks" and not any(piece.startswith(".") for piece in name.parts)
    }


def _other_versions(manifest: Mapping[str, Any]) -> str:
    """Return the versions that the figures were drawn with, if other ones are installed here."""
    recorded = part(manifest, "packages")
    here = {name: metadata.version(name) for name in DRAWN_WITH}
    others = [name for name in DRAWN_WITH if recorded.get(name) not in (None, here[name])]
    drawn, own = (", ".join(f"{name} {of[name]}" for name in others) for of in (recorded, here))
    return f"cannot be compared: drawn by {drawn}, here is {own}." if others else ""
