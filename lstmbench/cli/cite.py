"""``lstmbench cite``: print citations of a table."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from lstmbench.cli.program import Results, app, choose_format

EXAMPLES = "Examples: `lstmbench cite quick-ratio` · `lstmbench cite quick-ratio --format bibtex`"


@app.command(epilog=EXAMPLES)
def cite(
    table: Annotated[str, Argument(help="A table's id, as printed in its footer.")],
    results: Results = Path("results"),
    format_: Annotated[
        str | None, Option("--format", help="bibtex, latex or markdown. Default: all of them.")
    ] = None,
) -> None:
    """Print how to cite a table and this software, in BibTeX, LaTeX and Markdown."""
    from lstmbench.report.cite import cite as citations_of

    texts = citations_of(table, results)
    print("\n".join(texts.values()) if format_ is None else choose_format(format_, texts), end="")
