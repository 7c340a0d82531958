"""Notebooks run through papermill, with what papermill lets pass made to fail.

A notebook's parameters are one cell, tagged ``parameters``, of lines ``name: type = default  # help``. An unknown
name or a value of another type is refused before a kernel is started; and where somebody calls papermill itself,
``check_parameters(In)`` in the first cell after the parameters refuses it there. An executed notebook is put in its
place only if every cell of it ran.

The parameters ``results`` and ``suite``, which all notebooks have, become a run by ``open_run`` or
``latest_run``.
"""

import ast
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lstmbench.errors import LstmbenchError
from lstmbench.files import write_atomically
from lstmbench.measure.process.worker_environment import pythonpath_variable
from lstmbench.measure.runner import Run
from lstmbench.measure.runner import run as measure
from lstmbench.measure.suites.suite_file import suites
from lstmbench.results.checksums import add_checksum

if TYPE_CHECKING:
    import pandas as pd

    from lstmbench.report.number_format import Sentence

_Shown = TypeVar("_Shown")

INJECTED = "# Parameters"
"""How papermill begins the cell that it puts in."""

DISTURBING = ("MPLBACKEND", "JUPYTER_PATH")
"""Set from outside, the first keeps figures out of the executed copy, and the second may lead to
another Python.
"""

PATHS = ("results", "suite")
"""The parameters that are paths, unless a suite has that name."""

_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook: its type as it is written, its default, and the comment behind
    it.
    """

    name: str
    kind: str
    default: Any
    help: str = ""

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is of the parameter's type; a whole number is a float too, but a
        bool is no number.
        """
        if self.kind.startswith("list[") and self.kind.endswith("]"):
            inner = Parameter(self.name, self.kind[5:-1], None)
            return isinstance(value, list) and all(inner.accepts(item) for item in value)
        if isinstance(value, bool) and self.kind != "bool":
            return False
        return isinstance(value, _KINDS[self.kind])

    def parse(self, text: str) -> Any:
        """Read a value from the command line: text as it is, everything else as a Python literal."""
        if self.kind == "str":
            return text
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = text
        if self.kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        return value


def declared(cell: str, where: str) -> dict[str, Parameter]:
    """Return the parameters that a cell declares.

    Raises:
        # Help``, or a default is of another type.
        LstmbenchError: if a line is not of the form ``name: type = default
    """
    found = {}
    lines = cell.splitlines()
    try:
        statements = ast.parse(cell).body
    except SyntaxError as error:
        raise LstmbenchError(
            f"{where}: line {error.lineno} of the parameters is no Python: {error.msg}."
        ) from None
    for statement in statements:
        line = lines[statement.lineno - 1]
        try:
            if not (
                isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            ):
                raise ValueError
            default = ast.literal_eval(statement.value or "")
        except (ValueError, SyntaxError):
            raise LstmbenchError(
                f"{where}: {line!r} is not of the form 'name: type = default  # help'."
            ) from None
        kind = ast.unparse(statement.annotation)
        if (kind[5:-1] if kind.startswith("list[") else kind) not in _KINDS:
            raise LstmbenchError(
                f"{where}: a parameter's type is int, float, str, bool or a list of these, not {kind}."
            )
        help_ = line.partition("  # ")[2]
        parameter = Parameter(statement.target.id, kind, default, help_)
        if not parameter.accepts(parameter.default):
            raise LstmbenchError(
                f"{where}: {parameter.name} must be {kind}, but it is {parameter.default!r}."
            )
        found[parameter.name] = parameter
    return found


def check(parameters: Mapping[str, Parameter], given: Mapping[str, Any], where: str) -> None:
    """Refuse unknown names and values of another type.

    Raises:
        LstmbenchError: naming the parameter, and what there is or what was expected.
    """
    for name, value in given.items():
        if name not in parameters:
            there = ", ".join(parameters) or "none"
            raise LstmbenchError(f"{where} has no parameter {name!r}; its parameters are {there}.")
        if not parameters[name].accepts(value):
            raise LstmbenchError(
                f"{where}: parameter {name} must be {parameters[name].kind}, but it is {value!r}."
            )


def check_parameters(cells: Sequence[str], where: str = "this notebook") -> None:
    """Refuse, within a notebook, parameters that papermill let pass; ``cells`` is IPython's ``In``.

    Raises:
        LstmbenchError: as ``check`` and ``declared`` do.
    """
    own = [cell for cell in cells if _declares(cell)]
    parameters = declared(own[-1], where) if own else {}
    injected = [cell for cell in cells if cell.startswith(INJECTED)]
    for cell in injected[-1:]:  # cells that ran before and were mended since are history
        assigned = (node for node in ast.parse(cell).body if isinstance(node, ast.Assign))
        check(
            parameters,
            {ast.unparse(node.targets[0]): _value(node.value) for node in assigned},
            where,
        )


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:  # papermill writes what is not a literal, such as float('nan'), as a call
        return ast.unparse(node)


def _declares(cell: str) -> bool:
    try:
        body = ast.parse(cell).body
    except SyntaxError:
        return False
    return bool(body) and all(isinstance(statement, ast.AnnAssign) for statement in body)


def find(name: str | Path) -> Path:
    """Return the path of a notebook, given by its path or by its name in the folder ``notebooks``
    of the checkout.
    """
    folder = Path(__file__).resolve().parents[1] / "notebooks"
    for path in (Path(name), folder / f"{name}.ipynb", folder / name):
        if path.is_file():
            return path
    there = ", ".join(sorted(path.stem for path in folder.glob("*.ipynb"))) or "none"
    raise LstmbenchError(f"There is no notebook {str(name)!r}; the notebooks are {there}.")


def parameters_of(path: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares in its cell tagged ``parameters``."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LstmbenchError(f"The notebook {path} cannot be read: {error}.") from None
    for cell in cells:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            return declared("".join(cell["source"]), path.name)
    return {}


def open_run(results: str, suite: str) -> Run:
    """Return the run in the folder ``results``; where that is empty, measure the suite now, into a
    temporary folder.

    A relative folder is looked for where the notebook runs, then above it, where the folder
    ``results`` is; one that begins with a dot only where the notebook runs.

    Raises:
        LstmbenchError: if there is no run in the folder, or it is not complete.
    """
    if not results:
        return measure(suite)
    for folder in (Path(results), *([] if results.startswith(".") else [Path("..", results)])):
        if (folder / "manifest.json").is_file():
            run = Run(folder)
            if not run.manifest.get("complete"):
                raise LstmbenchError(
                    f"The run in {results} is not complete: 'lstmbench run' goes on with it."
                )
            return run
    raise LstmbenchError(
        f"There is no run in {os.path.abspath(results)}: it holds no manifest.json."
    )


def open_lessons(results: str, suite: str, tasks: Sequence[str]) -> tuple[Run, "pd.DataFrame"]:
    """Return a run of lessons and its records of some tasks; where ``results`` is empty, learn them
    now.

    Args:
        results: as for ``open_run``.
        suite: of lessons.
        tasks: their names.

    Raises:
        LstmbenchError: if there is no such run, or it has none of these tasks.
    """
    run = open_run(results, suite) if results else measure(suite, tasks=tasks)
    records = run.records
    chosen = records[records["task"].isin(tasks)] if "task" in records else records[:0]
    if chosen.empty:
        raise LstmbenchError(f"The run in {results} has learnt none of {', '.join(tasks)}.")
    return run, chosen


def newest(
    results: str,
    suite: str,
    show: "Callable[[pd.DataFrame], _Shown]",
    root: str | Path = "../results",
) -> "_Shown | Sentence":
    """Return what ``show`` makes of the run in ``results``, or of the newest run below ``root``
    where that is empty.

    Where there is no run yet, return the sentence that says how to make one; nothing is measured.
    """
    from lstmbench.report import latest
    from lstmbench.report.number_format import Sentence

    if results:
        return show(open_run(results, suite).records)
    if any(Path(root).glob("*/manifest.json")):
        return show(Run(latest(root)).records)
    return Sentence(
        f"There is no run yet: `lstmbench run {suite} --out results/{suite}` makes one."
    )


def execute(
    name: str | Path,
    out: str | Path,
    parameters: Mapping[str, Any] | None = None,
    html: bool = False,
) -> Path:
    """Run a notebook in its own folder, as JupyterLab would, and keep the executed copy.

    Among the notebooks of a run, the copy's SHA-256 sum is kept beside it.

    Args:
        name: a notebook's name (``03_speed``) or path.
        out: where the executed copy goes, once every cell has run.
        parameters: values by name; those not given keep their defaults. Relative paths lead from
            the working folder, though the notebook runs in its own.
        html: whether the copy is put beside itself as a page too, ``NAME.html``, that needs no
            Jupyter.

    Raises:
        LstmbenchError: if a parameter is unknown or of another type (nothing is started then), if a
            cell fails, the kernel dies, or the copy cannot be written.
    """
    path, out = find(name), Path(out)
    folder = path.resolve().parent
    check(parameters_of(path), parameters or {}, path.name)
    given = dict(parameters or {})
    given |= {name: _seen_from(folder, given[name]) for name in PATHS if name in given}
    try:
        import papermill

        if html:
            from lstmbench.report.page.executed_notebooks import notebook_page
    except ModuleNotFoundError as error:
        raise LstmbenchError(
            f"Running notebooks needs the package {error.name}: install lstmbench[notebooks]."
        ) from None

    failed = out.with_suffix(".failed.ipynb")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        failed.touch()
    except OSError as error:
        raise LstmbenchError(
            f"The executed notebook cannot be written to {out}: {error.strerror}."
        ) from None
    try:
        with _as_here():
            papermill.execute_notebook(
                str(path),
                str(failed),
                parameters=given,
                kernel_name="python3",
                cwd=str(folder),
                progress_bar=False,
                extra_arguments=["--IPKernelApp.log_level=ERROR"],
            )
    except papermill.PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".splitlines()[0]
        raise LstmbenchError(
            f"{path.name} failed in cell {error.cell_index}: {reason} (see {failed})."
        ) from None
    except Exception as error:  # a kernel that dies or does not start, told by whichever of papermill's parts sees it
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise LstmbenchError(
            f"{path.name} did not come to its end: {reason} (see {failed})."
        ) from None
    executed = json.loads(failed.read_text(encoding="utf-8"))
    for cell in executed["cells"]:
        # some versions of papermill call a notebook whose kernel died complete; a cell that never
        # ran has no number
        if (
            cell["cell_type"] == "code"
            and "".join(cell["source"]).strip()
            and cell["execution_count"] is None
        ):
            raise LstmbenchError(
                f"{path.name} did not come to its end: a cell did not run (see {failed})."
            )
    for part in (executed, *executed["cells"]):
        for key in ("papermill", "execution"):  # paths and times of this machine
            part["metadata"].pop(key, None)
    text = json.dumps(executed, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomically(out, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    if html:
        page = notebook_page(text, out.stem)
        write_atomically(
            out.with_suffix(".html"), lambda temporary: temporary.write_text(page, encoding="utf-8")
        )
    failed.unlink()
    if (
        out.resolve().parent.name == "notebooks"
        and (out.resolve().parents[1] / "manifest.json").is_file()
    ):
        for copy in (out, out.with_suffix(".html")):  # they are among the notebooks of a run
            if copy.is_file():
                add_checksum(copy)
    return out


def _seen_from(folder: Path, value: str) -> str:
    """Return a path as it is seen from a folder, if it is relative; it names no other folder."""
    if not value or os.path.isabs(value) or value in suites():
        return value
    path = os.path.relpath(value, folder)
    return path if path.startswith(os.pardir) else os.path.join(os.curdir, path)


@contextmanager
def _as_here() -> Iterator[None]:
    """Let a kernel, which starts in another folder, import what this process does, undisturbed."""
    before = {name: os.environ.pop(name, None) for name in (*DISTURBING, "PYTHONPATH")}
    os.environ |= pythonpath_variable()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ |= {name: value} if value is not None else {}
