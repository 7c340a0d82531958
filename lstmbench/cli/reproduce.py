"""``lstmbench reproduce``: measure a published table again."""

import signal
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from lstmbench.cli.program import Progress, Results, app, console, handle_broken_pipe
from lstmbench.errors import LstmbenchError

EXAMPLES = (
    "Examples: `lstmbench reproduce quick-ratio` · "
    "`lstmbench reproduce quick-ratio --results results/here --run results/there`"
)


@app.command(epilog=EXAMPLES)
def reproduce(
    table: Annotated[str, Argument(metavar="TABLE", help="The table's name, such as quick-ratio.")],
    results: Results = Path("results"),
    out: Annotated[
        Path | None, Option(help="The new run's folder. Default: beside the run with the table.")
    ] = None,
    run: Annotated[
        Path | None,
        Option(help="Measure nothing; compare the table with the run in this folder."),
    ] = None,
    progress: Progress = True,
) -> None:
    """Measure a published table again, here, and say for each row whether its ratio agrees.

    The suite is the one that the table's run recorded; the seed is new. The report,
    `reproduction.md`, is written into the new run's folder. Exit code: 0 at least 95 % of the
    comparable ratios agree, 1 fewer agree or a result is wrong, 2 no ratio is comparable.
    """
    from lstmbench import report
    from lstmbench.report.comparison.reproduction import reproduction
    from lstmbench.reproduce import find_run, measure_again, write_report

    if run is not None and out is not None:
        raise LstmbenchError("--run measures nothing; it cannot be combined with --out.")
    base = find_run(table, results)
    if run is None:
        with handle_broken_pipe(signal.SIG_IGN):
            run = measure_again(base, out, progress).folder
        report.write(run)
    outcome = reproduction(table, base, run)
    console.print(outcome.summary)
    console.print(str(write_report(outcome, run)))
    raise Exit(outcome.exit_code)
