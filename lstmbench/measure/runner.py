"""From a suite to a folder of results. Nothing is timed in this process, and no framework is
imported in it.

For each workload the oracle's answers are computed once. Then, for each process of the budget, all
implementations get a fresh worker; each worker passes the gate or is out; the others take turns,
round by round, in random order.
"""

import math
import os
import shlex
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.ab import Variant, sides
from lstmbench.measure.process import locks
from lstmbench.measure.process.forkserver import HARNESS_FAILED
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.run_manifest import (
    manifest_of,
    new_manifest,
    now,
    stays_on_its_machine,
    tell,
)
from lstmbench.measure.run_training import teach
from lstmbench.measure.suites.case import Workload
from lstmbench.measure.suites.suite import Suite
from lstmbench.measure.suites.suite_file import read_suite, stored_suite
from lstmbench.measure.suites.training_suite import TrainingSuite, TrainingWorkload
from lstmbench.measure.workload_session import leave_out, measure_workload
from lstmbench.results.store import Store, read_manifest, read_progress, read_results, read_samples

if TYPE_CHECKING:
    from lstmbench.measure.executors.dask_client import Cluster

Rows = list[dict[str, Any]]
Measured = tuple[Rows, Rows, Rows]


@dataclass(frozen=True)
class Run:
    """The results of a run: where they are, and a way to read them."""

    folder: Path
    new: bool = True
    """Whether something was measured; not so if it was complete already."""

    def __repr__(self) -> str:
        counts = self.records["status"].value_counts()
        return f"Run({self.folder}: {', '.join(f'{count} {status}' for status, count in counts.items())})"

    @property
    def records(self) -> pd.DataFrame:
        """One row per case."""
        return read_results(self.folder)

    @property
    def samples(self) -> pd.DataFrame:
        """Every timed sample."""
        return read_samples(self.folder)

    @property
    def manifest(self) -> dict[str, Any]:
        """How the run came about."""
        return read_manifest(self.folder)

    @property
    def failed(self) -> bool:
        """Whether a case failed, ran out of time or memory, or computed something else than the
        LSTM.
        """
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
        out: the results folder; a new temporary one if None. If it holds the same suite's results
            already, what is missing is measured and nothing is measured again.
        progress: whether to show a bar with the remaining time.
        seed: of the inputs and of the order of turns; drawn afresh if None, and recorded.
        ab: the two sides of a duel, in place of the suite's implementations; the first is the
            reference. Each may be an implementation in another git revision or under another
            interpreter, see ``lstmbench.measure.ab``.
        tasks: of a suite of lessons, only these; all of them if none is named.
        wait: whether to wait for the end of another run that is being timed on this machine.
        executor: ``local`` measures here; ``dask`` on the workers of a dask scheduler, one workload
            at a time on each.
        scheduler: of ``dask``, its address; if None there is one in this process, with this machine
            as its only host.
        minutes: workloads that have not begun so long after the first are skipped, and the run is
            complete without them; None for all of them.

    Raises:
        LstmbenchError: if the suite is malformed, a side of the duel is not there, the folder
            cannot be written, it holds the results of another suite or of another seed, another run
            is at work in it, or one is being timed on this machine that is not to be waited for;
            and of ``dask``, if the package distributed is not installed, there is no scheduler, or
            none of its workers can measure.
    """
    chosen = read_suite(suite)
    duel = sides(*ab) if ab else ()
    if duel:
        if isinstance(chosen, TrainingSuite):
            raise LstmbenchError(
                f"A duel is about time; the suite {chosen.name!r} has lessons, not workloads."
            )
        chosen = chosen.of([side.label for side in duel])
    if tasks:
        if not isinstance(chosen, TrainingSuite):
            raise LstmbenchError(
                f"The suite {chosen.name!r} has no tasks: it is of time, memory and accuracy."
            )
        chosen = chosen.of(tasks)
    if minutes is not None and isinstance(chosen, TrainingSuite):
        raise LstmbenchError(
            f"The suite {chosen.name!r} has lessons, which are not left out when a time is over."
        )
    folder = (
        Path(out) if out is not None else Path(tempfile.mkdtemp(prefix=f"lstmbench-{chosen.name}-"))
    )
    asked = [
        str(suite),
        *(["--ab", *(side.asked for side in duel)] if duel else []),
        *(word for task in tasks for word in ("--task", task)),
        *(["--executor", executor] if executor != "local" else []),
        *(["--minutes", f"{minutes:g}"] if minutes is not None else []),
    ]
    place = _place(executor, scheduler, duel, wait, minutes)
    return _go_on(chosen, duel, asked, folder, seed, progress, place, minutes)


def resume(
    out: str | Path,
    *,
    progress: bool = True,
    wait: bool = True,
    executor: str = "local",
    scheduler: str | None = None,
) -> Run:
    """Go on with a run, whose suite is the one in its manifest; the arguments are those of ``run``.

    Raises:
        LstmbenchError: as ``run`` does; if there is no run in the folder; or if it is a duel with
            another interpreter, whose path no manifest holds.
    """
    folder = Path(out)
    if not (folder / "manifest.json").is_file():
        raise LstmbenchError(f"There is no run in {folder}: it has no manifest.json.")
    manifest = read_manifest(folder)
    duel = _sides_of(manifest)
    place = _place(executor, scheduler, duel, wait)
    return _go_on(stored_suite(manifest, folder), duel, [], folder, None, progress, place)


def _sides_of(manifest: Mapping[str, Any]) -> Sequence[Variant]:
    """Return the sides of a duel as its command names them. No program that a manifest names is
    started.
    """
    try:
        words = shlex.split(str(manifest.get("command")))
    except ValueError:
        words = []
    if "--ab" not in words:
        return ()
    asked = words[words.index("--ab") + 1 :][:2]
    if len(asked) < 2 or any(os.sep in side or "@python-" in side for side in asked):
        raise LstmbenchError(
            "A duel with another interpreter goes on by its own command, with --ab."
        )
    return sides(asked[0], asked[1])


def _place(
    executor: str,
    scheduler: str | None,
    duel: Sequence[Variant],
    wait: bool,
    minutes: float | None = None,
) -> AbstractContextManager["Cluster | None"]:
    """Return where a run is measured, to be entered when it begins: here, with the machine's lock,
    or on a cluster.
    """
    if executor not in ("local", "dask"):
        raise LstmbenchError(f"There is no executor {executor!r}; the executors are local, dask.")
    if executor == "local":
        if scheduler is not None:
            raise LstmbenchError("--scheduler belongs to --executor dask.")
        return locks.lock_machine(wait)
    if duel:
        raise LstmbenchError(
            "A duel is between two on one machine: it goes without --executor dask."
        )
    if minutes is not None:
        raise LstmbenchError("--minutes is about one machine: it goes without --executor dask.")
    if not wait:
        raise LstmbenchError(
            "With --executor dask it is the workers that wait, and --no-wait has nothing to refuse."
        )
    try:
        from lstmbench.measure.executors.dask_client import cluster  # dask is an extra
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed"):
            raise
        raise LstmbenchError(
            "--executor dask needs the package distributed: pip install 'lstmbench[dask]' brings it."
        ) from None
    return cluster(scheduler)


def _go_on(
    chosen: Suite | TrainingSuite,
    duel: Sequence[Variant],
    asked: list[str],
    folder: Path,
    seed: int | None,
    progress: bool,
    place: AbstractContextManager["Cluster | None"],
    minutes: float | None = None,
) -> Run:
    """Measure what is missing in a folder; ``asked`` are the words of the command for a new run."""
    manifest = manifest_of(folder, chosen, seed)
    if manifest and manifest["complete"] and _done(chosen, folder):
        return Run(folder, new=False)
    store = Store(folder)
    with locks.lock_folder(folder), place as cluster:
        manifest = manifest_of(folder, chosen, seed)
        if cluster is not None:
            cluster.choose(manifest.get("machine"))
        elif manifest:
            stays_on_its_machine(manifest, folder)
        manifest = manifest or new_manifest(
            chosen, asked, folder, seed, cluster.machine if cluster else None
        )
        store.write_manifest(manifest)
        try:
            left = _measure(chosen, duel, store, manifest, progress, cluster, minutes)
        except OSError as error:  # of the machine: no room, no more files, no more processes
            raise LstmbenchError(f"The run in {folder} cannot go on: {error}.") from None
        if left:
            return Run(folder)
        store.finish()
        load = None if cluster else environment.load_average()
        store.seal(manifest | {"complete": True, "finished": now(), "load_at_end": load})
    return Run(folder)


def _done(suite: Suite | TrainingSuite, folder: Path) -> bool:
    return read_progress(folder)[0] >= {workload.id for workload in suite.workloads()}


def _measure(
    suite: Suite | TrainingSuite,
    duel: Sequence[Variant],
    store: Store,
    manifest: dict[str, Any],
    progress: bool,
    cluster: "Cluster | None",
    minutes: float | None,
) -> list[Workload | TrainingWorkload]:
    """Measure every workload that is not done yet; put into the manifest what all of them taught.

    Returned are those that the next call measures again: a case failed by a fault of the harness.
    """
    left: list[Workload | TrainingWorkload] = []
    done, learnt = read_progress(store.folder)
    several: Sequence[Workload | TrainingWorkload] = suite.workloads()
    order = {workload: f"{k:05d}" for k, workload in enumerate(several)}
    workloads = [workload for workload in order if workload.id not in done]
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes
    known = set(manifest["environments"]).union(*(each["environments"] for each in learnt))

    def keep(
        workload: Workload | TrainingWorkload, records: Rows, samples: Rows, note: dict[str, Any]
    ) -> None:
        for record in records:
            record |= {"suite": suite.name, "run_id": manifest["run_id"]}
        new = {name: found for name, found in note["environments"].items() if name not in known}
        failed = [record for record in records if record["status"] == "failed"]
        again = any(HARNESS_FAILED in record["error"] for record in failed)
        note = note | {"environments": new}
        store.append(order[workload], records, samples, note | {"again": again})
        left.extend([workload] * again)
        learnt.append(note)
        known.update(new)

    try:
        if cluster is not None:
            found = cluster.measure(workloads, suite, manifest["run_id"], manifest["seed"])
            for workload, records, samples, note in _with_progress(workloads, progress, found):
                keep(workload, records, samples, note)
            return left
        with store.scratch() as scratch, WorkerPool(scratch, duel) as team:
            for workload in _with_progress(workloads, progress):
                if time.monotonic() < end:
                    records, samples, shown = measured(workload, suite, team, manifest["seed"])
                else:
                    assert isinstance(suite, Suite) and isinstance(workload, Workload)
                    reason = f"the time of the run, {minutes:g} minutes, was over before"
                    records, samples, shown = leave_out(workload, suite, team, reason), [], []
                note = {"controls": shown, "environments": team.environments}
                keep(workload, records, samples, note)
    finally:  # once, and not after each workload: of a sweep of thousands, all that was learnt is long
        tell(manifest, suite, learnt)
        store.write_manifest(manifest)
    return left


def measured(
    workload: Workload | TrainingWorkload, suite: Suite | TrainingSuite, team: WorkerPool, seed: int
) -> Measured:
    """Return the records, the samples, and what the controls showed; lessons have none."""
    if isinstance(workload, TrainingWorkload):
        assert isinstance(suite, TrainingSuite)
        return (*teach(workload, suite, team), [])
    assert isinstance(suite, Suite)
    return measure_workload(workload, suite, team, seed)


def _with_progress(
    workloads: list[Any], show: bool, found: Iterable[Any] | None = None
) -> Iterator[Any]:
    """Yield the workloads under a bar that counts in expected work, so that its remaining time is
    fair.

    Or what was ``found`` of them, as it comes in: tuples that begin with the workload.
    """
    if not show:
        yield from workloads if found is None else found
        return
    from tqdm.auto import tqdm

    total = sum(workload.work for workload in workloads)
    with tqdm(
        total=total, bar_format="{l_bar}{bar}| {elapsed} < {remaining}", dynamic_ncols=True
    ) as bar:
        for each in workloads if found is None else found:
            workload = each if found is None else each[0]
            bar.set_description(str(workload))
            yield each
            bar.update(workload.work)
