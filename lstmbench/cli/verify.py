"""``lstmbench verify``: check committed runs."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit

from lstmbench.cli.program import app

SUMMARIES = ("nothing differs.", "it differs.", "not all of it can be verified.")
"""By exit code."""


@app.command(epilog="Examples: `lstmbench verify results` · `lstmbench verify results/my-run`")
def verify(
    folder: Annotated[Path, Argument(help="A run's folder, or a folder of runs with its index.")],
) -> None:
    """Check checksums, compare records with their samples, and render everything again.

    Nothing is written. Each finding is one line. Exit code: 0 nothing differs, 1 something
    differs, 2 something cannot be verified.
    """
    from lstmbench.verify.finding import exit_code
    from lstmbench.verify.verify import verify as verify_folder

    findings = verify_folder(folder)
    for finding in findings:
        print(finding)
    code = exit_code(findings)
    print(f"{folder}: {SUMMARIES[code]}")
    raise Exit(code)
