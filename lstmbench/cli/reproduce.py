"""``lstmbench reproduce``: measure a published table again."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from lstmbench.cli.program import Progress, app, console, handle_broken_pipe
from lstmbench.errors import LstmbenchError

EXAMPLES = (
    "Examples: `lstmbench reproduce quick-ratio` · "
    "`lstmbench reproduce quick-ratio --results results/here --run results/there`"
)
TableName = Annotated[
    str, typer.Argument(metavar="TABLE", help="The table's name, such as quick-ratio.")
]
Results = Annotated[
    Path,
    typer.Option(help="The run with the table, or a folder of runs: its newest run with it."),
]
Out = Annotated[
    Path | None, typer.Option(help="The new run's folder. Default: beside the run with the table.")
]
OtherRun = Annotated[
    Path | None,
    typer.Option("--run", help="Measure nothing; compare the table with the run in this folder."),
]


@app.command(epilog=EXAMPLES)
def reproduce(
    table: TableName,
    results: Results = Path("results"),
    out: Out = None,
    run: OtherRun = None,
    progress: Progress = True,
) -> None:
    """Measure a published table again, here, and say for each row whether its ratio agrees.

    The suite is the one that the table's run recorded; the seed is new. The report,
    `reproduction.md`, is written into the new run's folder. Exit code: 0 at least 95 % of the
    comparable ratios agree, 1 fewer agree or a result is wrong, 2 no ratio is comparable.
    """
    from lstmbench import report
    from lstmbench import reproduce as reproduction_run
    from lstmbench.report.comparison.reproduction import reproduction

    if run is not None and out is not None:
        raise LstmbenchError("--run measures nothing; it cannot be combined with --out.")
    base = reproduction_run.find_run(table, results)
    if run is None:
        folder = out or reproduction_run.new_folder(base)
        with handle_broken_pipe(signal.SIG_IGN):
            run = reproduction_run.measure_again(base, folder, progress).folder
        report.write(run)
    outcome = reproduction(table, base, run)
    console.print(outcome.summary)
    console.print(str(reproduction_run.write_report(outcome, run)))
    raise typer.Exit(outcome.exit_code)
