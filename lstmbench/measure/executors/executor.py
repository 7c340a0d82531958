"""Where a run is measured: on this machine, or on the workers of a dask scheduler."""

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.ab_sources import Variant
from lstmbench.measure.process import locks
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.interface import AnySuite, Result
from lstmbench.results import machine_identity
from lstmbench.results.store import Store


class Executor(Protocol):
    """Measures workloads; entered once a run begins."""

    @property
    def machine(self) -> dict[str, Any]:
        """The description of the machine that measures, after ``choose``."""

    def choose(self, machine: Mapping[str, Any] | None) -> None:
        """Choose the hosts that measure: of the kind of ``machine``, which began the run, if any.

        Raises:
            LstmbenchError: if no machine of this kind is available.
        """

    def load_average(self) -> float | None:
        """Return the load of this machine, None if others measure or the system does not say."""

    def measure(
        self, workloads: Sequence[Any], suite: AnySuite, run_id: str, seed: int
    ) -> Generator[Result]:
        """Yield each workload as soon as it is measured."""


@dataclass
class LocalMachine:
    """The executor ``local``; see ``Executor`` for its methods.

    Attributes:
        folder, variants, minutes: as of ``open_executor``.
        machine: the description of this machine.
    """

    folder: Path
    variants: Sequence[Variant]
    minutes: float | None
    machine: dict[str, Any] = field(default_factory=environment.machine)

    def choose(self, machine: Mapping[str, Any] | None) -> None:
        """Refuse to resume a run of another kind of machine: processor, cores or GPU differ."""
        if isinstance(machine, dict) and machine_identity.machines_differ(machine, self.machine):
            names = map(machine_identity.describe_machine, (machine, self.machine))
            raise LstmbenchError(
                f"The run in {self.folder} was begun on another machine, "
                f"{', and this is '.join(names)}: choose another folder, and combine both runs "
                "with lstmbench merge."
            )

    def load_average(self) -> float | None:
        """Return the load of the last minute."""
        return environment.load_average()

    def measure(
        self, workloads: Sequence[Any], suite: AnySuite, run_id: str, seed: int
    ) -> Generator[Result]:
        """Yield each workload as soon as it is measured; skip the rest once the time is up."""
        end = math.inf if self.minutes is None else time.monotonic() + 60 * self.minutes
        late = f"it had not begun when the run's {self.minutes or 0:g} minutes were over"
        with Store(self.folder).scratch() as scratch, WorkerPool(scratch, self.variants) as pool:
            for workload in workloads:
                skip = late if time.monotonic() >= end else ""
                records, samples, controls = suite.measure(workload, pool, seed, skip)
                note = {"controls": controls, "environments": pool.environments}
                yield workload, records, samples, note


def open_executor(
    executor: str,
    scheduler: str | None,
    folder: Path,
    variants: Sequence[Variant] = (),
    wait: bool = True,
    minutes: float | None = None,
) -> AbstractContextManager[Executor]:
    """Return the executor of this name; its options are those of ``lstmbench.run``.

    Raises:
        LstmbenchError: if there is none of this name, options contradict each other, or the package
            distributed is missing.
    """
    if executor == "local":
        if scheduler is not None:
            raise LstmbenchError("--scheduler needs --executor dask.")
        return _local_machine(folder, variants, wait, minutes)
    if executor != "dask":
        raise LstmbenchError(f"There is no executor {executor!r}; the executors are local, dask.")
    for option, given in ("--ab", bool(variants)), ("--minutes", minutes is not None):
        if given:
            raise LstmbenchError(f"{option} cannot be combined with --executor dask.")
    if not wait:
        raise LstmbenchError(
            "--no-wait cannot be combined with --executor dask, whose workers always wait."
        )
    try:
        from lstmbench.measure.executors.dask_client import cluster  # dask is an optional extra
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed"):
            raise
        raise LstmbenchError(
            "--executor dask needs the package distributed: pip install 'lstmbench[dask]'."
        ) from None
    return cluster(scheduler)


@contextmanager
def _local_machine(
    folder: Path, variants: Sequence[Variant], wait: bool, minutes: float | None
) -> Iterator[LocalMachine]:
    """Give this machine once no other run is timed on it; arguments as of ``lstmbench.run``."""
    with locks.lock_machine(wait):
        yield LocalMachine(folder, variants, minutes)
