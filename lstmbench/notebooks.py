"""Execute notebooks with papermill, and turn their parameters into runs.

A notebook's parameters are one cell, tagged ``parameters``, of lines ``name: type = default  #
help``. papermill accepts any parameter; here an unknown name or a value of the wrong type is
refused before a kernel starts. Where papermill is called directly, ``check_parameters(In)`` in the
first cell after the parameters refuses it. An executed copy is written only if every cell ran.

``open_run`` and ``newest`` turn the parameters ``results`` and ``suite``, which all notebooks have,
into a run.
"""

import ast
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.measure.process.worker_environment import pythonpath_variable
from lstmbench.measure.runner import Run
from lstmbench.measure.runner import run as measure
from lstmbench.measure.suites.suite_file import suites
from lstmbench.results.checksums import add_checksum
from lstmbench.results.store import is_run, run_folders

if TYPE_CHECKING:
    import pandas as pd

    from lstmbench.report.number_format import Sentence

_Shown = TypeVar("_Shown")

INJECTED: Final = "# Parameters"
"""The first line of the cell that papermill inserts."""

CLEARED_VARIABLES: Final = ("MPLBACKEND", "JUPYTER_PATH", "PYTHONPATH")
"""Not passed on: MPLBACKEND may drop figures, JUPYTER_PATH may lead to another Python.

PYTHONPATH is set again, to what this process imports from.
"""

PATH_PARAMETERS: Final = ("results", "suite")
"""The parameters that are paths; a suite may also be a name."""

TYPES: Final[dict[str, Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "list[int]": list[int],
    "list[float]": list[float],
    "list[str]": list[str],
    "list[bool]": list[bool],
}
"""The types that a parameter may have, as written in the notebook."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook: its type as written, its default, and the comment behind it."""

    name: str
    kind: str
    default: Any
    help: str = ""

    def parse(self, text: str) -> Any:
        """Return a value from the command line: a str as it is, others as a Python literal."""
        if self.kind == "str":
            return text
        try:
            return ast.literal_eval(text.capitalize() if self.kind == "bool" else text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text  # ``check`` refuses it, with its type


def declared(cell: str, notebook: str) -> dict[str, Parameter]:
    """Return the parameters that a cell declares.

    Raises:
        LstmbenchError: if a line is not a declaration, or a default has another type.
    """
    try:
        statements = ast.parse(cell).body
    except SyntaxError as error:
        where = f"{notebook}: line {error.lineno} of the parameters"
        raise LstmbenchError(f"{where} is not valid Python: {error.msg}.") from None
    parameters = {}
    for statement in statements:
        line = cell.splitlines()[statement.lineno - 1]
        problem = f"{notebook}: {line!r} is not of the form 'name: type = default  # help'."
        match statement:
            case ast.AnnAssign(ast.Name(name), annotation, ast.expr() as value):
                kind = ast.unparse(annotation)
            case _:
                raise LstmbenchError(problem)
        try:
            default = ast.literal_eval(value)
        except ValueError:
            raise LstmbenchError(problem) from None
        if kind not in TYPES:
            allowed = "int, float, str, bool or a list of these"
            raise LstmbenchError(f"{notebook}: a parameter's type must be {allowed}, not {kind}.")
        parameters[name] = Parameter(name, kind, default, line.partition("  # ")[2])
    check(parameters, {name: parameter.default for name, parameter in parameters.items()}, notebook)
    return parameters


def check(parameters: Mapping[str, Parameter], values: Mapping[str, Any], notebook: str) -> None:
    """Refuse values of unknown parameters and of the wrong type; an int is also a float.

    Raises:
        LstmbenchError: with the parameter, and what was expected.
    """
    for name, value in values.items():
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise LstmbenchError(
                f"{notebook} has no parameter {name!r}; its parameters are {known}."
            )
        kind = parameters[name].kind
        try:
            TypeAdapter(TYPES[kind]).validate_python(value, strict=True)
        except ValidationError:
            raise LstmbenchError(
                f"{notebook}: parameter {name} must be {kind}, but it is {value!r}."
            ) from None


def check_parameters(cells: Sequence[str], notebook: str = "this notebook") -> None:
    """Refuse, inside a notebook, the wrong parameters that papermill let pass.

    Args:
        cells: IPython's ``In``, the cells that ran so far.
        notebook: its name in messages.

    Raises:
        LstmbenchError: as ``check`` and ``declared`` do.
    """
    declarations = [cell for cell in cells if _declares(cell)]
    parameters = declared(declarations[-1], notebook) if declarations else {}
    injected = [cell for cell in cells if cell.startswith(INJECTED)]
    for cell in injected[-1:]:  # an earlier one was corrected and run again
        assignments = [node for node in ast.parse(cell).body if isinstance(node, ast.Assign)]
        values = {ast.unparse(node.targets[0]): _value(node.value) for node in assignments}
        check(parameters, values, notebook)


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:  # papermill writes some values as a call, such as float('nan')
        return ast.unparse(node)


def _declares(cell: str) -> bool:
    """Return whether a cell consists of declarations. Cells with magics are not Python."""
    try:
        body = ast.parse(cell).body
    except SyntaxError:
        return False
    return bool(body) and all(isinstance(statement, ast.AnnAssign) for statement in body)


def find(name: str | Path) -> Path:
    """Return the path of a notebook, given as a path or as a name in the checkout's notebooks/.

    Raises:
        LstmbenchError: if there is no such notebook.
    """
    folder = Path(__file__).resolve().parents[1] / "notebooks"
    for path in (Path(name), folder / f"{name}.ipynb", folder / name):
        if path.is_file():
            return path
    names = ", ".join(sorted(path.stem for path in folder.glob("*.ipynb")))
    known = f"the notebooks are {names}" if names else f"this installation has no folder {folder}"
    raise LstmbenchError(f"There is no notebook {str(name)!r}; {known}.")


def parameters_of(path: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares in its cell tagged ``parameters``.

    Raises:
        LstmbenchError: if the file is not a notebook, or as ``declared`` does.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LstmbenchError(f"The notebook {path} cannot be read: {error}.") from None
    for cell in cells:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            return declared("".join(cell["source"]), path.name)
    return {}


def open_run(results: str, suite: str) -> Run:
    """Return the run in the folder ``results``; if that is empty, measure ``suite``.

    A relative folder is looked up where the notebook runs, then in the folder above, where
    ``results/`` is. A folder that begins with a dot is looked up only where the notebook runs.

    Raises:
        LstmbenchError: if the folder holds no run, or the run is not complete.
    """
    if not results:
        return measure(suite)
    folders = [Path(results)] if results.startswith(".") else [Path(results), Path("..", results)]
    for folder in folders:
        if is_run(folder):
            run = Run(folder)
            if not run.manifest.get("complete"):
                hint = f"continue it with 'lstmbench run --resume {results}'"
                raise LstmbenchError(f"The run in {results} is not complete; {hint}.")
            return run
    path = os.path.abspath(results)
    raise LstmbenchError(f"There is no run in {path}: it holds no manifest.json.")


def open_training_run(results: str, suite: str, tasks: Sequence[str]) -> tuple[Run, "pd.DataFrame"]:
    """Return a run of a training suite, and its records of some tasks.

    Args:
        results: the run's folder, as for ``open_run``; if empty, the tasks are measured.
        suite: the training suite.
        tasks: names of tasks.

    Raises:
        LstmbenchError: if there is no such run, or it has none of the tasks.
    """
    run = open_run(results, suite) if results else measure(suite, tasks=tasks)
    records = run.records
    chosen = records[records["task"].isin(tasks)] if "task" in records else records[:0]
    if chosen.empty:
        raise LstmbenchError(f"The run in {results} has no records of {', '.join(tasks)}.")
    return run, chosen


def newest(
    results: str,
    suite: str,
    show: "Callable[[pd.DataFrame], _Shown]",
    root: str | Path = "../results",
) -> "_Shown | Sentence":
    """Return ``show`` of the records in ``results``, or of the newest run if that is empty.

    Args:
        results: a run's folder, as for ``open_run``.
        suite: named in the sentence that is returned if there is no run yet.
        show: makes a table or a sentence of records.
        root: the folder of runs.
    """
    from lstmbench.report import latest
    from lstmbench.report.number_format import Sentence

    if results:
        return show(open_run(results, suite).records)
    if run_folders(Path(root)):
        return show(Run(latest(root)).records)
    command = f"`lstmbench run {suite} --out results/{suite}`"
    return Sentence(f"There is no run yet; make one with {command}.")


def execute(
    name: str | Path,
    out: str | Path,
    parameters: Mapping[str, Any] | None = None,
    html: bool = False,
) -> Path:
    """Run a notebook in its own folder, as JupyterLab does, and write the executed copy.

    Args:
        name: a notebook's name (``03_speed``) or path.
        out: where to write the executed copy. In a run's folder ``notebooks``, its checksum is
            recorded too.
        parameters: values by name; others keep their defaults. Relative paths start at the working
            folder, not at the notebook's.
        html: whether to write the copy also as a page, ``NAME.html``.

    Raises:
        LstmbenchError: if a parameter is wrong (then nothing was started), a cell failed, the
            kernel died, or the copy cannot be written.
    """
    path, out, values = find(name), Path(out), dict(parameters or {})
    check(parameters_of(path), values, path.name)
    folder = path.resolve().parent
    values |= {key: _relative(values[key], folder) for key in PATH_PARAMETERS if key in values}
    try:
        import papermill  # noqa: F401

        if html:
            from lstmbench.report.page.executed_notebooks import notebook_page
    except ModuleNotFoundError as error:
        hint = f"needs the package {error.name}; install lstmbench[notebooks]"
        raise LstmbenchError(f"Running notebooks {hint}.") from None
    unfinished = out.with_suffix(".failed.ipynb")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
    except OSError as error:
        problem = f"The executed notebook cannot be written to {out}"
        raise LstmbenchError(f"{problem}: {error.strerror}.") from None
    _run_cells(path, unfinished, values, folder)
    text = _executed_text(path, unfinished)
    contents = {out: text}
    if html:
        contents[out.with_suffix(".html")] = notebook_page(text, out.stem)
    parent = out.resolve().parent
    is_in_run = parent.name == "notebooks" and is_run(parent.parent)
    for copy, content in contents.items():
        write_atomically(copy, content)
        if is_in_run:
            add_checksum(copy)
    unfinished.unlink()
    return out


def _run_cells(path: Path, copy: Path, values: dict[str, Any], folder: Path) -> None:
    """Run a notebook's cells in a new kernel, and write the copy as far as it came."""
    import papermill

    try:
        with _kernel_environment():
            papermill.execute_notebook(
                str(path),
                str(copy),
                parameters=values,
                kernel_name="python3",
                cwd=str(folder),
                progress_bar=False,
                extra_arguments=["--IPKernelApp.log_level=ERROR"],
            )
    except papermill.PapermillExecutionError as error:
        reason = f"in cell {error.cell_index}: {error.ename}: {error.evalue}".splitlines()[0]
        raise LstmbenchError(f"{path.name} failed {reason} (see {copy}).") from None
    except Exception as error:  # a dead kernel is reported by papermill, nbclient or zmq
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise LstmbenchError(f"{path.name} did not finish: {reason} (see {copy}).") from None


def _executed_text(path: Path, copy: Path) -> str:
    """Return an executed notebook without paths and times of this machine.

    Raises:
        LstmbenchError: if a cell did not run; some versions of papermill do not notice a dead
            kernel.
    """
    notebook = json.loads(copy.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        is_code = cell["cell_type"] == "code" and "".join(cell["source"]).strip()
        if is_code and cell["execution_count"] is None:
            raise LstmbenchError(f"{path.name} did not finish: a cell did not run (see {copy}).")
    for part in (notebook, *notebook["cells"]):
        for key in ("papermill", "execution"):
            part["metadata"].pop(key, None)
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _relative(path: str, folder: Path) -> str:
    """Return a relative path as it is seen from a folder; names of suites stay as they are."""
    if not path or os.path.isabs(path) or path in suites():
        return path
    relative = os.path.relpath(path, folder)
    return relative if relative.startswith(os.pardir) else os.path.join(os.curdir, relative)


@contextmanager
def _kernel_environment() -> Iterator[None]:
    """Let a kernel, which runs in another folder, import what this process imports."""
    before = {name: os.environ.pop(name, None) for name in CLEARED_VARIABLES}
    os.environ |= pythonpath_variable()
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH", None)
        os.environ |= {name: value for name, value in before.items() if value is not None}
