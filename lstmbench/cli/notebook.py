"""``lstmbench notebook``: execute a notebook, or list its parameters."""

import signal
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from lstmbench.cli.program import app, console, handle_broken_pipe
from lstmbench.errors import LstmbenchError


@app.command(epilog="Example: `lstmbench notebook 03_speed --out /tmp/03.ipynb -p suite=smoke`")
def notebook(
    name: Annotated[str, Argument(help="A notebook's name or path, for example 03_speed.")],
    out: Annotated[
        Path | None,
        Option(help="Where to write the executed copy. Default: only list the parameters."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        Option("-p", "--parameter", help="NAME=VALUE; may be given several times."),
    ] = None,
    html: Annotated[
        bool, Option("--html", help="Also write the copy as a page that needs no Jupyter.")
    ] = False,
) -> None:
    """Execute a notebook, or list its parameters.

    Parameters with an unknown name or a value of the wrong type are refused before anything runs.
    """
    from lstmbench import notebooks

    declared = notebooks.parameters_of(notebooks.find(name))
    if out is None:
        for known in declared.values():
            console.print(f"{known.name}: {known.kind} = {known.default!r}  {known.help}")
        return
    values: dict[str, Any] = {}
    for assignment in parameter or []:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise LstmbenchError(f"A parameter must be given as NAME=VALUE, got {assignment!r}.")
        values[key] = declared[key].parse(text) if key in declared else text
    with handle_broken_pipe(signal.SIG_IGN):
        copy = notebooks.execute(name, out, values, html)
    console.print(str(copy))
