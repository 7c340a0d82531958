"""Notebooks run through papermill, with what papermill lets pass made to fail.

A notebook's parameters are one cell, tagged ``parameters``, of lines ``name: type = default  # help``. An unknown
name or a value of another type is refused before a kernel is started; and where somebody calls papermill itself,
``check_parameters(In)`` in the first cell after the parameters refuses it there. An executed notebook is put in its
place only if every cell of it ran.
"""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.results.store import write_atomically

INJECTED = "# Parameters"
"""How papermill begins the cell that it puts in."""

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook: its type as it is written, its default, and the comment behind it."""

    name: str
    kind: str
    default: Any
    help: str = ""

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is of the parameter's type; a whole number is a float too, but a bool is no number."""
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
        LstmbenchError: if a line is not of the form ``name: type = default  # help``, or a default is of another type.
    """
    found = {}
    lines = cell.splitlines()
    for statement in ast.parse(cell).body:
        line = lines[statement.lineno - 1]
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value):
            raise LstmbenchError(f"{where}: {line!r} is not of the form 'name: type = default  # help'.")
        kind = ast.unparse(statement.annotation)
        if (kind[5:-1] if kind.startswith("list[") else kind) not in _KINDS:
            raise LstmbenchError(
                f"{where}: a parameter's type is int, float, str, bool or a list of these, not {kind}."
            )
        help_ = line.partition("  # ")[2]
        parameter = Parameter(statement.target.id, kind, ast.literal_eval(statement.value), help_)
        if not parameter.accepts(parameter.default):
            raise LstmbenchError(f"{where}: {parameter.name} must be {kind}, but it is {parameter.default!r}.")
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
            raise LstmbenchError(f"{where}: parameter {name} must be {parameters[name].kind}, but it is {value!r}.")


def check_parameters(cells: Sequence[str], where: str = "this notebook") -> None:
    """Refuse, within a notebook, parameters that papermill let pass; ``cells`` is IPython's ``In``.

    Raises:
        LstmbenchError: as ``check`` and ``declared`` do.
    """
    own = [cell for cell in cells if _declares(cell)]
    parameters = declared(own[-1], where) if own else {}
    for cell in cells:
        if cell.startswith(INJECTED):
            assigned = (node for node in ast.parse(cell).body if isinstance(node, ast.Assign))
            given = {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in assigned}
            check(parameters, given, where)


def _declares(cell: str) -> bool:
    try:
        body = ast.parse(cell).body
    except SyntaxError:
        return False
    return bool(body) and all(isinstance(statement, ast.AnnAssign) for statement in body)


def find(name: str | Path) -> Path:
    """Return the path of a notebook, given by its path or by its name in the folder ``notebooks`` of the checkout."""
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


def execute(name: str | Path, out: str | Path, parameters: Mapping[str, Any] | None = None) -> Path:
    """Run a notebook in its own folder, as JupyterLab would, and keep the executed copy.

    Args:
        name: a notebook's name (``03_speed``) or path.
        out: where the executed copy goes, once every cell has run.
        parameters: values by name; those not given keep their defaults.

    Raises:
        LstmbenchError: if a parameter is unknown or of another type (nothing is started then), or a cell fails.
    """
    path, out = find(name), Path(out)
    check(parameters_of(path), parameters or {}, path.name)
    try:
        import papermill
    except ModuleNotFoundError as error:
        raise LstmbenchError(
            f"Running notebooks needs the package {error.name}: install lstmbench[notebooks]."
        ) from None
    import nbformat

    failed = out.with_suffix(".failed.ipynb")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(path),
            str(failed),
            parameters=dict(parameters or {}),
            kernel_name="python3",
            cwd=str(path.resolve().parent),
            progress_bar=False,
        )
    except papermill.PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".splitlines()[0]
        raise LstmbenchError(f"{path.name} failed in cell {error.cell_index}: {reason} (see {failed}).") from None
    executed = nbformat.read(failed, as_version=4)
    for cell in executed.cells:
        # papermill calls a notebook whose kernel died complete; a cell that never ran has no number
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            raise LstmbenchError(f"{path.name} stopped before its end: the kernel died or was stopped (see {failed}).")
    executed.metadata.pop("papermill", None)  # paths and times of this machine
    write_atomically(out, lambda temporary: nbformat.write(executed, temporary))
    failed.unlink()
    return out
