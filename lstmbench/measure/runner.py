"""Measure a suite into a results folder. Nothing is timed in this process, no framework imported.

``run`` chooses the suite and the executor. The executor measures one workload after the other
(``TimingSuite.measure``); each is stored as soon as it is done, so that a run can be resumed.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.measure import metrics
from lstmbench.measure.ab_sources import read_variants, stored_variants
from lstmbench.measure.executors.executor import Executor, open_executor
from lstmbench.measure.process import locks
from lstmbench.measure.process.forkserver import HARNESS_FAILED
from lstmbench.measure.run_manifest import add_notes, is_ab, new_manifest, now, read_run_manifest
from lstmbench.measure.suites.interface import AnySuite, AnyWorkload, Result
from lstmbench.measure.suites.suite_file import read_suite, stored_suite
from lstmbench.results.store import (
    Store,
    is_run,
    read_manifest,
    read_progress,
    read_results,
    read_samples,
)


@dataclass(frozen=True)
class Run:
    """The results of a run, read from its folder on demand."""

    folder: Path
    new: bool = True
    """Whether something was measured; False if the run was complete already."""

    def __repr__(self) -> str:
        counts = self.records["status"].value_counts()
        described = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"Run({self.folder}: {described})"

    @property
    def records(self) -> pd.DataFrame:
        """One row per case."""
        return read_results(self.folder)

    @property
    def samples(self) -> pd.DataFrame:
        """One row per timed sample."""
        return read_samples(self.folder)

    @property
    def manifest(self) -> dict[str, Any]:
        """How the run came about."""
        return read_manifest(self.folder)

    @property
    def failed(self) -> bool:
        """Whether a case has a status other than ``ok`` and ``skipped``."""
        return not self.records["status"].isin(["ok", "skipped"]).all()


def run(
    suite: str | Path = "quick",
    out: str | Path | None = None,
    *,
    progress: bool = True,
    seed: int | None = None,
    ab: tuple[str, str] | None = None,
    tasks: Sequence[str] = (),
    wait: bool = True,
    executor: str = "local",
    scheduler: str | None = None,
    minutes: float | None = None,
) -> Run:
    """Measure a suite, and return the run.

    Args:
        suite: the name of a suite that comes with the package, or the path of a YAML file.
        out: the results folder; a new temporary one if None. If it holds part of the suite's
            results, only the rest is measured.
        progress: whether to show a progress bar.
        seed: of the inputs and the order of measurement; drawn and recorded if None.
        ab: two implementations that replace the suite's; the first is the reference. Each may be of
            another git revision or interpreter, see ``lstmbench.measure.ab_sources``.
        tasks: names of the tasks to measure of a training suite; all if empty.
        wait: whether to wait while another run is timed on this machine; else an error.
        executor: ``local`` for this machine, ``dask`` for the workers of a dask scheduler.
        scheduler: the address of the dask scheduler; None for one in this process, with this
            machine as its only host.
        minutes: workloads that have not begun after this time are skipped; None for no limit. The
            baselines of a training suite are scored all the same: they take seconds.

    Raises:
        LstmbenchError: if the suite or an option is invalid, the folder cannot be written or holds
            something else, another run uses the folder or (without ``wait``) the machine, or, with
            dask, there is no scheduler or no suitable worker.
    """
    chosen: AnySuite = read_suite(suite)
    arguments, variants = [str(suite)], read_variants(*ab) if ab else ()
    if variants:
        chosen = chosen.with_variants([variant.label for variant in variants])
        arguments += ["--ab", *(variant.cli_spec for variant in variants)]
    if tasks:
        chosen = chosen.with_tasks(tasks)
        arguments += [word for task in tasks for word in ("--task", task)]
    if executor != "local":
        arguments += ["--executor", executor]
    if minutes is not None:
        arguments += ["--minutes", f"{minutes:g}"]
    prefix = f"lstmbench-{chosen.name}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix) if out is None else out)
    hosts = open_executor(executor, scheduler, folder, variants, wait, minutes)
    return _complete(folder, chosen, hosts, arguments, seed, progress)


def resume(
    out: str | Path,
    *,
    progress: bool = True,
    wait: bool = True,
    executor: str = "local",
    scheduler: str | None = None,
) -> Run:
    """Measure what a run lacks; its suite is in its manifest. Arguments as of ``run``.

    Raises:
        LstmbenchError: as ``run``; if the folder holds no run; or for an A/B comparison with
            another interpreter, whose path is not recorded.
    """
    folder = Path(out)
    if not is_run(folder):
        raise LstmbenchError(f"There is no run in {folder}: it has no manifest.json.")
    manifest = read_manifest(folder)
    suite = stored_suite(manifest, folder)
    variants = stored_variants(suite.names()) if is_ab(manifest) else ()
    hosts = open_executor(executor, scheduler, folder, variants, wait)
    return _complete(folder, suite, hosts, [], None, progress)


def _complete(
    folder: Path,
    suite: AnySuite,
    hosts: AbstractContextManager[Executor],
    arguments: Sequence[str],
    seed: int | None,
    progress: bool,
) -> Run:
    """Measure what the folder lacks; ``arguments`` are recorded in the manifest of a new run."""
    manifest = read_run_manifest(folder, suite, seed)
    ids = {workload.id for workload in suite.workloads()}
    if manifest and manifest["complete"] and read_progress(folder)[0] >= ids:
        return Run(folder, new=False)
    store = Store(folder, metrics.columns().values())
    with locks.lock_folder(folder), hosts as executor:
        manifest = read_run_manifest(folder, suite, seed)  # it may have changed while we waited
        executor.choose(manifest.get("machine"))
        manifest = manifest or new_manifest(
            suite, arguments, folder, seed, executor.machine, executor.load_average()
        )
        store.write_manifest(manifest)
        try:
            complete = _measure(suite, store, manifest, executor, progress)
        except OSError as error:  # no space, too many open files or processes
            raise LstmbenchError(f"The run in {folder} cannot go on: {error}.") from None
        if complete:
            store.finish()
            end = {"finished": now(), "load_at_end": executor.load_average()}
            store.seal(manifest | {"complete": True} | end)
    return Run(folder)


def _measure(
    suite: AnySuite, store: Store, manifest: dict[str, Any], executor: Executor, progress: bool
) -> bool:
    """Measure and store each missing workload; add to the manifest what all of them showed.

    Returns:
        Whether the run is complete. A workload with a case that failed through a fault of the
        harness is measured again by the next call.
    """
    done, notes = read_progress(store.folder)
    workloads = suite.workloads()
    names = {workload.id: f"{k:05d}" for k, workload in enumerate(workloads)}
    missing = [workload for workload in workloads if workload.id not in done]
    known = set(manifest["environments"]).union(*(note["environments"] for note in notes))
    complete = True
    results = executor.measure(missing, suite, manifest["run_id"], manifest["seed"])
    try:
        with closing(results):  # ends the workers, whatever is raised
            for workload, records, samples, note in _with_progress(results, missing, progress):
                for record in records:
                    record |= {"suite": suite.name, "run_id": manifest["run_id"]}
                failed = [record for record in records if record["status"] == "failed"]
                again = any(HARNESS_FAILED in record["error"] for record in failed)
                environments = note["environments"].items()
                note = note | {"environments": {k: v for k, v in environments if k not in known}}
                store.append(names[workload.id], records, samples, note | {"again": again})
                notes.append(note)
                known.update(note["environments"])
                complete = complete and not again
    finally:  # once, not after each workload: the manifest of thousands is long
        add_notes(manifest, suite, notes)
        store.write_manifest(manifest)
    return complete


def _with_progress(
    results: Iterable[Result], workloads: Sequence[AnyWorkload], show: bool
) -> Iterator[Result]:
    """Yield the results, under a bar of expected work that names the first unfinished workload."""
    if not show:
        yield from results
        return
    from tqdm.auto import tqdm

    pending = {workload.id: workload for workload in workloads}
    with tqdm(
        total=sum(workload.work for workload in workloads),
        bar_format="{l_bar}{bar}| {elapsed} < {remaining}",
        dynamic_ncols=True,
    ) as bar:
        bar.set_description(str(next(iter(pending.values()), "")))
        for result in results:
            yield result
            bar.update(pending.pop(result[0].id).work)
            bar.set_description(str(next(iter(pending.values()), "")))
