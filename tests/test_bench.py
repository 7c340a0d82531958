"""`nox -s bench` ends with a status that tells how it went, and shows what was measured wherever
there is something.
"""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from scripts import load_script

from lstmbench import exit_codes

ROOT = Path(__file__).parents[1]
LSTMBENCH = """#!{python}
import json, sys
from pathlib import Path
verb, *words = sys.argv[1:]
if verb == "compare":
    sys.exit({compare})
out = Path(words[words.index("--out") + 1])
if {manifest!r} is not None:
    out.mkdir(parents=True)
    (out / "manifest.json").write_text({manifest!r})
sys.exit({status})
"""


@pytest.fixture
def noxfile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The project's noxfile; nox itself runs these tests from outside, and need not be installed
    beside them.
    """
    nox = ModuleType("nox")

    def decorator(*function: Any, **_: Any) -> Any:
        return function[0] if function and callable(function[0]) else decorator

    nox.__dict__.update(
        options=SimpleNamespace(), session=decorator, parametrize=decorator, Session=object
    )
    monkeypatch.setitem(sys.modules, "nox", nox)
    found = load_script("noxfile.py")
    monkeypatch.setattr(found, "install", lambda *_: None)
    return found


class Session:
    """What the session asks of nox: a place for programs, and a list of those that it ran."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.bin, self.posargs = str(folder), list(words)
        self.ran: list[str] = []
        self.said: list[str] = []

    def run(self, *words: str, **_: Any) -> None:
        self.ran.append(words[1])

    def log(self, text: str) -> None:
        self.said.append(text)


def ended(
    noxfile: Any, folder: Path, status: int, complete: bool | None, compare: int | None = None
) -> Any:
    """Run the session with a program that ends so; return its status, what it showed, and what it
    said.
    """
    manifest = None if complete is None else json.dumps({"complete": complete, "suite": {}})
    program = folder / "lstmbench"
    program.write_text(
        LSTMBENCH.format(python=sys.executable, manifest=manifest, status=status, compare=compare)
    )
    program.chmod(0o755)
    words = ["--suite", "smoke", "--out", str(folder / "out")]
    if compare is not None:
        (folder / "base").mkdir()
        (folder / "base" / "manifest.json").write_text("{}")
        words += ["--compare", str(folder / "base")]
    session, code = Session(folder, *words), 0
    try:
        noxfile.bench(session)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    return code, bool(session.ran), "\n".join(session.said)


@pytest.mark.parametrize(
    ("status", "complete", "shown", "said"),
    [
        (0, True, True, "begin with its README.md"),
        (2, True, True, "some cases failed"),
        (3, True, True, "the controls failed"),
        (4, True, True, "did not compute the LSTM"),
        (5, True, False, "nothing was measured"),
        (2, None, False, "could not be measured"),
        (130, False, False, "it ended with 130"),
    ],
)
def test_it_ends_with_the_status_of_the_run(
    status: int, complete: bool | None, shown: bool, said: str, noxfile: Any, tmp_path: Path
) -> None:
    code, showed, text = ended(noxfile, tmp_path, status, complete)
    assert (code, showed) == (status, shown)
    assert said in text


@pytest.mark.parametrize(
    ("status", "compare", "code"),
    [(0, 0, 0), (0, 1, 1), (2, 0, 2), (2, 1, 1), (3, 0, 3), (0, 3, 3)],
)
def test_with_a_run_to_compare_a_regression_comes_first(
    status: int, compare: int, code: int, noxfile: Any, tmp_path: Path
) -> None:
    assert ended(noxfile, tmp_path, status, True, compare)[0] == code


def test_every_way_in_which_a_run_may_fail_has_a_meaning(noxfile: Any) -> None:
    assert set(noxfile.RUN_MEANINGS) == {
        exit_codes.NOT_POSSIBLE,
        exit_codes.CONTROLS_FAILED,
        exit_codes.WRONG_RESULT,
        exit_codes.NOTHING_MEASURED,
        exit_codes.INTERNAL_ERROR,
    }


@pytest.mark.parametrize(
    "path", sorted((ROOT / "lstmbench/measure/suites").glob("*.yaml")), ids=lambda path: path.stem
)
def test_what_a_suites_implementations_need_is_installed(noxfile: Any, path: Path) -> None:
    named = set(yaml.safe_load(path.read_text(encoding="utf-8"))["implementations"])
    needed = {"numba"} & {name.partition(".")[2] for name in named}
    if named & {"keras.lstm", "keras.jax", "flax.nnx", "equinox.scan", "onnxruntime.lstm"}:
        needed.add("peers")
    assert needed <= set(noxfile.EXTRAS.get(path.stem.partition("_")[0], []))
