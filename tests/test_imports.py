"""Imports are light, go one way through the layers, and form no circles."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    "errors",
    "exit_codes",
    "files",
    "core",
    "backends",
    "interop",
    "variants",
    "results",
    "training",
    "measure",
    "report",
    "verify",
    "notebooks",
    "doctor",
    "reproduce",
    "cli",
    "__main__",
)
"""A module may import from its own layer and from those before it."""

FRAMEWORK_LAYERS = ("backends", "variants", "training")
"""The only layers that may import torch or jax."""

MAY_IMPORT_ANY_NAME = {
    "core/lookup.py": "resolves the implementations, which are above core, by the paths that "
    "lstmbench/__init__.py registers",
    "interop/weight_checks.py": "imports packages from outside the project",
}
"""Modules that may import a name that is not known until they run."""


def sources() -> dict[str, str]:
    """Return the library's modules by their path below lstmbench/."""
    folder = ROOT / "lstmbench"
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.py")
    }


def package_of(path: str) -> str:
    """Return the package that the module at a path below lstmbench/ is in."""
    return ".".join(["lstmbench", *path.split("/")[:-1]])


def imported_names(path: str, source: str, with_types: bool = True) -> Iterator[str]:
    """Yield the names that a module imports, at its top or in a function, as absolute names.

    Of a name that is composed at run time, the part that is known is yielded, with a ``*`` behind.

    Args:
        path: below lstmbench/.
        source: of the module.
        with_types: whether imports for type checkers alone count.
    """
    tree = ast.parse(source)
    literals = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Dict)
    }
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += [*node.orelse, *(node.body if with_types else [])]
            continue
        pending += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package_of(path).split(".")
            start = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and is_import_call(node.func):
            name = node.args[0]
            if isinstance(name, ast.Subscript) and ast.unparse(name.value) in literals:
                for value in literals[ast.unparse(name.value)].values:
                    yield known_part(value, path)
            else:
                yield known_part(name, path)


def is_import_call(function: ast.expr) -> bool:
    return ast.unparse(function).rpartition(".")[2] in ("import_module", "__import__")


def known_part(name: ast.expr, path: str) -> str:
    """Return the name that a call imports, or the beginning of it that is known and a ``*``."""
    if isinstance(name, ast.Constant):
        return str(name.value)
    parts = name.values if isinstance(name, ast.JoinedStr) else [name]
    while isinstance(parts[0], ast.BinOp):
        parts = [parts[0].left, parts[0].right]
    known = ""
    for part in parts:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.Constant):
            known += str(inner.value)
        elif ast.unparse(inner) in ("__name__", "__package__") and path.endswith("__init__.py"):
            known += package_of(path)
        else:
            break
    return f"{known}*"


def violations(modules: dict[str, str]) -> list[str]:
    """Return the imports that go against the direction of the layers; sources by path."""
    problems = []
    for path, source in modules.items():
        layer = path.removesuffix(".py").split("/")[0]
        if layer == "__init__":
            continue  # it resolves the public names on first use
        if layer not in LAYERS:
            problems.append(f"{path} belongs to no layer")
            continue
        for name in imported_names(path, source):
            top, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if name.endswith("*"):
                is_own = name.startswith(f"{package_of(path)}.") and layer != "__main__"
                if not is_own and path not in MAY_IMPORT_ANY_NAME:
                    problems.append(f"{path} imports {name}, which may be of any layer")
            elif top in ("torch", "jax", "jaxlib") and layer not in FRAMEWORK_LAYERS:
                problems.append(f"{path} imports {name}")
            elif rest.startswith("core.lookup") and layer != "core":
                problems.append(f"{path} imports {name}, which is for core alone")
            elif top == "lstmbench" and other != "__version__":
                if other not in LAYERS:
                    problems.append(f"{path} imports {name} from the package's front")
                elif LAYERS.index(other) > LAYERS.index(layer):
                    problems.append(f"{path} imports {name}")
    return problems


def circle(modules: dict[str, str]) -> list[str]:
    """Return modules that import each other in a circle, if there are any; sources by path.

    The package's front is left out: it resolves its names on first use.
    """
    paths = {
        ".".join(["lstmbench", *path.removesuffix(".py").split("/")]).removesuffix(
            ".__init__"
        ): path
        for path in modules
        if path != "__init__.py"
    }
    graph = {}
    for module, path in paths.items():
        names = imported_names(path, modules[path], with_types=False)
        targets = {name if name in paths else name.rpartition(".")[0] for name in names}
        graph[module] = targets & paths.keys() - {module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_a_later_layer_nor_a_framework_out_of_its_place() -> None:
    assert violations(sources()) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(sources()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/a.py", "from lstmbench.measure.runner import run"),
        ("core/a.py", "from lstmbench import report"),
        ("results/a.py", "def f():\n    import lstmbench.measure.suites.timing_suite"),
        ("errors.py", "from . import core"),
        ("results/a.py", "from ..report import tables"),
        ("report/a.py", "import torch"),
        ("measure/metrics/a.py", "from jax import numpy"),
        ("measure/a.py", "from lstmbench import load"),
        ("helpers/a.py", ""),
        ("core/a.py", "import_module('lstmbench.measure.runner')"),
        ("core/a.py", "def f():\n    importlib.import_module('lstmbench.report')"),
        ("results/a.py", "__import__('lstmbench.report')"),
        ("measure/a.py", "import_module('torch')"),
        ("core/a.py", "import_module(f'lstmbench.measure.{name}')"),
        ("core/a.py", "import_module(f'lstmbench.{layer}.runner')"),
        ("core/a.py", "import_module('lstmbench.measure.' + name)"),
        ("core/a.py", "import_module('lstmbench' + '.measure' + name)"),
        ("core/a.py", "import_module(name)"),
        ("core/a.py", "import_module(f'{package}.{name}')"),
        ("core/a.py", "import_module('.'.join(('lstmbench', 'measure')))"),
        ("core/a.py", "HOMES = {'run': 'lstmbench.measure.runner'}\nimport_module(HOMES['run'])"),
        ("core/a.py", "HOMES = homes()\nimport_module(HOMES['run'])"),
        ("measure/a.py", "from lstmbench.core import lookup"),
        ("core/a.py", "if TYPE_CHECKING:\n    from lstmbench.measure.runner import Run"),
    ],
)
def test_an_import_against_the_direction_is_seen(path: str, source: str) -> None:
    assert len(violations({path: source})) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("measure/a.py", "import_module('lstmbench.core.oracle')"),
        ("training/tasks/a.py", "import_module(f'lstmbench.training.tasks.{name}')"),
        ("measure/metrics/__init__.py", "import_module(f'{__name__}.{name}')"),
        ("core/lookup.py", "import_module(f'{packages[package]}.{name}')"),
        ("report/a.py", "HOMES = {'run': 'lstmbench.report.b'}\nimport_module(HOMES['run'])"),
    ],
)
def test_an_import_within_a_package_or_of_an_earlier_layer_is_allowed(
    path: str, source: str
) -> None:
    assert violations({path: source}) == []


@pytest.mark.parametrize(
    ("sources_", "members"),
    [
        (
            {"core/a.py": "import lstmbench.core.b", "core/b.py": "from lstmbench.core import a"},
            {"lstmbench.core.a", "lstmbench.core.b"},
        ),
        (
            {
                "core/a.py": "def f():\n    from lstmbench.core.b import g",
                "core/b.py": "from .c import h",
                "core/c.py": "import_module('lstmbench.core.a')",
            },
            {"lstmbench.core.a", "lstmbench.core.b", "lstmbench.core.c"},
        ),
        (
            {"core/__init__.py": "from .a import f", "core/a.py": "from lstmbench.core import f"},
            {"lstmbench.core", "lstmbench.core.a"},
        ),
    ],
)
def test_a_circle_is_seen(sources_: dict[str, str], members: set[str]) -> None:
    assert set(circle(sources_)) == members


def test_an_import_for_types_alone_makes_no_circle() -> None:
    type_only = "if TYPE_CHECKING:\n    from lstmbench.core.a import A"
    assert circle({"core/a.py": "from lstmbench.core.b import B", "core/b.py": type_only}) == []


def test_the_package_imports_neither_frameworks_nor_pandas() -> None:
    script = (
        "import sys, lstmbench; dir(lstmbench); lstmbench.LstmbenchError; "
        "heavy = {'torch', 'jax', 'pandas', 'scipy', 'matplotlib', 'numpy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert output_of(script) == "[]"


def test_an_import_of_a_framework_would_be_seen() -> None:
    assert output_of("import sys, pandas; print('pandas' in sys.modules)") == "True"


def output_of(script: str) -> str:
    """Return what a new interpreter prints."""
    command = [sys.executable, "-c", script]
    return subprocess.check_output(command, cwd=ROOT, text=True, timeout=300).strip()
