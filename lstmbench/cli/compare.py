"""``lstmbench compare``: compare two runs case by case."""

from pathlib import Path
from typing import Annotated

import typer

from lstmbench.cli.program import app, unknown_format

Base = Annotated[Path, typer.Argument(help="The folder of the run to compare with.")]
New = Annotated[Path, typer.Argument(help="The folder of the run to judge.")]
Threshold = Annotated[float, typer.Option(help="The smallest change that matters, as a fraction.")]
By = Annotated[
    str | None,
    typer.Option(help="ratio or time. Default: ratio if both runs have the same reference."),
]
Format = Annotated[str, typer.Option("--format", help="md or json.")]
AcrossMachines = Annotated[
    bool, typer.Option("--across-machines", help="Also compare ratios of two machines.")
]
Out = Annotated[
    Path | None, typer.Option(help="Write the report to this file; print one sentence.")
]


@app.command(epilog="Example: `lstmbench compare results/before results/after --out comment.md`")
def compare(
    base: Base,
    new: New,
    threshold: Threshold = 0.05,
    by: By = None,
    format_: Format = "md",
    across_machines: AcrossMachines = False,
    out: Out = None,
) -> None:
    """Compare two runs case by case: slower, faster, same, ambiguous, or why not comparable.

    Exit code: 0 no regression, 1 some case is slower, 2 nothing can be compared or a measured case
    now fails, 3 every verdict is ambiguous, 4 an implementation in NEW did not compute the LSTM.
    """
    from lstmbench.files import write_atomically
    from lstmbench.report.comparison.compare import compare as compare_runs

    if format_ not in ("md", "json"):
        raise unknown_format(format_, ("md", "json"))
    comparison = compare_runs(
        base, new, threshold=threshold, by=by, across_machines=across_machines
    )
    text = comparison.markdown() if format_ == "md" else comparison.json()
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)
        print(comparison.summary)
    raise typer.Exit(comparison.exit_code)
