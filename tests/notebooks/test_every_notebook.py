"""What holds for every notebook, as it is committed and when it runs on a small run's records."""

import ast
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_up import fill, on_gpu, quick_rows, samples_of
from tiny import measure_in_process

from lstmbench import notebooks
from lstmbench.measure import framework_interference as module
from lstmbench.training.tasks import make_task

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WITHOUT_FRAMEWORKS = [path for path in PATHS if not path.stem.startswith(("00", "01"))]
SHARED = {"results": "str", "suite": "str"}
STRIP = [
    "--keep-id",
    "--extra-keys",
    "metadata.papermill cell.metadata.papermill metadata.language_info.version",
]
SUITE = """
implementations: [numpy.reference, torch.nn]
grids:
  - {seq_len: [4, 8], batch_size: 2, hidden_size: 4, input_size: 3}
budget: {processes: 2, min_rounds: 2, seconds_per_case: 0.02, turn_s: 0.001}
"""

BY_DEVICE = ("02_accuracy", "03_speed", "04_memory")
"""The notebooks that show CPU and GPU side by side."""

LESSONS = """
implementations: [numpy.fused]
tasks:
  - task: adding
    cells: [lstm, rnn]
    seeds: 2
    sizes: {seq_len: 8, batches: 2}
    recipe: {epochs: 2}
  - {task: copying, sizes: {delay: 3, batches: 2}, recipe: {epochs: 1}}
  - {task: digits, recipe: {epochs: 1, hidden_size: 4}}
  - {task: language, sizes: {share: 2, seq_len: 20}, recipe: {epochs: 1, hidden_size: 4}}
  - {task: sentiment, recipe: {epochs: 1, hidden_size: 4}}
  - {task: temperatures, sizes: {seq_len: 24}, recipe: {epochs: 1, hidden_size: 4}}
  - {task: carbon_dioxide, sizes: {seq_len: 24}, recipe: {epochs: 1, hidden_size: 4}}
  - {task: drawing, sizes: {batches: 1}, recipe: {epochs: 1}}
  - {task: anomalies, sizes: {copies: 2}, recipe: {epochs: 1}}
"""

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells(path, kind=None):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        cell | {"source": "".join(cell["source"])}
        for cell in found
        if kind in (None, cell["cell_type"])
    ]


def shown(path):
    """Return what the cells of an executed notebook show: text of each kind, and the kinds."""
    text, kinds = [], []
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            kinds += [output["output_type"], output.get("name", ""), *output.get("data", {})]
            text += ["".join(output.get("text", ""))]
            text += [
                "".join(value)
                for kind, value in output.get("data", {}).items()
                if kind.startswith("text/")
            ]
    return "\n".join(text), kinds


# As committed


def test_the_notebooks_are_there_and_numbered():
    assert [path.stem for path in PATHS] == [
        "00_index",
        "01_lstm_cell",
        "02_accuracy",
        "03_speed",
        "04_memory",
        "05_trust",
        "06_peers",
        "07_long_memory",
        "08_language",
        "09_time_series",
        "10_generation",
        "11_anomaly",
    ]


@every_notebook
def test_it_begins_with_its_question_and_ends_with_its_answer_and_how_to_cite_it(path):
    title = cells(path)[0]
    assert title["cell_type"] == "markdown"
    assert re.match(r"# .+\n\n", title["source"])
    assert "?" in title["source"]
    headings = [
        line
        for cell in cells(path, "markdown")
        for line in cell["source"].splitlines()
        if line[:2] == "##"
    ]
    assert any(heading.startswith("## The answer") for heading in headings)
    assert "cite" in cells(path, "markdown")[-1]["source"].lower()


@every_notebook
def test_it_is_an_argument_of_10_to_20_cells_with_little_code_in_each(path):
    assert 10 <= len(cells(path)) <= 20
    for cell in cells(path, "code"):
        imports = cell["source"].startswith("import ")
        assert len(cell["source"].splitlines()) <= (12 if imports else 8), cell["source"]


@every_notebook
def test_its_parameters_are_declared_as_all_notebooks_do_and_checked_in_the_next_code_cell(path):
    code = cells(path, "code")
    tagged = [
        index for index, cell in enumerate(code) if "parameters" in cell["metadata"].get("tags", [])
    ]
    assert tagged == [0]
    found = notebooks.parameters_of(path)
    assert {name: found[name].kind for name in SHARED} == SHARED
    assert all(parameter.help for parameter in found.values())
    assert code[1]["source"].splitlines()[-1] == "notebooks.check_parameters(In)"


def test_a_parameter_means_the_same_everywhere():
    kinds = {}
    for path in PATHS:
        for name, parameter in notebooks.parameters_of(path).items():
            default = "of lessons, or of workloads" if name == "suite" else parameter.default
            kinds.setdefault(name, set()).add((parameter.kind, default))
    assert {name: len(meanings) for name, meanings in kinds.items()} == dict.fromkeys(kinds, 1)


@every_notebook
def test_it_holds_no_logic(path):
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(cell["source"])):
            kinds = (
                ast.If,
                ast.While,
                ast.Try,
                ast.With,
                ast.FunctionDef,
                ast.ClassDef,
                ast.Lambda,
                ast.IfExp,
            )
            assert not isinstance(node, kinds), cell["source"]


@every_notebook
def test_its_cells_have_names_that_stay(path):
    ids = [cell["id"] for cell in cells(path)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z-]+", name) for name in ids)


@every_notebook
def test_its_metadata_is_small(path):
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    assert set(metadata) == {"kernelspec", "language_info"}
    assert metadata["kernelspec"]["name"] == "python3"


def test_all_are_stripped():
    pytest.importorskip("nbstripout")
    subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", *STRIP, *map(str, PATHS)],
        check=True,
        timeout=60,
    )


def test_a_notebook_with_an_output_would_be_seen(tmp_path):
    pytest.importorskip("nbstripout")
    executed = tmp_path / "executed.ipynb"
    shutil.copy(PATHS[0], executed)
    executed.write_text(
        executed.read_text().replace('"execution_count": null', '"execution_count": 3', 1)
    )
    done = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", *STRIP, str(executed)], timeout=60
    )
    assert done.returncode != 0


@every_notebook
def test_its_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\(([^)#]+)\)", cell["source"]):
            assert (path.parent / target).is_file(), target


def test_the_index_names_every_other_notebook():
    text = "\n".join(cell["source"] for cell in cells(PATHS[0]))
    assert [path.stem for path in PATHS[1:] if f"({path.name})" not in text] == []


def results_in(prose):
    """Return the numbers in a text that may be results; what is a formula, code, a name or a year
    is none.
    """
    code_and_formulas = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$"
    names = r"\]\([^)]*\)|\b\d\d_\w+|\bfloat\d\d\b|Neural Computation \d+, \d{4}|95 % interval"
    return re.findall(r"\d+", re.sub(f"{code_and_formulas}|{names}", "", prose, flags=re.DOTALL))


@every_notebook
def test_a_number_in_its_prose_is_printed_by_a_cell(path):
    for cell in cells(path, "markdown"):
        assert results_in(cell["source"]) == [], cell["source"]


def test_a_number_in_prose_would_be_seen():
    assert results_in(
        "In float32, see [03_speed](03_speed.ipynb), $6TBH$ and `-p 3`: JAX is 2.5 times faster."
    ) == [
        "2",
        "5",
    ]


@pytest.mark.parametrize("path", WITHOUT_FRAMEWORKS, ids=lambda path: path.stem)
def test_its_cells_import_no_framework(path):
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(cell["source"])):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {str(name).partition(".")[0] for name in names} & {"torch", "jax"}


# Executed: in this process, or by papermill with a kernel

BY_PAPERMILL = ("03_speed", "04_memory", "07_long_memory")
"""Those that a kernel executes in the default set, too; all are in the full set."""


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A run of a few small cases, and one of every task at its smallest; seconds."""
    import lstmbench as lb

    made = []
    for name, suite in (("notebooks", SUITE), ("lessons", LESSONS)):
        folder = tmp_path_factory.mktemp(name)
        (folder / "tiny.yaml").write_text(suite)
        with pytest.MonkeyPatch.context() as monkeypatch:
            measure_in_process(monkeypatch)
            made.append(lb.run(folder / "tiny.yaml", folder / "run", progress=False, seed=1).folder)
    return made


@pytest.fixture
def kernel(monkeypatch):
    """Let kernels find this checkout, installed or not."""
    pytest.importorskip("papermill")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    )


def by_kernel(*values, id, slow=True):
    return pytest.param(
        *values, "papermill", id=id, marks=[pytest.mark.notebook, *[pytest.mark.slow] * slow]
    )


def in_process(*values, id):
    return pytest.param(*values, "here", id=id, marks=pytest.mark.stand_in)


both_ways = pytest.mark.parametrize(
    "execute", [in_process(id="here"), by_kernel(id="papermill")], indirect=True
)


@pytest.fixture
def execute(request, monkeypatch, tmp_path):
    """Return a function that executes a notebook with these parameters, and returns the path of the
    executed copy.
    """
    if request.param == "papermill":
        request.getfixturevalue("kernel")
        return lambda path, given: notebooks.execute(path, tmp_path / "out.ipynb", given)
    pytest.importorskip("IPython")
    monkeypatch.chdir(PATHS[0].parent)
    monkeypatch.setattr(module, "measure_interference", interference)
    for name in (
        "drawing",
        "temperatures",
        "anomalies",
    ):  # what notebooks train themselves learns for one epoch
        task = type(make_task(name))
        monkeypatch.setattr(task, "recipe", replace(task.recipe, epochs=1, hidden_size=8))
    return lambda path, given: executed_here(path, given, tmp_path / "out.ipynb")


def interference(names):
    """In place of ``measure_interference``, which starts processes."""
    rows = itertools.product(names, (module.SEPARATE, module.SHARED), range(2), range(5))
    columns = ["implementation", "processes", "repeat", "call"]
    return pd.DataFrame(rows, columns=columns).assign(
        seconds=lambda rows: 1e-3 * (1 + rows["call"])
    )


def executed_here(path, given, out):
    """Execute the cells in this process, with the parameters in a cell of their own as papermill
    puts them there.
    """
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    content = json.loads(path.read_text(encoding="utf-8"))
    (at,) = (
        k
        for k, cell in enumerate(content["cells"])
        if "parameters" in cell["metadata"].get("tags", [])
    )
    source = "\n".join(
        [notebooks.INJECTED, *(f"{name} = {value!r}" for name, value in given.items())]
    )
    content["cells"].insert(
        at + 1, {"cell_type": "code", "id": "injected", "metadata": {}, "source": source}
    )
    shell = InteractiveShell.instance()
    shell.displayhook.write_output_prompt = shell.displayhook.finish_displayhook = lambda: None
    try:
        for cell in (cell for cell in content["cells"] if cell["cell_type"] == "code"):
            values = []
            shell.displayhook.write_format_data = lambda data, _=None, values=values: values.append(
                data
            )
            shell.display_pub = CapturingDisplayPublisher()
            with capture_output(display=False) as printed:
                shell.run_cell("".join(cell["source"]), store_history=True).raise_error()
            streams = {"stdout": printed.stdout, "stderr": printed.stderr}
            cell["outputs"] = [
                *(data_output("execute_result", data) for data in values),
                *(data_output("display_data", each["data"]) for each in shell.display_pub.outputs),
                *(
                    {"output_type": "stream", "name": name, "text": text}
                    for name, text in streams.items()
                    if text
                ),
            ]
    finally:
        InteractiveShell.clear_instance()
    out.write_text(json.dumps(content))
    return out


def data_output(kind, data):
    """What a cell shows, without the bytes of pictures."""
    return {
        "output_type": kind,
        "data": {form: x if isinstance(x, str) else "" for form, x in data.items()},
    }


NO_DRIVER = "No CUDA runtime is found, using CUDA_HOME="
"""What PyTorch remarks where it was built for CUDA, and there are CUDA's tools but no driver."""


def check_output(path, *places):
    text, kinds = shown(path)
    said = [
        each
        for cell in cells(path, "code")
        for each in cell["outputs"]
        if each.get("name") == "stderr"
    ]
    assert [
        line
        for each in said
        for line in "".join(each["text"]).splitlines()
        if NO_DRIVER not in line
    ] == []
    text = "\n".join(line for line in text.splitlines() if NO_DRIVER not in line)
    assert "error" not in kinds, text
    for place in (*map(str, places), str(ROOT), str(Path.home()), sys.prefix):
        if place != "/":
            assert place not in text
    return text, kinds


@pytest.mark.parametrize(
    ("path", "execute"),
    [
        *(in_process(p, id=p.stem) for p in WITHOUT_FRAMEWORKS if p.stem not in BY_PAPERMILL),
        *(
            by_kernel(p, id=f"{p.stem}-papermill", slow=p.stem not in BY_PAPERMILL)
            for p in WITHOUT_FRAMEWORKS
        ),
    ],
    indirect=["execute"],
)
def test_it_shows_a_run_without_torch_or_jax_and_without_noise(
    path, execute, folders, tmp_path, request
):
    lessons = path.stem >= "07"
    content = json.loads(path.read_text(encoding="utf-8"))
    ask = "import sys\n\nprint('imported:', sorted({'torch', 'jax', 'numpy'} & set(sys.modules)))"
    last = {
        "cell_type": "code",
        "id": "ask",
        "metadata": {},
        "outputs": [],
        "source": ask,
        "execution_count": None,
    }
    content["cells"].append(last)
    copy = tmp_path / path.name
    copy.write_text(json.dumps(content))

    small = {"epochs": 1} if "epochs" in notebooks.parameters_of(path) else {}
    out = execute(copy, {"results": str(folders[lessons])} | small)
    text, kinds = check_output(out, folders[lessons], tmp_path)
    if request.node.callspec.id.endswith("papermill"):  # all tests share this process
        assert "imported: ['numpy']" in text
    assert kinds.count("image/png") >= (1 if lessons else 2)
    assert "Table tiny-" in text
    assert "lstmbench 0." in text
    said = [
        cell["id"]
        for cell in cells(out, "code")
        if "hold no GPU rows" in json.dumps(cell["outputs"])
    ]
    assert len(said) == (path.stem in BY_DEVICE)  # in one place, and nothing else is said of it


@pytest.mark.parametrize("execute", ["here"], indirect=True)
@pytest.mark.parametrize("name", BY_DEVICE)
def test_a_run_on_both_devices_is_shown_side_by_side(name, execute, tmp_path):
    rows = [row for row in quick_rows() if row["hidden_size"] == 256 and row["seq_len"] < 256]
    rows += on_gpu(rows)
    folder = fill(tmp_path / "both", rows, samples_of(rows))
    text, _ = check_output(execute(notebooks.find(name), {"results": str(folder)}), tmp_path)
    charts = [line for line in text.splitlines() if "chart of" in line]
    assert charts
    assert any(
        "CPU, 1 thread, " in chart and "GPU (cuda), 4 threads, " in chart for chart in charts
    )
    assert "| **CPU, 1 thread, training**" in text
    assert "| **GPU (cuda), 4 threads, training**" in text
    assert " on the GPU (cuda)" in text.split("Table quick-")[-2]  # the answer, above how to cite
    assert "no GPU rows" not in text
    assert ("Peak memory of the device" in text) == (name == "04_memory")
    assert (
        ("2 processes each: GPU (cuda)" in text)
        == ("2 processes each: CPU" in text)
        == (name == "03_speed")
    )


@both_ways
def test_the_index_shows_the_run_that_it_is_given(execute, folders, tmp_path):
    text, _ = check_output(execute(PATHS[0], {"results": str(folders[0])}), folders[0], tmp_path)
    assert "Table tiny-ratio" in text
    assert "numpy.reference" in text
    assert "quick" in text


@both_ways
def test_the_cell_is_explained_and_every_implementation_agrees(
    execute, folders, tmp_path, monkeypatch
):
    from lstmbench.measure import accuracy_check

    quick = ["numpy.reference", "numpy.fused", "torch.fused", "torch.nn", "jax.fused"]
    monkeypatch.setattr(accuracy_check, "names", lambda: quick)  # here; a kernel takes them all
    out = execute(PATHS[1], {"results": str(folders[0]), "seq_len": 20})
    text, kinds = check_output(out, folders[0], tmp_path)
    assert kinds.count("image/png") == 2
    assert "and 0 did not" in text
    assert "agreement-accuracy" in text
    assert len(re.findall(r"difference [0-9.e+-]+", text)) == 2
    assert all(
        float(number.split()[1]) < 1e-15 for number in re.findall(r"difference [0-9.e+-]+", text)
    )


@pytest.mark.usefixtures("kernel")
def test_papermill_itself_cannot_pass_an_unknown_parameter_by(tmp_path, monkeypatch):
    import papermill

    monkeypatch.chdir(PATHS[0].parent)
    with pytest.raises(papermill.PapermillExecutionError, match="no parameter 'seqlen'"):
        papermill.execute_notebook(
            str(PATHS[1]), str(tmp_path / "out.ipynb"), parameters={"seqlen": 3}, progress_bar=False
        )


@pytest.mark.usefixtures("kernel")
def test_the_command_line_runs_a_notebook_and_refuses_a_mistyped_parameter(tmp_path):
    command = [
        sys.executable,
        "-m",
        "lstmbench",
        "notebook",
        "03_speed",
        "--out",
        str(tmp_path / "out.ipynb"),
    ]
    done = subprocess.run(
        [*command, "-p", "sweet=quick"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "no parameter 'sweet'; its parameters are results, suite" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_options_of_nbstripout_are_those_of_the_lint_session():
    source = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert all(f'"{option}"' in source for option in STRIP)
