"""``lstmbench cite``: print citations of a table."""

from pathlib import Path
from typing import Annotated

import typer

from lstmbench.cli.program import app, unknown_format

EXAMPLES = "Examples: `lstmbench cite quick-ratio` · `lstmbench cite quick-ratio --format bibtex`"
TableId = Annotated[str, typer.Argument(help="A table's id, as printed in its footer.")]
Results = Annotated[
    Path, typer.Option(help="The run with the table, or a folder of runs: its newest run with it.")
]
Format = Annotated[
    str | None, typer.Option("--format", help="bibtex, latex or markdown. Default: all of them.")
]


@app.command(epilog=EXAMPLES)
def cite(table: TableId, results: Results = Path("results"), format_: Format = None) -> None:
    """Print how to cite a table and this software, in BibTeX, LaTeX and Markdown."""
    from lstmbench.report.cite import cite as citations_of

    citations = citations_of(table, results)
    if format_ is not None and format_ not in citations:
        raise unknown_format(format_, citations)
    print("\n".join(citations.values()) if format_ is None else citations[format_], end="")
