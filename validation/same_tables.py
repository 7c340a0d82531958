"""Prove that all tables are the same before and after a change of the code that renders them.

    python validation/same_tables.py [BEFORE] [AFTER] [--results results]

BEFORE and AFTER are each a folder of runs, a git revision, or the word `records`, which renders the
records in the folder of runs again, in memory. Without arguments, the committed tables (HEAD) are
compared with the records. Compared are every text of each table in Markdown (caption, heads,
headings, labels, cells, notes, footer) and every field of its CSV; the numbers in LaTeX are
compared with those of Markdown. A new line in a footer is reported, but is not a difference.

Exit code 1 if anything else differs, or nothing was compared.
"""

import argparse
import csv
import html
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lstmbench.report.tables.machines import machine_tables
from lstmbench.report.tables.shown_records import run_tables
from lstmbench.results.runs import newest_first

Tables = dict[str, str]
"""The text of each table in a format, by a name such as ``RUN/quick-speed.md``."""


def rendered(results: Path) -> Tables:
    """Return the tables that the records of these runs give."""
    tables: Tables = {}
    folders = sorted(path.parent for path in results.glob("*/manifest.json"))
    for folder in folders:
        for table in run_tables(folder):
            for ending, text in (
                ("md", table.markdown()),
                ("csv", table.csv()),
                ("tex", table.latex()),
            ):
                tables[f"{folder.name}/{table.id}.{ending}"] = text
    for table in machine_tables(newest_first(results)):
        tables[f"machines/{table.id}.md"] = table.markdown()
    return tables


def written(results: Path) -> Tables:
    """Return the tables that lie in a folder of runs; those of several machines are in its page."""
    tables = {
        f"{path.parents[1].name}/{path.name}": path.read_bytes().decode()
        for path in sorted(results.glob("*/tables/*"))
        if path.suffix in (".md", ".csv", ".tex")
    }
    page = results / "README.md"
    if page.is_file():
        _, _, machines = page.read_text(encoding="utf-8").partition("## Several machines\n\n")
        for text in re.split(r"(?m)^(?=\*\*[a-z0-9-]+\.\*\*)", machines):
            if text.strip():
                tables[f"machines/{text[2:].partition('.')[0]}.md"] = text
    return tables


def tables_of(source: str, results: Path) -> Tables:
    """Return the tables of a folder, of a git revision, or of the records."""
    if source == "records":
        return rendered(results)
    if Path(source).is_dir():
        return written(Path(source))
    command = ["git", "-C", str(results), "archive", source, "."]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with (
        tempfile.TemporaryDirectory() as folder,
        tarfile.open(fileobj=io.BytesIO(archive)) as files,
    ):
        files.extractall(folder, filter="data")
        return written(Path(folder))


def texts(name: str, text: str) -> list[str]:
    """Return all texts of a table in their order, without the signs of its format."""
    if name.endswith(".csv"):
        return [field for row in csv.reader(io.StringIO(text)) for field in row]
    plain = html.unescape(re.sub(r"</?sub>|<br>$", "", text, flags=re.MULTILINE)).replace(
        "\\_", "_"
    )
    cells = (
        re.split(r"(?<!\\)\|", line.strip("| ")) if line.startswith("|") else [line]
        for line in plain.splitlines()
    )
    return [cell.strip() for row in cells for cell in row]


def numbers(name: str, text: str) -> list[str]:
    """Return the numbers in the cells of a table, sorted: LaTeX may set them in another order."""
    if name.endswith(".md"):
        rows = [
            line
            for line in text.splitlines()
            if line.startswith("| ") and not line.startswith("| **")
        ][2:]
        cells = " ".join(line.partition(" | ")[2] for line in rows)
    else:
        _, _, body = text.partition("\\endlastfoot")
        rows = body.partition("\\end{longtable}")[0].replace("[-2pt]", "").splitlines()
        cells = " ".join(row.partition("&")[2] for row in rows if "&" in row)
    return sorted(re.findall(r"\d[\d.,]*(?:e[-+]\d+)?", re.sub(r", ", " ", cells)))


def differences(before: Tables, after: Tables) -> Iterator[str]:
    """Yield what differs; a remark on a new line of a footer begins with ``new``."""
    for name in sorted({*before, *after}):
        if name.endswith(".tex"):
            continue
        if name not in before or name not in after:
            yield f"{name}: only {'before' if name in before else 'after'}"
            continue
        old, new = texts(name, before[name]), texts(name, after[name])
        _, _, footer = after[name].partition("<sub>")
        for text in [text for text in texts(name, footer) if text and text not in old]:
            yield f"new line of the footer in {name}: {text}"
            new.remove(text)
        for one, other in zip(old, new, strict=False):
            if one != other:
                yield f"{name}: {one!r} became {other!r}"
                break
        else:
            if len(old) != len(new):
                yield f"{name}: {len(old)} texts became {len(new)}"
    for name in (name for name in after if name.endswith(".tex")):
        markdown = name.replace(".tex", ".md")
        if numbers(markdown, after[markdown]) != numbers(name, after[name]):
            yield f"{name}: other numbers than in {markdown}"


def main() -> int:
    """Compare, print what differs, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", nargs="?", default="HEAD")
    parser.add_argument("after", nargs="?", default="records")
    parser.add_argument("--results", type=Path, default=Path("results"))
    options = parser.parse_args()
    before, after = (
        tables_of(source, options.results) for source in (options.before, options.after)
    )
    found = list(differences(before, after))
    print(*found, sep="\n")
    wrong = [line for line in found if not line.startswith("new line of the footer")]
    compared = [name for name in after if name in before and name.endswith((".md", ".csv"))]
    count = sum(len(texts(name, after[name])) for name in compared)
    print(f"{len(compared)} files, {count:,} texts compared: {len(wrong)} differences.")
    return 1 if wrong or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
