"""Count how many of many single changes to a run `lstmbench verify` finds and names.

    python validation/tamper.py results/RUN [--changes 100] [--seed 0] [--without-sums]

Each change is made to a copy of the run, and taken back before the next: a digit of a table or of
the manifest, a byte of a figure, a page or a notebook, a number in the records, the time of a
sample, a deleted file. A run made before there were checksums gets them in the copy first;
`--without-sums` shows what is found without. Exit code 1 if a change is not found.
"""

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lstmbench.report.page.write_report import render
from lstmbench.results.checksums import CHECKSUMS, add_checksum
from lstmbench.results.store import Store, read_manifest
from lstmbench.verify.verify import verify


class Outcome(NamedTuple):
    """A change, its file, whether it was found, and whether a finding names the file."""

    kind: str
    name: str
    found: bool
    named: bool


def with_one_digit_changed(text: str, draw: random.Random) -> str:
    """Return the text with one digit changed; an exponent's stays."""
    places = [k for k, letter in enumerate(text.partition("e")[0]) if letter.isdigit()]
    at = draw.choice(places)
    return (
        text[:at]
        + draw.choice([digit for digit in "0123456789" if digit != text[at]])
        + text[at + 1 :]
    )


def change_digit(path: Path, draw: random.Random) -> None:
    """Change one digit of a text."""
    data = bytearray(path.read_bytes())
    at = draw.choice([k for k, byte in enumerate(data) if chr(byte).isdigit()])
    data[at] = ord(with_one_digit_changed(chr(data[at]), draw))
    path.write_bytes(data)


def change_byte(path: Path, draw: random.Random) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= draw.randrange(1, 256)
    path.write_bytes(data)


def change_number(path: Path, draw: random.Random) -> None:
    """Change one digit of one number that was measured, in Parquet."""
    table = pd.read_parquet(path)
    names = [
        name for name in table.columns if table[name].dtype.kind == "f" and table[name].gt(0).any()
    ]
    column = "seconds" if "seconds" in names else draw.choice(names)
    row = draw.choice([k for k, value in enumerate(table[column]) if pd.notna(value) and value > 0])
    before = float(table[column].iloc[row])
    while table[column].iloc[row] == before:
        table.loc[row, column] = float(with_one_digit_changed(repr(before), draw))
    table.to_parquet(path, index=False)


def delete(path: Path, _: random.Random) -> None:
    """Remove the file."""
    path.unlink()


CHANGES: Mapping[str, tuple[str, Callable[[Path, random.Random], None]]] = {
    "a digit of a table": ("tables/*", change_digit),
    "a byte of a figure": ("figures/*", change_byte),
    "a byte of a page": ("README.md", change_byte),
    "a digit of records.csv": ("records.csv", change_digit),
    "a number in the records": ("records.parquet", change_number),
    "the time of a sample": ("samples.parquet", change_number),
    "a digit of the manifest": ("manifest.json", change_digit),
    "a byte of a notebook": ("notebooks/*.ipynb", change_byte),
    "a file that goes": ("**/*", delete),
}


def tampered(run: Path, changes: int, seed: int) -> Iterator[Outcome]:
    """Make so many changes to the run, one after the other, each taken back, and yield what
    verifying said.
    """
    draw, rendering = random.Random(seed), CachedRendering()
    kinds = [
        kind for kind, (pattern, _) in CHANGES.items() if any(run.glob(pattern))
    ]  # not each run has notebooks
    for count in range(changes):
        kind = kinds[count % len(kinds)]
        pattern, change = CHANGES[kind]
        path = draw.choice(sorted(path for path in run.glob(pattern) if path.is_file()))
        before, name = path.read_bytes(), path.relative_to(run).as_posix()
        change(path, draw)
        try:
            found = [
                finding for finding in verify(run, render=rendering) if finding.weight != "remark"
            ]
        finally:
            path.write_bytes(before)
        yield Outcome(kind, name, bool(found), any(name in str(finding) for finding in found))


class CachedRendering:
    """Renders a run, and keeps the files: most changes do not touch what they are made from."""

    def __init__(self) -> None:
        self.files: dict[str, Mapping[str, bytes]] = {}

    def __call__(self, folder: Path) -> Mapping[str, bytes]:
        """Return the files of a run."""
        state = hashlib.sha256(
            "".join(path.name for path in sorted(folder.glob("notebooks/*.ipynb"))).encode()
        )
        for name in ("manifest.json", "records.parquet"):
            state.update((folder / name).read_bytes())
        if state.hexdigest() not in self.files:
            self.files[state.hexdigest()] = render(folder)
        return self.files[state.hexdigest()]


def add_checksums(run: Path) -> None:
    """Add the checksums that a run gets today."""
    Store(run).seal(read_manifest(run))
    for path in run.glob("notebooks/*.ipynb"):
        add_checksum(path)


def main() -> int:
    """Tamper with a copy, and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-sums", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(shutil.copytree(options.run, Path(scratch) / options.run.name))
        if options.without_sums:
            for path in run.rglob(CHECKSUMS):
                path.unlink()
            manifest = read_manifest(run)
            manifest.pop("sums", None)
            Store(run).write_manifest(manifest)
        elif not (run / CHECKSUMS).is_file():
            add_checksums(run)
        outcomes = list(tampered(run, options.changes, options.seed))
    for kind in CHANGES:
        of_kind = [outcome for outcome in outcomes if outcome.kind == kind]
        found = sum(outcome.found for outcome in of_kind)
        named = sum(outcome.named for outcome in of_kind)
        print(f"{kind}: {found} of {len(of_kind)} found, {named} with the file named")
    for outcome in outcomes:
        if not outcome.named:
            print(
                f"  {'not named' if outcome.found else 'NOT FOUND'}: {outcome.kind}, {outcome.name}"
            )
    print(f"{sum(outcome.found for outcome in outcomes)} of {len(outcomes)} changes found")
    return 0 if all(outcome.found for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
