"""``lstmbench run``: measure a suite, or compare two implementations (A/B)."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmbench import exit_codes
from lstmbench.cli.program import Progress, app, console, handle_broken_pipe
from lstmbench.errors import LstmbenchError

if TYPE_CHECKING:
    import pandas as pd

    from lstmbench.measure.runner import Run

EXAMPLES = (
    "Examples: `lstmbench run smoke --out /tmp/smoke` · "
    "`lstmbench run my-suite.yaml --out results/mine` · "
    "`lstmbench run --ab numpy.fused@HEAD~1 numpy.fused --out /tmp/ab` · "
    "`lstmbench run --resume results/mine`"
)

Suite = Annotated[
    str | None,
    typer.Argument(
        help="A suite's name (see `lstmbench list`) or a YAML file. Default with --ab: `duel`."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="The results folder. A run in it that is not finished is continued."),
]
Resume = Annotated[
    Path | None,
    typer.Option(help="Continue the run in this folder, with the suite that it recorded."),
]
Task = Annotated[
    list[str] | None,
    typer.Option(help="Run only this task of a training suite; may be given several times."),
]
AB = Annotated[
    tuple[str, str] | None,
    typer.Option(
        metavar="A B",
        help="Compare B with A, instead of measuring the suite's implementations. A name may end "
        "in @ and a git revision or the path of a Python interpreter.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="With --ab: the smallest change that matters. Default: 0.02."),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Seed of the inputs and of the order of rounds. Default: random."),
]
Wait = Annotated[
    bool,
    typer.Option(help="If another run is timed on this machine, wait for its end; or refuse."),
]
Executor = Annotated[
    str,
    typer.Option(help="local, or dask: on a dask cluster, see docs/many-machines.md."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="The dask scheduler. Default: start one here."),
]
Minutes = Annotated[
    float | None,
    typer.Option(min=0, help="Start no workload after this many minutes; skip the rest."),
]


@app.command(epilog=EXAMPLES)
def run(
    suite: Suite = None,
    out: Out = None,
    resume: Resume = None,
    task: Task = None,
    ab: AB = None,
    threshold: Threshold = None,
    seed: Seed = None,
    progress: Progress = True,
    wait: Wait = True,
    executor: Executor = "local",
    scheduler: Scheduler = None,
    minutes: Minutes = None,
) -> None:
    """Measure a suite into a results folder, with its tables and figures.

    Exit code: 0 success (skipped cases included), 2 a case failed or the request is not possible,
    3 the controls contradict the intervals, 4 an implementation did not compute the LSTM,
    5 nothing was measured, because every case was skipped.
    With --ab also 1: B is slower for some workload, 6: every verdict is ambiguous.
    """
    from lstmbench import report
    from lstmbench.measure import runner
    from lstmbench.report.comparison.verdicts import check_threshold

    if resume is not None and (suite, out, task, ab, seed, minutes) != (None,) * 6:
        options = "a suite, --out, --task, --ab, --seed or --minutes"
        raise LstmbenchError(
            f"--resume continues a run as it began; it cannot be combined with {options}."
        )
    if resume is None and out is None:
        raise typer.BadParameter("Give the results folder.", param_hint="--out")
    if suite is None and ab is None and resume is None:
        raise LstmbenchError(
            "No suite was given. Give a suite's name or a YAML file; `lstmbench list` shows names."
        )
    if threshold is not None:
        check_threshold(threshold)
        if ab is None and resume is None:
            raise LstmbenchError("--threshold applies to --ab A B only.")
    with handle_broken_pipe(signal.SIG_IGN):
        if resume is not None:
            result = runner.resume(
                resume, progress=progress, wait=wait, executor=executor, scheduler=scheduler
            )
        else:
            result = runner.run(
                suite or "duel", out, progress=progress, seed=seed, ab=ab, tasks=task or (),
                wait=wait, minutes=minutes, executor=executor, scheduler=scheduler,
            )  # fmt: skip
    if resume is None or result.new or not (result.folder / "README.md").is_file():
        report.write(result.folder)
    raise typer.Exit(_print_outcome(result, threshold))


def _print_outcome(run: "Run", threshold: float | None) -> int:
    """Print statuses, failures and the verdicts of an A/B comparison; return the exit code."""
    from lstmbench.measure.run_manifest import is_ab
    from lstmbench.report.comparison.ab import THRESHOLD, compare_ab

    records, manifest = run.records, run.manifest
    records.attrs = {}  # pandas would copy the manifest with every column that is read
    counts = records["status"].value_counts().to_dict()
    statuses = ", ".join(f"{count} {status}" for status, count in counts.items())
    console.print(f"{run.folder}: {statuses}")
    failures = records[~records["status"].isin(["ok", "skipped"])]
    _print_failures(failures)
    if not manifest.get("complete", True):
        console.print("  The harness failed in some cases; the same command measures them again.")
    if counts.get("wrong_result"):
        return exit_codes.WRONG_RESULT
    if len(failures):
        return exit_codes.NOT_POSSIBLE
    if not counts.get("ok"):
        return exit_codes.NOTHING_MEASURED
    controls = manifest["controls"]
    console.print(f"  noise floor {controls['noise_floor']}")
    if controls["failed"]:
        return exit_codes.CONTROLS_FAILED
    if not is_ab(manifest):
        return exit_codes.OK
    comparison = compare_ab(records, THRESHOLD if threshold is None else threshold)
    print(comparison.markdown(), end="")
    return comparison.exit_code


def _print_failures(records: "pd.DataFrame") -> None:
    for record in records.itertuples():
        workload = f"{record.mode} T={record.seq_len} H={record.hidden_size}"
        case = f"{record.implementation} {getattr(record, 'task', workload)}"
        console.print(f"  {case}: {record.status}, {record.error}")
