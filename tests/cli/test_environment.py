"""The command line on an unusual machine: documented exit codes, one sentence, no traceback."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended
from tiny import measure_in_process, write_suite
from unprivileged import WITHOUT_RIGHTS, heeding_modes

from lstmbench import cli, doctor, exit_codes
from lstmbench.core import registry
from lstmbench.results.store import Store, read_manifest

pytestmark = pytest.mark.usefixtures("unpainted")

VERBS = {
    "list": ["list"],
    "tasks": ["list", "--tasks"],
    "run": ["run", "SUITE", "--out", "RUN", "--no-progress"],
    "table": ["table", "RUN"],
    "merge": ["merge", "RUN", "--out", "OUT"],
    "compare": ["compare", "RUN", "RUN"],
    "reproduce": ["reproduce", "tiny-ratio", "--results", "RUN", "--run", "OTHER"],
    "verify": ["verify", "RUN"],
    "cite": ["cite", "tiny-ratio", "--results", "RUN"],
    "notebook": ["notebook", "03_speed"],
    "doctor": ["doctor", "--seconds", "0.1"],
}
ENDS = {0, 1, 3}
"""Exit codes on a usual machine: 1 and 3 are verdicts on such a small run."""
LONG = "x" * 300


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What words in capitals stand for: a suite, and two runs of it."""
    folder = tmp_path_factory.mktemp("environment")
    suite = write_suite(
        folder / "tiny.yaml", ["numpy.fused", "numpy.reference"], budget={"processes": 2}
    )
    named = {"SUITE": suite, "RUN": folder / "run", "OTHER": folder / "other"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        measure_in_process(monkeypatch)
        ended = in_process(["run", "SUITE", "--out", "RUN", "--no-progress"], named)
    assert ended.code in ENDS, ended
    shutil.copytree(named["RUN"], named["OTHER"])
    Store(named["OTHER"]).write_manifest(read_manifest(named["RUN"]) | {"run_id": "other"})
    return named


@pytest.fixture
def named(places: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    return places | {"OUT": tmp_path / "out"}


@pytest.fixture
def no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """List implementations without importing any."""
    row = {"name": "mine.fast", "available": False, "reason": "→", "peer": False}
    row |= {"devices": (), "dtypes": (), "modes": ()}
    for module in (registry, doctor):
        monkeypatch.setattr(module, "implementation_row", lambda name: row | {"name": name})
    monkeypatch.setattr(doctor, "code_paths", dict)
    monkeypatch.setattr(doctor, "suites", lambda: ["smoke"])


def words_of(words: list[str], named: dict[str, Path]) -> list[str]:
    """Return the words with what the names in capitals stand for."""
    if not named:
        return words
    return [re.sub("|".join(named), lambda match: str(named[match[0]]), word) for word in words]


def in_process(
    words: list[str], named: dict[str, Path], out: Any = None, encoding: str = "utf-8"
) -> Ended:
    """Call the command line as its script does, with streams of an encoding."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["lstmbench", *words_of(words, named)])
        monkeypatch.setattr(sys, "stdout", out or streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        for stream in streams:
            stream.flush()
    texts = (stream.buffer.getvalue().decode(encoding) for stream in streams)  # type: ignore[attr-defined]
    return Ended(int(caught.value.code or 0), *texts)


def sentence(ended: Ended, code: int = exit_codes.NOT_POSSIBLE) -> str:
    """Return the one sentence of a call that ended with this exit code."""
    assert (ended.code, ended.err.count("\n")) == (code, 1), ended
    assert ended.err.startswith("lstmbench: "), ended
    return ended.err


# Streams


def but(quick: set[str]) -> list[Any]:
    """Return all verbs; those that are not quick are marked slow."""
    return [verb if verb in quick else pytest.param(verb, marks=pytest.mark.slow) for verb in VERBS]


@pytest.mark.usefixtures("no_framework")
@pytest.mark.parametrize("encoding", ["ascii", pytest.param("latin-1", marks=pytest.mark.slow)])
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_printed_fits_any_encoding(
    verb: str, encoding: str, named: dict[str, Path]
) -> None:
    ended = in_process(VERBS[verb], named, encoding=encoding)
    assert ended.code in ENDS and ended.err == "", ended
    assert ended.out.isprintable() or "\n" in ended.out
    if verb == "compare":
        assert "->" in ended.out


def test_a_name_that_is_no_text_is_printed_escaped(named: dict[str, Path]) -> None:
    assert "no\\udcff" in sentence(in_process(["table", "no\udcff"], named))


@pytest.mark.usefixtures("no_framework")
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
@pytest.mark.parametrize("verb", but({"list", "compare", "verify"}))
def test_an_output_that_takes_nothing_more_is_no_verdict(verb: str, named: dict[str, Path]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert "No space left on device" in sentence(
            in_process(VERBS[verb], named, full), exit_codes.INTERNAL_ERROR
        )


# Names and folders


@pytest.mark.parametrize(
    "words",
    [
        ["run", "LONG", "--out", "OUT"],
        ["run", "SUITE", "--out", "LONG"],
        ["run", "--resume", "LONG"],
        ["run", "SUITE", "--out", "OUT", "--task", "LONG"],
        ["run", "--out", "OUT", "--ab", "numpy.fused", "LONG"],
        ["run", "--out", "OUT", "--ab", "numpy.fused", "numpy.fused@LONG"],
        ["run", "--out", "OUT", "--ab", "numpy.fused", "numpy.fused@/LONG"],
        ["run", "SUITE", "--out", "OUT", "--executor", "LONG"],
        ["run", "SUITE", "--out", "OUT", "--scheduler", "LONG"],
        ["table", "LONG"],
        ["table", "RUN", "--id", "LONG"],
        ["table", "RUN", "--id", "tiny-ratio", "--format", "LONG"],
        ["merge", "LONG", "--out", "OUT"],
        ["merge", "RUN", "--out", "LONG"],
        ["compare", "LONG", "RUN"],
        ["compare", "RUN", "LONG"],
        ["compare", "RUN", "RUN", "--by", "LONG"],
        ["compare", "RUN", "RUN", "--format", "LONG"],
        ["compare", "RUN", "RUN", "--out", "LONG"],
        ["reproduce", "LONG", "--results", "RUN"],
        ["reproduce", "tiny-ratio", "--results", "LONG"],
        ["reproduce", "tiny-ratio", "--results", "RUN", "--out", "LONG"],
        ["reproduce", "tiny-ratio", "--results", "RUN", "--run", "LONG"],
        ["verify", "LONG"],
        ["cite", "LONG", "--results", "RUN"],
        ["cite", "tiny-ratio", "--results", "LONG"],
        ["cite", "tiny-ratio", "--results", "RUN", "--format", "LONG"],
        ["notebook", "LONG"],
        ["notebook", "03_speed", "--out", "OUT/LONG"],
        ["notebook", "03_speed", "--out", "OUT", "-p", "LONG"],
        ["notebook", "03_speed", "--out", "OUT", "-p", "LONG=1"],
    ],
    ids=" ".join,
)
def test_a_name_of_300_characters_is_refused_in_a_sentence(
    words: list[str], named: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence(in_process(words, named | {"LONG": Path(LONG)}))


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder with a folder that may not be entered."""
    (tmp_path / "results" / "locked" / "run").mkdir(parents=True)
    (tmp_path / "results" / "locked").chmod(0)
    yield tmp_path / "results"
    (tmp_path / "results" / "locked").chmod(0o755)


@pytest.mark.parametrize("below", ["locked/run", "locked"])
@pytest.mark.parametrize(
    "words",
    [
        ["run", "LOCKED", "--out", "OUT"],
        ["run", "SUITE", "--out", "LOCKED", "--no-progress"],
        ["run", "--resume", "LOCKED"],
        ["run", "--out", "OUT", "--ab", "numpy.fused", "numpy.fused@LOCKED"],
        ["table", "LOCKED"],
        ["merge", "LOCKED", "--out", "OUT"],
        ["compare", "RUN", "LOCKED"],
        ["compare", "RUN", "RUN", "--out", "LOCKED/page.md"],
        ["reproduce", "tiny-ratio", "--results", "LOCKED"],
        ["reproduce", "tiny-ratio", "--results", "RUN", "--run", "LOCKED"],
        ["verify", "LOCKED"],
        ["cite", "tiny-ratio", "--results", "LOCKED"],
        ["notebook", "LOCKED"],
        ["notebook", "03_speed", "--out", "LOCKED/copy.ipynb"],
    ],
    ids=" ".join,
)
def test_a_folder_that_may_not_be_entered_is_named(
    words: list[str], below: str, named: dict[str, Path], locked: Path
) -> None:
    with heeding_modes():
        assert "locked" in sentence(in_process(words, named | {"LOCKED": locked / below}))


@pytest.mark.parametrize("verb", ["table", "verify", "cite", "merge"])
def test_of_a_folder_of_runs_one_that_may_not_be_entered_costs_no_traceback(
    verb: str, named: dict[str, Path], locked: Path
) -> None:
    shutil.copytree(named["RUN"], locked / "run")
    with heeding_modes():
        ended = in_process(VERBS[verb], named | {"RUN": locked})
    assert ended.code in (0, exit_codes.NOT_POSSIBLE) and ended.err.count("\n") <= 1, ended


@pytest.mark.parametrize("verb", VERBS)
def test_in_a_folder_that_is_gone_nothing_is_done(
    verb: str, named: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "The working folder cannot be used: No such file" in sentence(
        in_process(VERBS[verb], named)
    )


# Internal errors


@pytest.mark.parametrize("verb", ["compare", "verify", "reproduce", "run", "table"])
def test_a_fault_of_lstmbench_is_no_verdict(
    verb: str, named: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise KeyError("of two\nlines")

    places = {
        "compare": "report.comparison.compare.compare",
        "reproduce": "report.comparison.reproduction.reproduction",
        "run": "measure.runner.run",
        "table": "report.write",
        "verify": "verify.verify.verify",
    }
    monkeypatch.setattr(f"lstmbench.{places[verb]}", fail)
    message = sentence(in_process(VERBS[verb], named), exit_codes.INTERNAL_ERROR)
    problem = "lstmbench failed: KeyError: 'of two\\nlines'."
    assert message == f"lstmbench: {problem} Set LSTMBENCH_DEBUG=1 for a traceback.\n"
    monkeypatch.setenv("LSTMBENCH_DEBUG", "1")
    ended = in_process(VERBS[verb], named)
    assert ended.code == exit_codes.INTERNAL_ERROR and "Traceback" in ended.err


# As a program of its own


def started(words: list[str], named: dict[str, Path], *before: str, **options: Any) -> Ended:
    command = [*before, sys.executable, *words_of(words, named)]
    options = {"stdout": subprocess.PIPE, "env": dict(os.environ)} | options
    options["env"] |= {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)
    assert "Traceback" not in (done.stdout or "") + done.stderr, done.stderr
    return Ended(done.returncode, done.stdout or "", done.stderr)


def closed_pipe(words: list[str], named: dict[str, Path], tmp_path: Path) -> None:
    """After ``| head``: the program ends by the signal, as others do."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as stdout:
        ended = started(words, named, stdout=stdout)
    assert (ended.code, ended.err) == (-signal.SIGPIPE, "")


def full_disk(words: list[str], named: dict[str, Path], tmp_path: Path) -> None:
    with open("/dev/full", "wb") as stdout:
        assert "No space left on device" in sentence(
            started(words, named, stdout=stdout), exit_codes.INTERNAL_ERROR
        )


def bare(words: list[str], named: dict[str, Path], tmp_path: Path) -> Ended:
    """As in a container: no HOME, no user name, no git, no compiler, ASCII only."""
    anybody = [shutil.which("unshare") or "unshare", "-U", "--map-user=12345"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*anybody, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs unshare")
    (tmp_path / "tmp").mkdir()
    without = {"HOME", "USER", "LOGNAME", "XDG_CACHE_HOME"}
    env = {name: os.environ[name] for name in os.environ.keys() - without}
    env |= {"TMPDIR": str(tmp_path / "tmp"), "PATH": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    ended = as_usual(started(words, named, *anybody, env=env, cwd=tmp_path))
    assert not (tmp_path / "~").exists()
    return ended


def read_only_home(words: list[str], named: dict[str, Path], tmp_path: Path) -> None:
    if WITHOUT_RIGHTS and not shutil.which(WITHOUT_RIGHTS[0]):
        pytest.skip("needs setpriv")
    home = tmp_path / "home"
    (home / ".cache" / "lstmbench").mkdir(parents=True)
    for folder in (home / ".cache" / "lstmbench", home / ".cache", home):
        folder.chmod(0o555)
    (tmp_path / "tmp").mkdir()
    env = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    as_usual(
        started(
            words,
            named,
            *WITHOUT_RIGHTS,
            env=env | {"HOME": str(home), "TMPDIR": str(tmp_path / "tmp")},
        )
    )
    ours = [path.name for path in (tmp_path / "tmp").glob("lstmbench*")]
    assert ours in ([], [f"lstmbench-{os.geteuid()}"])


def as_usual(ended: Ended) -> Ended:
    assert ended.code in ENDS, ended
    return ended


EVERY_VERB = """
import sys
from lstmbench import cli
for words in {commands}:
    sys.argv = ["lstmbench", *words]
    try:
        cli.main()
    except SystemExit as end:
        print("CODE", int(end.code or 0))
"""


@pytest.mark.slow
@pytest.mark.process
def test_every_verb_ends_as_usual_where_there_is_next_to_nothing(
    named: dict[str, Path], tmp_path: Path
) -> None:
    """All in one process: most of their time goes into what they import."""
    commands = [words_of(words, named) for words in VERBS.values()]
    ended = bare(["-c", EVERY_VERB.format(commands=commands)], {}, tmp_path)
    codes = [int(code) for code in re.findall(r"^CODE (\d+)$", ended.out, re.MULTILINE)]
    ends = dict(zip(VERBS, codes, strict=True))
    assert set(ends.values()) <= ENDS, (ends, ended)


# What Python does at the end of a process is the same for each verb; above, in this process, an
# output that takes nothing more is tried with all of them.
PAIRS = {
    ("cite", closed_pipe): True,
    ("run", closed_pipe): False,
    ("notebook", full_disk): True,
    ("table", full_disk): False,
    ("table", read_only_home): False,
}
"""The conditions of the process that a verb is tried in, and whether the default set does so."""


@pytest.mark.process
@pytest.mark.parametrize(
    ("verb", "condition"),
    [
        pytest.param(
            *pair,
            id=f"{pair[0]}-{pair[1].__name__}",
            marks=[] if quick else pytest.mark.slow,
        )
        for pair, quick in PAIRS.items()
    ],
)
def test_a_verb_ends_as_is_documented(
    verb: str, condition: Callable[..., Any], named: dict[str, Path], tmp_path: Path
) -> None:
    condition(["-m", "lstmbench", *VERBS[verb]], named, tmp_path)


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("condition", [bare, read_only_home])
def test_a_run_measures_all_the_same(
    condition: Callable[..., None], named: dict[str, Path], tmp_path: Path
) -> None:
    """PyTorch asks for the user's name, Numba and the compiled steps for a cache folder."""
    names = ["torch.nn", "torch.fused", "numpy.numba", "numpy.fused"]
    suite = write_suite(tmp_path / "some.yaml", names, {"mode": "training"})
    words = ["-m", "lstmbench", "run", str(suite), "--out", "OUT", "--no-progress"]
    condition(words, named, tmp_path)
