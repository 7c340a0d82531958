"""``lstmbench table``: render a run, or the index of a folder of runs."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lstmbench.cli.program import app, choose_format, console
from lstmbench.errors import LstmbenchError

EXAMPLES = (
    "Examples: `lstmbench table results/my-run` · "
    "`lstmbench table results/my-run --id quick-ratio --format tex`"
)


@app.command(epilog=EXAMPLES)
def table(
    folder: Annotated[Path, Argument(help="A run's folder, or a folder of runs.")],
    id_: Annotated[str | None, Option("--id", help="Print only this table; write nothing.")] = None,
    format_: Annotated[str, Option("--format", help="With --id: md, tex or csv.")] = "md",
) -> None:
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
    tables = machine_tables(newest_first(folder)) if has_runs else run_tables(folder)
    if id_ is None:
        report.write(folder)
        for table in tables:
            print(table.markdown())
        return
    chosen = {table.id: table for table in tables}
    if id_ not in chosen:
        known = f"the tables are {', '.join(chosen)}"
        reason = known if chosen else "no suite was measured on two machines"
        raise LstmbenchError(f"There is no table {id_!r} in {folder}; {reason}.")
    table = chosen[id_]
    to_text = {"md": table.markdown, "tex": table.latex, "csv": table.csv}
    print(choose_format(format_, to_text)())
