"""``lstmbench compare``: compare two runs case by case."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from lstmbench.cli.program import app, choose_format


@app.command(epilog="Example: `lstmbench compare results/before results/after --out comment.md`")
def compare(
    base: Annotated[Path, Argument(help="The folder of the run to compare with.")],
    new: Annotated[Path, Argument(help="The folder of the run to judge.")],
    threshold: Annotated[
        float, Option(help="The smallest change that matters, as a fraction.")
    ] = 0.05,
    by: Annotated[
        str | None,
        Option(help="ratio or time. Default: ratio if both runs have the same reference."),
    ] = None,
    format_: Annotated[str, Option("--format", help="md or json.")] = "md",
    across_machines: Annotated[
        bool, Option("--across-machines", help="Also compare ratios of two machines.")
    ] = False,
    out: Annotated[
        Path | None, Option(help="Write the report to this file; print one sentence.")
    ] = None,
) -> None:
    """Compare two runs case by case: slower, faster, same, ambiguous, or why not comparable.

    Exit code: 0 no regression, 1 some case is slower, 2 nothing can be compared or a measured case
    now fails, 3 every verdict is ambiguous, 4 an implementation in NEW did not compute the LSTM.
    """
    from lstmbench.files import write_atomically
    from lstmbench.report.comparison.compare import compare as compare_runs
    from lstmbench.report.comparison.comparison import Comparison

    to_text = choose_format(format_, {"md": Comparison.markdown, "json": Comparison.json})
    comparison = compare_runs(
        base, new, threshold=threshold, by=by, across_machines=across_machines
    )
    text = to_text(comparison)
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)
        print(comparison.summary)
    raise Exit(comparison.exit_code)
