"""``lstmbench list``: implementations and suites, or training tasks."""

import json
from typing import Annotated

from typer import Option

from lstmbench.cli.program import AsJson, app, console, print_implementations, print_table


@app.command(name="list", epilog="Example: `lstmbench list --json`")
def list_verb(
    tasks: Annotated[
        bool, Option("--tasks", help="List the tasks of the training suites.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List implementations, what slows them down here, and suites; or the training tasks."""
    from lstmbench.core.registry import NOT_COMPILED, implementation_row, names
    from lstmbench.doctor import code_paths
    from lstmbench.measure.suites.suite_file import read_suite, suites

    if tasks:
        _print_tasks(as_json)
        return
    rows = [implementation_row(name) for name in names()]
    if as_json:
        print(json.dumps({"implementations": rows, "suites": list(suites())}, indent=2))
        return
    print_implementations(rows)
    for name, code_path in code_paths().items():
        if code_path.startswith(NOT_COMPILED):
            console.print(f"{name}: {code_path}")
    suite_rows = []
    for name in suites():
        suite = read_suite(name)
        suite_rows.append([name, str(suite.count()), suite.description])
    print_table("Suites", ("suite", "cases", "description"), suite_rows)


def _print_tasks(as_json: bool) -> None:
    from lstmbench.training.tasks import describe_task, task_names

    rows = [describe_task(name) for name in task_names()]
    if as_json:
        print(json.dumps({"tasks": rows}, indent=2))
        return
    cells = []
    for row in rows:
        sizes = ", ".join(f"{key} = {value}" for key, value in row["sizes"].items())
        cells.append([row["name"], row["question"], row["metric"], sizes, row["reason"] or "yes"])
    print_table("Tasks", ("task", "question", "judged by", "sizes", "here"), cells)
