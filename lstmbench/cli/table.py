"""``lstmbench table``: render a run, or the index of a folder of runs."""

from pathlib import Path
from typing import Annotated

import typer

from lstmbench.cli.program import app, console, unknown_format
from lstmbench.errors import LstmbenchError

EXAMPLES = (
    "Examples: `lstmbench table results/my-run` · "
    "`lstmbench table results/my-run --id quick-ratio --format tex`"
)
Folder = Annotated[Path, typer.Argument(help="A run's folder, or a folder of runs.")]
Id = Annotated[str | None, typer.Option("--id", help="Print only this table; write nothing.")]
Format = Annotated[str, typer.Option("--format", help="With --id: md, tex or csv.")]


@app.command(epilog=EXAMPLES)
def table(folder: Folder, id_: Id = None, format_: Format = "md") -> None:
    """Render tables, figures and the page of a run, or the index of a folder of runs."""
    from lstmbench import report
    from lstmbench.report.tables.machines import machine_tables
    from lstmbench.report.tables.shown_records import run_tables
    from lstmbench.results.runs import newest_first
    from lstmbench.results.store import is_run, run_folders

    if id_ is None and format_ != "md":
        raise LstmbenchError("--format applies to one table; name the table with --id.")
    has_runs = not is_run(folder) and run_folders(folder)
    if id_ is None and has_runs:
        console.print(str(report.write_index(folder)))
        return
    all_tables = machine_tables(newest_first(folder)) if has_runs else run_tables(folder)
    tables = {table.id: table for table in all_tables}
    if id_ is None:
        report.write(folder)
        for table in tables.values():
            print(table.markdown())
        return
    if id_ not in tables:
        known = f"the tables are {', '.join(tables)}"
        reason = known if tables else "no suite was measured on two machines"
        raise LstmbenchError(f"There is no table {id_!r} in {folder}; {reason}.")
    chosen = tables[id_]
    formats = {"md": chosen.markdown, "tex": chosen.latex, "csv": chosen.csv}
    if format_ not in formats:
        raise unknown_format(format_, formats)
    print(formats[format_]())
