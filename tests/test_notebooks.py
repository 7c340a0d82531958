"""Running notebooks: what papermill lets pass fails here, and what failed leaves nothing that looks
complete.
"""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from lstmbench import notebooks
from lstmbench.errors import LstmbenchError
from lstmbench.notebooks import (
    Parameter,
    check,
    check_parameters,
    declared,
    execute,
    find,
    parameters_of,
)
from lstmbench.results.checksums import file_sha256, read_checksums

CELL = """results: str = ""  # folder of a run
suite: str = "smoke"  # which suite
seq_len: int = 64  # T
rate: float = 0.5
names: list[str] = []
dark: bool = False"""
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a notebook: its parameters cell, then code cells."""

    def write(*cells, parameters="seq_len: int = 64  # T", name="some"):
        sources = [(parameters, ["parameters"])] + [(cell, []) for cell in cells]
        code = [
            {
                "cell_type": "code",
                "id": f"c{k}",
                "metadata": {"tags": tags},
                "source": source,
                "outputs": [],
            }
            | {"execution_count": None}
            for k, (source, tags) in enumerate(sources)
        ]
        kernel = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
        content = {"cells": code, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        path = tmp_path / f"{name}.ipynb"
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.fixture
def no_kernel(monkeypatch):
    """Fail if anything is executed."""
    papermill = pytest.importorskip("papermill")
    monkeypatch.setattr(
        papermill, "execute_notebook", lambda *_, **__: pytest.fail("a kernel was started")
    )


@pytest.fixture
def kernel(monkeypatch):
    """Let kernels find this checkout, installed or not."""
    pytest.importorskip("papermill")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    )


def outputs(path):
    return [
        output
        for cell in json.loads(path.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]


# What a cell declares


def test_names_types_defaults_and_help_are_read():
    found = declared(CELL, "here")
    assert list(found) == ["results", "suite", "seq_len", "rate", "names", "dark"]
    assert found["results"] == Parameter("results", "str", "", "folder of a run")
    assert found["names"] == Parameter("names", "list[str]", [], "")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("seq_len = 64", "is not of the form"),
        ("seq_len: int", "is not of the form"),
        ("import os", "is not of the form"),
        ("seq_len: dict = {}", "not dict"),
        ("seq_len: int = 'x'", "must be int"),
        ("seq_len: int = True", "must be int"),
        ("seq_len: int = 3 * 4", "is not of the form"),
        ("seq_len: int = ", "is not valid Python"),
    ],
)
def test_a_line_of_another_form_is_refused(cell, message):
    with pytest.raises(LstmbenchError, match=message):
        declared(cell, "here")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq_len", 3),
        ("rate", 3),
        ("rate", 0.1),
        ("suite", "x"),
        ("names", ["a"]),
        ("names", []),
        ("dark", True),
    ],
)
def test_a_value_of_the_type_is_taken(name, value):
    check(declared(CELL, "here"), {name: value}, "here")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq_len", 3.5),
        ("seq_len", "3"),
        ("seq_len", True),
        ("seq_len", None),
        ("rate", "1e-3"),
        ("suite", 3),
        ("names", "a"),
        ("names", [1]),
        ("dark", 1),
    ],
)
def test_a_value_of_another_type_is_refused_and_named(name, value):
    with pytest.raises(
        LstmbenchError, match=f"parameter {name} must be .*, but it is {re.escape(repr(value))}"
    ):
        check(declared(CELL, "here"), {name: value}, "here")


def test_an_unknown_name_is_refused_and_the_known_ones_listed():
    with pytest.raises(
        LstmbenchError, match="no parameter 'seqlen'; its parameters are results, suite, seq_len"
    ):
        check(declared(CELL, "here"), {"seqlen": 3}, "here")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "3", 3),
        ("float", "1e-3", 1e-3),
        ("str", "3", "3"),
        ("bool", "true", True),
        ("bool", "False", False),
        ("list[int]", "[1, 2]", [1, 2]),
        ("list[str]", "['a']", ["a"]),
    ],
)
def test_text_from_the_command_line_becomes_a_value(kind, text, value):
    assert Parameter("p", kind, None).parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"), [("int", "3.5"), ("int", "many"), ("float", "fast"), ("bool", "yes")]
)
def test_text_that_is_no_such_value_is_refused_by_the_check(kind, text):
    parameter = Parameter("p", kind, None)
    with pytest.raises(LstmbenchError, match=f"must be {kind}"):
        check({"p": parameter}, {"p": parameter.parse(text)}, "here")


# Within a notebook: IPython's In as papermill leaves it


def cells(*injected):
    return [
        "",
        CELL,
        *injected,
        "from lstmbench import notebooks\n\nnotebooks.check_parameters(In)",
    ]


def test_defaults_and_known_parameters_pass():
    check_parameters(cells())
    check_parameters(
        cells('# Parameters\nresults = "../x"\nseq_len = 3\nnames = ["a", "b"]\nrate = -0.5\n')
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seqlen = 3", "no parameter 'seqlen'"),
        ('seq_len = "3"', "must be int"),
        ("seq_len = None", "must be int"),
        ("rate = float('nan')", "must be float"),  # papermill writes it as a call
    ],
)
def test_what_papermill_lets_pass_is_refused(line, message):
    with pytest.raises(LstmbenchError, match=message):
        check_parameters(cells(f"# Parameters\n{line}\n"))


def test_a_cell_that_was_mended_and_run_again_counts_alone():
    check_parameters(cells("# Parameters\nseqlen = 3\n", "# Parameters\nseq_len = 3\n"))


def test_cells_that_are_no_python_do_not_matter():
    check_parameters(["", CELL, "%matplotlib inline\n!ls", "?print"])


# Finding notebooks and what they declare


def test_a_notebook_is_found_by_path(write):
    path = write()
    assert find(path) == path
    assert list(parameters_of(path)) == ["seq_len"]


def test_an_unknown_notebook_is_refused_and_those_there_are_listed():
    with pytest.raises(
        LstmbenchError, match=r"no notebook '99_none'; the notebooks are .*01_lstm_cell"
    ):
        find("99_none")


def test_a_file_that_is_no_notebook_is_told(tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text("{")
    with pytest.raises(LstmbenchError, match=r"broken\.ipynb cannot be read"):
        parameters_of(path)


# Refused before a kernel starts


@pytest.mark.usefixtures("no_kernel")
@pytest.mark.parametrize(
    ("given", "message"), [({"T": 3}, "no parameter 'T'"), ({"seq_len": "3"}, "must be int")]
)
def test_wrong_parameters_start_no_kernel_and_leave_no_file(write, tmp_path, given, message):
    with pytest.raises(LstmbenchError, match=message):
        execute(write(), tmp_path / "out" / "copy.ipynb", given)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_kernel")
def test_a_place_that_cannot_be_written_to_starts_no_kernel(write, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LstmbenchError, match="cannot be written"):
        execute(write(), tmp_path / "file" / "copy.ipynb")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"results": "runs/mine"}, {"results": "./work/runs/mine"}),
        ({"results": "../mine"}, {"results": "./mine"}),
        ({"results": "../../mine"}, {"results": "../mine"}),
        ({"results": "/runs/mine"}, {"results": "/runs/mine"}),
        ({"results": ""}, {"results": ""}),
        ({"suite": "mine.yaml"}, {"suite": "./work/mine.yaml"}),
        ({"suite": "smoke"}, {"suite": "smoke"}),
        ({"seq_len": 3, "names": ["runs/mine"]}, {"seq_len": 3, "names": ["runs/mine"]}),
    ],
)
def test_a_relative_path_leads_from_where_the_user_stands(
    write, tmp_path, monkeypatch, given, wanted
):
    """And the executed copy names no folder of this machine."""
    papermill = pytest.importorskip("papermill")
    asked = []

    def executed(source, out, parameters, cwd, **_):
        asked.append((parameters, cwd, os.environ["PYTHONPATH"].split(os.pathsep)))
        content = json.loads(Path(source).read_text())
        content["cells"][0]["execution_count"] = 1
        Path(out).write_text(json.dumps(content))

    monkeypatch.setattr(papermill, "execute_notebook", executed)
    path = write(parameters=CELL)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.syspath_prepend("")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    execute(path, "copy.ipynb", given)
    ((parameters, cwd, modules),) = asked
    assert (parameters, cwd) == (wanted, str(tmp_path))
    assert modules[0] == str(
        tmp_path / "work"
    )  # what the user imports from here, the kernel does too
    assert "PYTHONPATH" not in os.environ
    assert (tmp_path / "work" / "copy.ipynb").is_file()


# With a kernel


@pytest.mark.usefixtures("kernel")
def test_a_notebook_that_ran_is_kept_without_this_machines_paths_and_times(
    write, tmp_path, monkeypatch
):
    monkeypatch.setenv("MPLBACKEND", "Agg")  # under which figures would be dropped silently
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "another"))
    show = "import os, matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show(); print(seq_len)"
    out = execute(
        write(show, "os.path.basename(os.getcwd())"),
        tmp_path / "deep" / "copy.ipynb",
        {"seq_len": 7},
        html=True,
    )
    found = outputs(out)
    assert "image/png" in found[0]["data"]
    assert "".join(found[1]["text"]) == "7\n"
    assert "".join(found[2]["data"]["text/plain"]) == repr(
        tmp_path.name
    )  # it runs in its own folder
    assert str(tmp_path) not in out.read_text()
    assert "papermill" not in json.loads(out.read_text())["metadata"]
    assert all("papermill" not in cell["metadata"] for cell in json.loads(out.read_text())["cells"])
    assert sorted(path.name for path in out.parent.iterdir()) == ["copy.html", "copy.ipynb"]
    page = out.with_suffix(".html").read_text(encoding="utf-8")
    assert "data:image/png" in page and str(tmp_path) not in page
    assert os.environ["MPLBACKEND"] == "Agg"


@pytest.mark.parametrize("is_run", [True, False])
def test_a_copy_among_the_notebooks_of_a_run_gets_its_sum_and_another_does_not(
    write, tmp_path, monkeypatch, is_run
):
    papermill = pytest.importorskip("papermill")

    def executed(source, out, **_):
        content = json.loads(Path(source).read_text())
        content["cells"][0]["execution_count"] = 1
        Path(out).write_text(json.dumps(content))

    monkeypatch.setattr(papermill, "execute_notebook", executed)
    folder = tmp_path / "run" / "notebooks"
    folder.mkdir(parents=True)
    if is_run:
        (tmp_path / "run" / "manifest.json").write_text("{}")
    copies = [
        execute(write(name=name), folder / f"{name}.ipynb") for name in ("one", "other", "one")
    ]
    assert read_checksums(folder) == (
        {copy.name: file_sha256(copy) for copy in copies} if is_run else {}
    )


@pytest.mark.usefixtures("kernel")
def test_a_cell_that_fails_is_told_in_one_sentence_and_nothing_is_left_in_place(write, tmp_path):
    out = tmp_path / "copy.ipynb"
    with pytest.raises(
        LstmbenchError, match=r"some\.ipynb failed in cell \d+: ValueError: no good"
    ) as caught:
        execute(write("raise ValueError('no good\\nsecond line')", "1"), out, html=True)
    assert "\n" not in str(caught.value)
    assert not out.exists() and not out.with_suffix(".html").exists()
    assert out.with_suffix(".failed.ipynb").exists()  # to look at


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("after", [["1"], []], ids=["in the middle", "in the last cell"])
def test_a_kernel_that_dies_is_noticed(write, tmp_path, after):
    out = tmp_path / "copy.ipynb"
    with pytest.raises(LstmbenchError, match="did not finish"):
        execute(write("import os; os._exit(1)", *after), out)
    assert not out.exists()


@pytest.mark.usefixtures("kernel")
def test_a_copy_in_which_a_cell_never_ran_is_not_taken_for_complete(write, tmp_path, monkeypatch):
    import papermill

    monkeypatch.setattr(
        papermill, "execute_notebook", lambda source, target, **_: shutil.copy(source, target)
    )
    out = tmp_path / "copy.ipynb"
    with pytest.raises(LstmbenchError, match="a cell did not run"):
        execute(write("1"), out)
    assert not out.exists()


# From the parameters to a run


@pytest.fixture
def run(tmp_path):
    """Make a folder that looks like a run's, and return its path."""

    def run(name, complete=True, started="2026-01-01T00:00:00Z"):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        manifest = {
            "complete": complete,
            "run_id": name,
            "started": started,
            "suite": {"name": "smoke"},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return run


@pytest.fixture
def measured(monkeypatch):
    """Return the suites that were asked to be measured; nothing is."""
    asked = []
    monkeypatch.setattr(notebooks, "measure", asked.append)
    return asked


def test_without_results_the_suite_is_measured(measured):
    notebooks.open_run("", "quick")
    assert measured == ["quick"]


@pytest.mark.parametrize("place", [".", "notebooks"])
def test_a_run_is_found_where_the_notebook_runs_or_above_it(
    run, measured, tmp_path, monkeypatch, place
):
    folder = run("one")
    (tmp_path / place).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / place)
    assert notebooks.open_run("results/one", "quick").folder.resolve() == folder
    assert notebooks.open_run(str(folder), "quick").folder == folder
    assert measured == []


@pytest.mark.parametrize("results", ["./results/one", "../results/one"])
def test_a_run_above_is_not_taken_for_one_that_was_named_from_here(
    run, tmp_path, monkeypatch, results
):
    run("one")
    (tmp_path / "below" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(
        tmp_path / "below" if results.startswith("./") else tmp_path / "below" / "notebooks"
    )
    with pytest.raises(LstmbenchError, match=f"There is no run in {tmp_path}/below/.*results/one"):
        notebooks.open_run(results, "quick")


@pytest.mark.usefixtures("measured")
def test_a_folder_without_a_run_is_refused_and_not_measured_into(tmp_path, measured):
    with pytest.raises(LstmbenchError, match=r"no run in .*typo"):
        notebooks.open_run(str(tmp_path / "typo"), "quick")
    assert not (tmp_path / "typo").exists()
    assert measured == []


def test_an_unfinished_run_is_refused(run):
    with pytest.raises(LstmbenchError, match="not complete"):
        notebooks.open_run(str(run("half", complete=False)), "quick")


def test_the_newest_run_is_shown(run, tmp_path):
    run("old")
    run("new", started="2026-02-01T00:00:00Z")
    shown = notebooks.newest(
        "", "smoke", lambda records: records.attrs["manifest"]["run_id"], tmp_path / "results"
    )
    assert shown == "new"


def test_a_given_run_is_shown_whatever_is_newer(run, tmp_path):
    old = run("old")
    run("new", started="2026-02-01T00:00:00Z")
    shown = notebooks.newest(
        str(old), "smoke", lambda records: records.attrs["manifest"]["run_id"], tmp_path
    )
    assert shown == "old"


def test_where_there_is_no_run_the_way_to_one_is_told_and_nothing_is_measured(measured, tmp_path):
    told = notebooks.newest(
        "", "quick", lambda _: pytest.fail("there is nothing to show"), tmp_path
    )
    assert "lstmbench run quick --out results/quick" in told
    assert measured == []
