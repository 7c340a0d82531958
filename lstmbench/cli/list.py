"""``lstmbench list``: implementations and suites, or training tasks."""

import json
from typing import Annotated

import typer
from rich.table import Table

from lstmbench.cli.program import AsJson, app, console, print_implementations

Tasks = Annotated[bool, typer.Option("--tasks", help="List the tasks of the training suites.")]


@app.command(name="list", epilog="Example: `lstmbench list --json`")
def list_verb(tasks: Tasks = False, as_json: AsJson = False) -> None:
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
    table = Table("suite", "cases", "description", title="Suites", title_justify="left")
    for name in suites():
        suite = read_suite(name)
        table.add_row(name, str(suite.count()), suite.description)
    console.print(table)


def _print_tasks(as_json: bool) -> None:
    from lstmbench.training.tasks import describe_task, task_names

    rows = [describe_task(name) for name in task_names()]
    if as_json:
        print(json.dumps({"tasks": rows}, indent=2))
        return
    columns = ("task", "question", "judged by", "sizes", "here")
    table = Table(*columns, title="Tasks", title_justify="left")
    for row in rows:
        sizes = ", ".join(f"{key} = {value}" for key, value in row["sizes"].items())
        table.add_row(row["name"], row["question"], row["metric"], sizes, row["reason"] or "yes")
    console.print(table)
