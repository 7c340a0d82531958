"""``lstmbench merge``: bring the runs of several machines into one folder."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lstmbench.cli.program import app, console


@app.command(epilog="Example: `lstmbench merge from-a from-b/results --out results`")
def merge(
    folders: Annotated[list[Path], Argument(help="Runs' folders, or folders of runs.")],
    out: Annotated[
        Path, Option(help="The folder of runs to copy to; the runs already in it are kept.")
    ],
) -> None:
    """Copy runs of several machines into one folder, and compare their ratios in its index.

    A run that is given twice is copied once. Runs that are not finished, cannot be read or
    contradict each other are refused.
    """
    from lstmbench import report
    from lstmbench.results.merge import merge as merge_runs

    for merged in merge_runs(folders, out):
        action = "copied to" if merged.copied else "is already"
        console.print(f"{merged.run_id}: {action} {merged.folder}")
    console.print(str(report.write_index(out)))
