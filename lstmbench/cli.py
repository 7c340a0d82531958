"""The command line: each verb is a few lines around the library.

Exit codes of every verb: 0, all well; 2, what was asked for cannot be done; 70, lstmbench itself
failed; 130, it was interrupted. All but the first come with one sentence on standard error. Where
nobody reads its output any more it ends by SIGPIPE, as other programs do. 1 and 3 to 6 are
verdicts: the help of each verb and README.md list them.
"""

import codecs
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

from lstmbench.errors import LstmbenchError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Measure LSTM implementations in NumPy, PyTorch and JAX: accuracy, speed, memory.",
)
console = Console(
    soft_wrap=True, markup=False, highlight=False
)  # names, paths and errors are text, not markup

OK, COULD_NOT_MEASURE, CONTROLS_FAILED, WRONG_RESULT, NOTHING_MEASURED = 0, 2, 3, 4, 5
FAILED, INTERRUPTED = 70, 130
PLAIN = {"→": "->", "–": "-", "—": "-", "·": "-", "…": "...", "µ": "u", "∞": "inf"}
"""What is printed where a stream's encoding lacks a character; any other is escaped."""


def main() -> None:
    """Run the command line; the entry point of the script ``lstmbench``."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    code: Any = COULD_NOT_MEASURE
    try:
        with _closed_pipes("SIG_DFL"):
            _call()
    except SystemExit as end:
        code, said = end.code, ""
        if code == INTERRUPTED:
            said = "interrupted; a run goes on from here with the same command."
    except LstmbenchError as error:
        said = str(error)
    except Exception as error:
        if os.environ.get("LSTMBENCH_DEBUG"):
            traceback.print_exc()
        if isinstance(error, OSError) and error.filename is not None:
            said = f"{error.filename} cannot be used: {error.strerror}."
        else:
            code, what = FAILED, " ".join(f"{type(error).__name__}: {error}".split())[:500]
            said = f"lstmbench failed: {what}. LSTMBENCH_DEBUG=1 shows where."
    if said:
        with suppress(OSError):
            print(f"lstmbench: {said}", file=sys.stderr)
    sys.exit(code)


def _call() -> None:
    """Do what the command line asks for, and print all of it.

    Raises:
        SystemExit: with the exit code, if nothing else is raised.
    """
    try:
        os.getcwd()
    except OSError as error:
        what = f"The working folder cannot be used: {error.strerror}; go to another one."
        raise LstmbenchError(what) from None
    try:
        app()
    finally:
        try:
            if sys.stdout:
                sys.stdout.flush()
        except OSError:  # what is left would fail again when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace the characters that a stream's encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)
    text = "".join(PLAIN.get(letter, letter) for letter in error.object[error.start : error.end])
    return text.encode("ascii", "backslashreplace").decode(), error.end


@contextmanager
def _closed_pipes(handler: str) -> Iterator[None]:
    """Say what a write does, in the block, to a pipe that nobody reads any more.

    ``SIG_DFL``: it ends this process, as is usual where standard output is meant.
    ``SIG_IGN``: it raises BrokenPipeError, as is needed where the pipe may lead to a worker.
    """
    if not hasattr(signal, "SIGPIPE"):  # Windows
        yield
        return
    before = signal.signal(signal.SIGPIPE, getattr(signal, handler))
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


@app.command(name="list", epilog="Example: `lstmbench list --json`")
def list_(
    tasks: Annotated[
        bool, typer.Option("--tasks", help="List the tasks that the learning suites learn.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the implementations, what makes them slower here, and the suites; or the tasks."""
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
    _print_implementations(rows)
    for name, path in code_paths().items():
        if path.startswith(NOT_COMPILED):
            console.print(f"{name}: {path}")
    table = RichTable("suite", "cases", "description", title="Suites", title_justify="left")
    for name in suites():
        suite = read_suite(name)
        table.add_row(name, str(suite.count()), suite.description)
    console.print(table)


@app.command(
    epilog="Examples: `lstmbench run smoke --out /tmp/smoke` · `lstmbench run my-suite.yaml --out results/mine` · "
    "`lstmbench run --ab numpy.fused@HEAD~1 numpy.fused --out /tmp/duel` · `lstmbench run --resume results/mine`"
)
def run(
    suite: Annotated[
        str | None,
        typer.Argument(
            help="A suite's name (see `lstmbench list`), or a YAML file; for a duel, `duel` if not given."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The results folder. If it holds part of this suite, the rest is measured."
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the run in this folder, whose suite it knows, and give no other."
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Of a suite of lessons, only this task; may be given several times."),
    ] = None,
    ab: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Instead of the suite's implementations, let two take turns and judge B by A. After an @ may come a "
            "git revision, or the path of a Python interpreter.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Of a duel: the smallest change that matters; 0.02 if not given."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of inputs and turns; drawn afresh if not given.")
    ] = None,
    progress: Annotated[bool, typer.Option(help="Show a bar with the remaining time.")] = True,
    wait: Annotated[
        bool,
        typer.Option(
            help="Wait for the end of another run that is being timed on this machine, or refuse."
        ),
    ] = True,
    executor: Annotated[
        str,
        typer.Option(
            help="local, or dask: on the workers of a dask scheduler, see docs/many-machines.md."
        ),
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of dask: where the scheduler is; one of its own here if not given.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Skip the workloads that have not begun after so many minutes."),
    ] = None,
) -> None:
    """Measure a suite into a results folder, with its tables and figures.

    Exit code: 0 all well (skipped cases are), 2 some case failed or what was asked for cannot be
    done, 3 the controls
    contradict the intervals, 4 some implementation did not compute the LSTM, 5 nothing was
    measured: all was skipped.
    Of a duel, 1: B is slower somewhere, 6: every verdict is ambiguous.
    """
    from lstmbench import report
    from lstmbench.measure.runner import resume as go_on
    from lstmbench.measure.runner import run as measure
    from lstmbench.report.comparison.ab_report import THRESHOLD, compare_ab
    from lstmbench.report.comparison.verdicts import check_threshold

    if resume is not None and (suite, out, task, ab, seed, minutes) != (None,) * 6:
        raise LstmbenchError(
            "--resume goes on with a run as it began: it takes no suite, --out, --task, --ab, --seed, --minutes."
        )
    if resume is None and out is None:
        raise typer.BadParameter("Give the results folder.", param_hint="--out")
    if suite is None and ab is None and resume is None:
        raise LstmbenchError(
            "Which suite? Give its name or its file; `lstmbench list` shows those that there are."
        )
    if threshold is not None:
        check_threshold(threshold)
        if ab is None and resume is None:
            raise LstmbenchError("--threshold belongs to a duel: give it with --ab A B.")
    with _closed_pipes("SIG_IGN"):
        if resume is not None:
            done = go_on(
                resume, progress=progress, wait=wait, executor=executor, scheduler=scheduler
            )
        else:
            done = measure(
                suite or "duel", out, progress=progress, seed=seed, ab=ab, tasks=task or (), wait=wait,
                minutes=minutes, executor=executor, scheduler=scheduler,
            )  # fmt: skip
    if resume is None or done.new or not (done.folder / "README.md").is_file():
        report.write(done.folder)
    records, manifest = done.records, done.manifest
    records.attrs = {}  # or pandas copies the manifest with every column that is looked at
    counts = records["status"].value_counts().to_dict()
    console.print(
        f"{done.folder}: " + ", ".join(f"{count} {status}" for status, count in counts.items())
    )
    bad = records[~records["status"].isin(["ok", "skipped"])]
    for row in bad.itertuples():
        what = getattr(row, "task", f"{row.mode} T={row.seq_len} H={row.hidden_size}")
        console.print(f"  {row.implementation} {what}: {row.status}, {row.error}")
    if not manifest.get("complete", True):
        console.print("  Where the harness failed, the same command measures again.")
    if counts.get("wrong_result"):
        raise typer.Exit(WRONG_RESULT)
    if len(bad):
        raise typer.Exit(COULD_NOT_MEASURE)
    if not counts.get("ok"):
        raise typer.Exit(NOTHING_MEASURED)
    shown = manifest["controls"]
    console.print(f"  noise floor {shown['noise_floor']}")
    if shown["failed"] or (ab is None and "--ab" not in str(manifest.get("command")).split()):
        raise typer.Exit(CONTROLS_FAILED if shown["failed"] else OK)
    outcome = compare_ab(records, THRESHOLD if threshold is None else threshold)
    print(outcome.markdown(), end="")
    raise typer.Exit(outcome.exit_code)


@app.command(
    epilog="Examples: `lstmbench table results/my-run` · `lstmbench table results/my-run --id quick-ratio --format tex`"
)
def table(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a folder of runs.")],
    id_: Annotated[
        str | None, typer.Option("--id", help="Print this table only, and write nothing.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="md, tex or csv.")] = "md",
) -> None:
    """Render tables, figures and the page of a run from its records (or the index of a folder of
    runs).
    """
    from lstmbench import report
    from lstmbench.report.page.index import newest_first
    from lstmbench.report.tables.extract import run_tables
    from lstmbench.report.tables.machines import machine_tables

    if id_ is None and format_ != "md":
        raise LstmbenchError("--format chooses the form of one table: say which with --id.")
    several = not (folder / "manifest.json").is_file() and any(folder.glob("*/manifest.json"))
    if several and id_ is None:
        console.print(str(report.write_index(folder)))
        return
    tables = {
        made.id: made
        for made in (machine_tables(newest_first(folder)) if several else run_tables(folder))
    }
    if id_ is None:
        report.write(folder)
        for made in tables.values():
            print(made.markdown())
        return
    if id_ not in tables:
        there = (
            f"the tables are {', '.join(tables)}"
            if tables
            else "no suite was measured on two machines"
        )
        raise LstmbenchError(f"There is no table {id_!r} in {folder}; {there}.")
    renderers = {"md": tables[id_].markdown, "tex": tables[id_].latex, "csv": tables[id_].csv}
    if format_ not in renderers:
        raise LstmbenchError(
            f"There is no format {format_!r}; the formats are {', '.join(renderers)}."
        )
    print(renderers[format_]())


@app.command(epilog="Example: `lstmbench merge from-a from-b/results --out results`")
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Runs' folders, or folders of runs.")],
    out: Annotated[
        Path, typer.Option(help="The folder of runs that they are copied to; what is there stays.")
    ],
) -> None:
    """Bring the runs of several machines into one folder, with an index that shows their ratios
    side by side.

    The same run twice is one run. Runs that are not finished, cannot be read or contradict each
    other are refused.
    """
    from lstmbench import report
    from lstmbench.results.merge import merge as merge_

    for each in merge_(folders, out):
        console.print(
            f"{each.run_id}: {'copied to' if each.copied else 'is already'} {each.folder}"
        )
    console.print(str(report.write_index(out)))


@app.command(epilog="Example: `lstmbench compare results/before results/after --out comment.md`")
def compare(
    base: Annotated[Path, typer.Argument(help="The folder of a run.")],
    new: Annotated[Path, typer.Argument(help="The folder of the run that is compared with it.")],
    threshold: Annotated[
        float, typer.Option(help="The smallest change that matters, as a fraction.")
    ] = 0.05,
    by: Annotated[
        str | None,
        typer.Option(
            help="ratio or time; ratio where both runs have the same reference if not given."
        ),
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="md or json.")] = "md",
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Ratios of two machines too.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write it to this file, and print one sentence.")
    ] = None,
) -> None:
    """Compare two runs case by case: slower, faster, the same, ambiguous, or not comparable, and
    why.

    Exit code: 0 no regression, 1 some case is slower, 2 nothing can be compared or a measured case
    now fails, 3 nothing but ambiguous, 4 some implementation of NEW did not compute the LSTM.
    """
    from lstmbench.files import write_atomically
    from lstmbench.report.comparison.compare import compare as compare_

    if format_ not in ("md", "json"):
        raise LstmbenchError(f"There is no format {format_!r}; the formats are md, json.")
    found = compare_(base, new, threshold=threshold, by=by, across_machines=across_machines)
    text = found.markdown() if format_ == "md" else found.json()
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, lambda path: path.write_text(text, encoding="utf-8"))
        print(found.summary)
    raise typer.Exit(found.exit_code)


@app.command(
    epilog="Examples: `lstmbench reproduce quick-ratio` · "
    "`lstmbench reproduce quick-ratio --results results/here --run results/there`"
)
def reproduce(
    table_: Annotated[
        str, typer.Argument(metavar="TABLE", help="The table's name, such as quick-ratio.")
    ],
    results: Annotated[
        Path, typer.Option(help="The run that it is of, or a folder of runs: the newest.")
    ] = Path("results"),
    out: Annotated[
        Path | None, typer.Option(help="Where to measure; beside that run if not given.")
    ] = None,
    run_: Annotated[
        Path | None,
        typer.Option(
            "--run", help="Measure nothing: hold the table against the run in this folder."
        ),
    ] = None,
    progress: Annotated[bool, typer.Option(help="Show a bar with the remaining time.")] = True,
) -> None:
    """Measure a published table again, here, and say row by row whether its ratios agree.

    The suite is the one that the table's run has kept, the seed a fresh one. The report,
    `reproduction.md`, is written into the new run's folder. Exit code: 0 at least 95 % of the
    ratios that can be compared agree, 1 fewer do or a result is wrong, 2 none can be compared.
    """
    from lstmbench import report
    from lstmbench import reproduce as reproduce_
    from lstmbench.report.comparison.reproduction import reproduction

    if run_ is not None and out is not None:
        raise LstmbenchError(
            "With --run nothing is measured, so there is nothing to be put under --out."
        )
    base = reproduce_.find_run(table_, results)
    if run_ is None:
        with _closed_pipes("SIG_IGN"):
            run_ = reproduce_.measure_again(
                base, out or reproduce_.new_folder(base), progress
            ).folder
        report.write(run_)
    found = reproduction(table_, base, run_)
    console.print(found.summary)
    console.print(str(reproduce_.write_report(found, run_)))
    raise typer.Exit(found.exit_code)


@app.command(epilog="Examples: `lstmbench verify results` · `lstmbench verify results/my-run`")
def verify(
    folder: Annotated[
        Path, typer.Argument(help="A run's folder, or a folder of runs with its index.")
    ],
) -> None:
    """Check sums, hold records against their samples, and render tables, figures and pages again;
    nothing is written.

    Exit code: 0 nothing differs, 1 something differs, 2 something cannot be verified. Each finding
    is one line.
    """
    from lstmbench.verify.finding import exit_code
    from lstmbench.verify.verify import verify as verify_

    found = verify_(folder)
    for finding in found:
        print(finding)
    code = exit_code(found)
    print(
        f"{folder}: {('nothing differs.', 'it differs.', 'not all of it can be verified.')[code]}"
    )
    raise typer.Exit(code)


@app.command(
    epilog="Examples: `lstmbench cite quick-ratio` · `lstmbench cite quick-ratio --format bibtex`"
)
def cite(
    table: Annotated[str, typer.Argument(help="A table's id, as its footer gives it.")],
    results: Annotated[
        Path,
        typer.Option(
            help="A folder of runs, of which the newest with this table counts; or the folder of a run."
        ),
    ] = Path("results"),
    format_: Annotated[
        str | None,
        typer.Option("--format", help="bibtex, latex or markdown; all of them if not given."),
    ] = None,
) -> None:
    """Print how to cite a table and this software: BibTeX, what to put into a LaTeX document,
    Markdown.
    """
    from lstmbench.report.cite import cite as cite_

    found = cite_(table, results)
    if format_ not in (None, *found):
        raise LstmbenchError(f"There is no format {format_!r}; the formats are {', '.join(found)}.")
    print("\n".join(found.values()) if format_ is None else found[format_], end="")


@app.command(epilog="Example: `lstmbench notebook 03_speed --out /tmp/03.ipynb -p suite=smoke`")
def notebook(
    name: Annotated[str, typer.Argument(help="A notebook's name or path, for example 03_speed.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the executed copy goes; only the parameters are listed if not given."
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="NAME=VALUE, once for each.")
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Put a page beside the copy, to read without Jupyter.")
    ] = False,
) -> None:
    """Execute a notebook, or list its parameters. Unknown or mistyped parameters are refused before
    anything runs.
    """
    from lstmbench import notebooks

    declared = notebooks.parameters_of(notebooks.find(name))
    if out is None:
        for each in declared.values():
            console.print(f"{each.name}: {each.kind} = {each.default!r}  {each.help}")
        return
    given: dict[str, Any] = {}
    for word in parameter or []:
        key, equals, text = word.partition("=")
        if not equals:
            raise LstmbenchError(f"A parameter must be given as NAME=VALUE, but it is {word!r}.")
        given[key] = declared[key].parse(text) if key in declared else text
    with _closed_pipes("SIG_IGN"):
        copy = notebooks.execute(name, out, given, html)
    console.print(str(copy))


@app.command(epilog="Example: `lstmbench doctor --seconds 5`")
def doctor(
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="How long to listen for noise.")
    ] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is installed, which devices there are, how noisy this machine is, and what would be
    skipped and why.
    """
    from lstmbench import doctor as doctor_
    from lstmbench.results import machine_identity, processor

    noise = doctor_.measure_noise(seconds)  # before the frameworks come in with their threads
    found = doctor_.examine()
    if as_json:
        print(json.dumps(found | {"noise": vars(noise) | {"verdict": noise.verdict}}, indent=2))
        return
    machine = found["machine"]
    memory = machine["memory_bytes"] / 2**30
    console.print(
        f"{processor.described(machine)}, {machine_identity.cores(machine)}, {memory:.0f} GiB; {machine['os']}; "
        f"Python {found['python']}"
    )
    git = found["git"]
    console.print(f"commit: {git['commit'] or git.get('reason', 'none, this is no git checkout')}")
    _print_implementations(found["implementations"])
    for name, path in found["frameworks"]["code_paths"].items():
        console.print(f"{name}: {path}")
    for package, there in found["notebook_packages"].items():
        console.print(
            f"{package}: {'installed' if there else 'not installed: notebooks cannot be run'}"
        )
    console.print(
        f"noise: a product of {noise.median_s * 1e3:.2f} ms varied by +-{noise.spread:.1%}"
        + (f", {noise.steal:.1%} of the time stolen" if noise.steal is not None else "")
        + (f", load {noise.load}" if noise.load is not None else "")
        + f"; the clock steps by {noise.clock_s * 1e9:.0f} ns: {noise.verdict}",
    )
    for suite, reasons in found["skipped"].items():
        console.print(f"suite {suite}: " + ("everything runs" if not reasons else "skipped here:"))
        for reason, count in reasons.items():
            console.print(f"  {count} cases: {reason}")


def _print_tasks(as_json: bool) -> None:
    from lstmbench.training.tasks.task import describe_task, tasks

    rows = [describe_task(name) for name in tasks()]
    if as_json:
        print(json.dumps({"tasks": rows}, indent=2))
        return
    table_ = RichTable(
        "task", "question", "judged by", "sizes", "here", title="Tasks", title_justify="left"
    )
    for row in rows:
        sizes = ", ".join(f"{key} = {value}" for key, value in row["sizes"].items())
        table_.add_row(row["name"], row["question"], row["metric"], sizes, row["reason"] or "yes")
    console.print(table_)


def _print_implementations(rows: list[dict[str, Any]]) -> None:
    table_ = RichTable(title="Implementations", title_justify="left")
    for column in ("name", "here", "devices", "dtypes", "modes"):
        table_.add_column(column, no_wrap=column == "name")
    for row in rows:
        here = "yes" if row["available"] else row["reason"]
        name = row["name"] + (" (peer)" if row["peer"] else "")
        table_.add_row(
            name, here, ", ".join(row["devices"]), ", ".join(row["dtypes"]), ", ".join(row["modes"])
        )
    console.print(table_)
