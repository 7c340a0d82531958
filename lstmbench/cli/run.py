"""``lstmbench run``: measure a suite, or compare two implementations (A/B)."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, BadParameter, Exit, Option

from lstmbench import exit_codes
from lstmbench.cli.program import Progress, app, console, handle_broken_pipe
from lstmbench.errors import LstmbenchError

if TYPE_CHECKING:
    from lstmbench.measure.runner import Run

EXAMPLES = (
    "Examples: `lstmbench run smoke --out /tmp/smoke` · "
    "`lstmbench run my-suite.yaml --out results/mine` · "
    "`lstmbench run --ab numpy.fused@HEAD~1 numpy.fused --out /tmp/ab` · "
    "`lstmbench run --resume results/mine`"
)


@app.command(epilog=EXAMPLES)
def run(
    suite: Annotated[
        str | None,
        Argument(
            help="A suite's name (see `lstmbench list`) or a YAML file. Default with --ab: `duel`."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        Option(help="The results folder. A run in it that is not finished is continued."),
    ] = None,
    resume: Annotated[
        Path | None,
        Option(help="Continue the run in this folder, with the suite that it recorded."),
    ] = None,
    task: Annotated[
        list[str] | None,
        Option(help="Run only this task of a training suite; may be given several times."),
    ] = None,
    ab: Annotated[
        tuple[str, str] | None,
        Option(
            metavar="A B",
            help="Compare B with A, instead of measuring the suite's implementations. A name may "
            "end in @ and a git revision or the path of a Python interpreter.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        Option(help="With --ab: the smallest change that matters. Default: 0.02."),
    ] = None,
    seed: Annotated[
        int | None,
        Option(min=0, help="Seed of the inputs and of the order of rounds. Default: random."),
    ] = None,
    progress: Progress = True,
    wait: Annotated[
        bool,
        Option(help="If another run is timed on this machine, wait for its end; or refuse."),
    ] = True,
    executor: Annotated[
        str, Option(help="local, or dask: on a dask cluster, see docs/many-machines.md.")
    ] = "local",
    scheduler: Annotated[
        str | None, Option(metavar="ADDRESS", help="The dask scheduler. Default: start one here.")
    ] = None,
    minutes: Annotated[
        float | None,
        Option(min=0, help="Start no workload after this many minutes; skip the rest."),
    ] = None,
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

    if resume is None:
        if out is None:
            raise BadParameter("Give the results folder.", param_hint="--out")
        if suite is None and ab is None:
            raise LstmbenchError(
                "No suite was given. Give a suite's name or a YAML file; `lstmbench list` shows "
                "names."
            )
    elif (suite, out, task, ab, seed, minutes) != (None,) * 6:
        raise LstmbenchError(
            "--resume continues a run as it began; it cannot be combined with a suite, --out, "
            "--task, --ab, --seed or --minutes."
        )
    if threshold is not None:
        check_threshold(threshold)
        if ab is None and resume is None:
            raise LstmbenchError("--threshold applies to --ab A B only.")
    where: dict[str, Any] = {"wait": wait, "executor": executor, "scheduler": scheduler}
    with handle_broken_pipe(signal.SIG_IGN):
        if resume is not None:
            result = runner.resume(resume, progress=progress, **where)
        else:
            result = runner.run(
                suite or "duel", out, progress=progress, seed=seed, ab=ab, tasks=task or (),
                minutes=minutes, **where,
            )  # fmt: skip
    if resume is None or result.new or not (result.folder / "README.md").is_file():
        report.write(result.folder)
    raise Exit(_print_outcome(result, threshold))


def _print_outcome(run: "Run", threshold: float | None) -> int:
    """Print statuses, failures and the verdicts of an A/B comparison; return the exit code."""
    from lstmbench.measure.run_manifest import is_ab
    from lstmbench.report.comparison.ab import THRESHOLD, compare_ab
    from lstmbench.report.labels import counts

    records, manifest = run.records, run.manifest
    records.attrs = {}  # pandas would copy the manifest with every column that is read
    statuses = records["status"].value_counts().to_dict()
    console.print(f"{run.folder}: {counts(statuses)}")
    for record in records[~records["status"].isin(["ok", "skipped"])].itertuples():
        workload = f"{record.mode} T={record.seq_len} H={record.hidden_size}"
        case = f"{record.implementation} {getattr(record, 'task', workload)}"
        console.print(f"  {case}: {record.status}, {record.error}")
    if not manifest.get("complete", True):
        console.print("  The harness failed in some cases; the same command measures them again.")
    if "wrong_result" in statuses:
        return exit_codes.WRONG_RESULT
    if statuses.keys() - {"ok", "skipped"}:
        return exit_codes.NOT_POSSIBLE
    if "ok" not in statuses:
        return exit_codes.NOTHING_MEASURED
    controls = manifest["controls"]
    console.print(f"  noise floor {controls['noise_floor']}")
    if controls["failed"]:
        return exit_codes.CONTROLS_FAILED
    if not is_ab(manifest):
        return exit_codes.OK
    comparison = compare_ab(records, threshold or THRESHOLD)
    print(comparison.markdown(), end="")
    return comparison.exit_code
