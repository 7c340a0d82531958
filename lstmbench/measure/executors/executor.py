"""Where a run is measured: on this machine, or on the workers of a dask scheduler."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from lstmbench.errors import LstmbenchError
from lstmbench.measure.ab import Variant
from lstmbench.measure.executors.local import local_machine
from lstmbench.measure.suites.interface import AnySuite, Result


class Executor(Protocol):
    """Measures workloads; entered once a run begins."""

    @property
    def machine(self) -> dict[str, Any]:
        """The description of the machine that measures, after ``choose``."""
        ...

    def choose(self, machine: Mapping[str, Any] | None) -> None:
        """Choose the hosts that measure: of the kind of ``machine``, which began the run, if any.

        Raises:
            LstmbenchError: if no machine of this kind is available.
        """
        ...

    def load_average(self) -> float | None:
        """Return the load of this machine, None if others measure or the system does not say."""
        ...

    def measure(
        self, workloads: Sequence[Any], suite: AnySuite, run_id: str, seed: int
    ) -> Generator[Result]:
        """Yield each workload as soon as it is measured."""
        ...


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
        return local_machine(folder, variants, wait, minutes)
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
