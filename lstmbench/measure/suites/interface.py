"""What every kind of suite and workload offers, so that no caller asks which kind it has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

if TYPE_CHECKING:
    from lstmbench.measure.process.worker_pool import WorkerPool
    from lstmbench.measure.suites.case import Case

Row = dict[str, Any]
Measured = tuple[list[Row], list[Row], list[Row]]
"""Records, samples, and rows of the controls."""
Result = tuple[Any, list[Row], list[Row], dict[str, Any]]
"""A workload, its records, its samples, and a note with ``controls`` and ``environments``."""
KeyPath = tuple[str | int, ...]
"""Where a key is in a YAML document, such as ``("grids", 0, "seq_len")``."""


class AnyWorkload(Protocol):
    """What all rows of one comparison share: sizes or a task, dtype, device and threads."""

    @property
    def mode(self) -> str:
        """``inference`` or ``training``: what an implementation must offer."""

    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def id(self) -> str:
        """A short hash of the contents: equal workloads of two runs have the same."""

    @property
    def work(self) -> float:
        """The expected time of measuring it, relative to the other workloads of its suite."""

    def columns(self) -> Row:
        """Return the columns of a record that describe the workload."""


class AnySuite(Protocol):
    """The workloads of a run, and how one of them is measured."""

    IDENTITY: ClassVar[tuple[str, ...]]
    """The keys in which two runs must agree to be parts of one run."""

    @property
    def name(self) -> str: ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return the contents, as the manifest holds them."""

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """Return a copy with other values."""

    def faults(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield each key with a value that does not fit the others or this machine, and why."""

    def with_variants(self, labels: Sequence[str]) -> Self:
        """Return the suite with the variants of an A/B comparison as its implementations.

        Raises:
            LstmbenchError: if a suite of this kind has no A/B comparison.
        """

    def with_tasks(self, tasks: Sequence[str]) -> Self:
        """Return the suite with only these tasks.

        Raises:
            LstmbenchError: if the suite lacks one of them.
        """

    def names(self) -> list[str]:
        """Return the implementations, each once."""

    def count(self) -> int:
        """Return the number of cases without creating them."""

    def workloads(self) -> Sequence[AnyWorkload]:
        """Return every workload once, in the order in which they are measured."""

    def cases(self, workload: Any) -> "list[Case]":
        """Return the cases of one workload."""

    def measure(self, workload: Any, pool: "WorkerPool", seed: int, skip: str = "") -> Measured:
        """Measure one workload.

        Args:
            workload: one of ``workloads()``.
            pool: where the worker processes come from.
            seed: the run's seed.
            skip: why the workload is not measured; its records then have the status ``skipped``.
        """

    def control_summary(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the manifest's entry ``controls`` for these rows of the controls."""
