"""Measure workloads on this machine, one after the other."""

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lstmbench.errors import LstmbenchError
from lstmbench.measure import environment
from lstmbench.measure.ab import Variant
from lstmbench.measure.process import locks
from lstmbench.measure.process.worker_pool import WorkerPool
from lstmbench.measure.suites.interface import AnySuite, Result
from lstmbench.results import machine_identity
from lstmbench.results.store import Store


@contextmanager
def local_machine(
    folder: Path, variants: Sequence[Variant], wait: bool, minutes: float | None
) -> Iterator["LocalMachine"]:
    """Give this machine once no other run is timed on it; arguments as of ``lstmbench.run``."""
    with locks.lock_machine(wait):
        yield LocalMachine(folder, variants, minutes)


class LocalMachine:
    """The executor ``local``; see ``Executor`` for its methods.

    Attributes:
        machine: the description of this machine.
    """

    def __init__(self, folder: Path, variants: Sequence[Variant], minutes: float | None) -> None:
        self.folder, self.variants, self.minutes = folder, variants, minutes
        self.machine = environment.machine()

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
        late = f"the time of the run, {self.minutes or 0:g} minutes, was over before"
        with Store(self.folder).scratch() as scratch, WorkerPool(scratch, self.variants) as pool:
            for workload in workloads:
                skip = late if time.monotonic() >= end else ""
                records, samples, controls = suite.measure(workload, pool, seed, skip)
                note = {"controls": controls, "environments": pool.environments}
                yield workload, records, samples, note
