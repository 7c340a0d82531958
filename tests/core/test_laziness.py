"""What is imported when, and what works where a framework is not installed; each in a fresh
interpreter.
"""

import pytest
from conformance import CORE_NAMES
from fresh import fresh

HEAVY = ("torch", "jax", "pandas")
LOAD = "lb.load('{}', lb.LSTMParams.init(2, 3)).forward([[[1, 2]]])"


def _imported_by(code: str) -> set[str]:
    return set(
        fresh(
            f"import lstmbench as lb\n{code}\nout = [name for name in {HEAVY} if name in "
            "sys.modules]"
        )
    )


@pytest.mark.parametrize(
    "code",
    [
        "",
        "dir(lb), lb.__version__, lb.LSTM, lb.LSTMParams, lb.Gradients, lb.Stack, lb.StackParams, "
        "lb.LstmbenchError",
        "lb.load, lb.register, lb.implementations",
        "from lstmbench.core import registry; registry.names()",
        LOAD.format("numpy.fused"),
        LOAD.format("numpy.reference"),
        "lb.load('numpy.fused', lb.StackParams.init(2, 3, 2, True)).forward([[[1, 2]]])",
    ],
    ids=[
        "import",
        "public names",
        "functions",
        "names of implementations",
        "numpy.fused",
        "numpy.reference",
        "stack",
    ],
)
def test_no_framework_is_imported_before_it_is_asked_for(code: str) -> None:
    assert _imported_by(code) == set()


def test_the_package_itself_costs_next_to_nothing() -> None:
    out = fresh("before = set(sys.modules)\nimport lstmbench\nout = [*(set(sys.modules) - before)]")
    assert set(out).isdisjoint({"numpy", "pathlib", "pkgutil"})


@pytest.mark.parametrize(("name", "other"), [("torch.fused", "jax"), ("jax.fused", "torch")])
def test_one_framework_does_not_bring_the_other(name: str, other: str) -> None:
    pytest.importorskip(name.partition(".")[0])
    assert other not in _imported_by(LOAD.format(name))


def test_every_public_name_is_there() -> None:
    out = fresh(
        "import lstmbench as lb\n"
        "missing = [name for name in lb.__all__ if not hasattr(lb, name)]\n"
        "out = [missing, sorted(lb.__all__) == dir(lb)]"
    )
    assert out == [[], True]


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    import lstmbench

    with pytest.raises(AttributeError, match="module 'lstmbench' has no attribute 'nonsense'"):
        lstmbench.nonsense  # noqa: B018


WITHOUT = """
for name in {missing}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
import lstmbench as lb
table = lb.implementations()
table = table[table.name.isin({names})]
works = []
for row in table.itertuples():
    try:
        {load}
    except lb.LstmbenchError as error:
        works.append([row.name, str(error)])
    else:
        works.append([row.name, "works"])
out = {{"rows": table[["name", "available", "reason"]].values.tolist(), "works": works}}
"""


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(["torch"], marks=pytest.mark.slow),
        pytest.param(["jax"], marks=pytest.mark.slow),
        ["torch", "jax"],
    ],
    ids="+".join,
)
def test_without_a_framework_the_rest_works_and_its_rows_say_why(missing: list[str]) -> None:
    """Peers from other packages are in variants/test_peers.py."""
    for name in {"torch", "jax"} - set(missing):
        pytest.importorskip(name)
    load = "lb.load(row.name, lb.LSTMParams.init(2, 3)).forward([[[1, 2]]])"
    out = fresh(WITHOUT.format(missing=missing, names=CORE_NAMES, load=load))
    seen = set()
    for (name, available, reason), (_, outcome) in zip(out["rows"], out["works"], strict=True):
        backend = name.partition(".")[0]
        seen.add(backend)
        if backend in missing:
            assert (available, reason) == (False, f"the package {backend} is not installed"), name
            assert (
                outcome == f"{name} is not available here: the package {backend} is not installed."
            )
        else:
            assert (available, reason, outcome) == (True, "", "works"), name
    assert seen >= {"numpy", "torch", "jax"}


def test_a_framework_that_is_installed_but_broken_says_how() -> None:
    out = fresh(
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch':\n"
        "            raise OSError('libtorch.so: undefined symbol: foo')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "import lstmbench as lb\n"
        "try:\n"
        "    lb.load('torch.nn', lb.LSTMParams.init(2, 3))\n"
        "except lb.LstmbenchError as error:\n"
        "    out = str(error)\n"
    )
    assert out == "torch.nn is not available here: OSError: libtorch.so: undefined symbol: foo."
