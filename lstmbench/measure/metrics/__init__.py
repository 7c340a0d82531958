"""The metrics of a record: one file each, found by being in this folder.

A metric is a module with

- ``NEEDS``: the kinds of evidence that it uses, of ``first_calls``, ``samples`` and ``memory``;
  the worker collects each once, however many metrics need it,
- ``compute(evidence)``: returns the columns that it adds to the record,
- ``COLUMNS``: those of them that ``lstmbench.results.schema`` does not have, in order, each with
  its type, label, units and interval. The store types them, tables and figures label them.
"""

import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from lstmbench.measure.disturbance import Measurement
from lstmbench.measure.statistics import NO_PRIOR, VariancePrior, variance_prior
from lstmbench.measure.suites.case import Workload
from lstmbench.results.schema import Column

EVIDENCE_KINDS = frozenset({"first_calls", "samples", "memory"})


@dataclass
class Evidence:
    """What was collected of one case.

    Attributes:
        workload: the sizes and settings.
        reference: the implementation that ratios are relative to.
        precision: the relative half-width of the ratio's interval at which a record has converged.
        first_calls: per process, ``first_call_s``, ``output_rel_error``, ``grad_rel_error``.
        cores_busy: per process, how many cores a turn kept busy that could use them all.
        measurements: per process, one per round.
        reference_measurements: those of the reference in the same rounds.
        time_prior, ratio_prior: of the logarithms of times and ratios, from all cases of the
            workload.
        memory: the answer to the worker's command ``memory``.
        machine_peaks: per process and round, the columns ``schema.PEAK_COLUMNS``; empty, as a
            whole or in a round, where they were not measured.
    """

    workload: Workload
    reference: str
    precision: float
    first_calls: list[dict[str, Any]] = field(default_factory=list)
    cores_busy: list[float] = field(default_factory=list)
    measurements: list[list[Measurement]] = field(default_factory=list)
    reference_measurements: list[list[Measurement]] = field(default_factory=list)
    time_prior: VariancePrior = NO_PRIOR
    ratio_prior: VariancePrior = NO_PRIOR
    memory: dict[str, Any] = field(default_factory=dict)
    machine_peaks: Sequence[Sequence[Mapping[str, float]]] = ()

    @property
    def rounds(self) -> list[NDArray[np.float64]]:
        """Per process, the seconds of a call in each round, (rounds,)."""
        return round_times(self.measurements)

    @property
    def ratios(self) -> list[NDArray[np.float64]]:
        """Per process, the time over that of the reference in each round, (rounds,)."""
        pairs = zip(self.rounds, round_times(self.reference_measurements), strict=True)
        return [own / base for own, base in pairs]


def round_times(measurements: list[list[Measurement]]) -> list[NDArray[np.float64]]:
    """Return, per process, the seconds of a call in each round: the mean over all of its calls.

    Not the median of its samples: call times are skewed, so that the median of single calls is
    below that of means of many, and an implementation would gain if its samples were single calls.
    Outliers are handled by the estimate over rounds, which is robust.
    """
    return [np.array([np.mean(one.seconds) for one in process]) for process in measurements]


def share_evidence(
    cases: Sequence[Evidence], reference: Evidence | None, controls: Sequence[Evidence] = ()
) -> None:
    """Give each case of a workload what it needs of the others: the reference, and the priors.

    Args:
        cases: all that took part in all rounds, without controls.
        reference: that of them to which ratios are relative; None without ratios. Its ratio to
            itself does not vary, and does not count in the prior.
        controls: those of the same rounds. The priors do without them, since records do.
    """
    for evidence in [*cases, *controls]:
        evidence.reference_measurements = reference.measurements if reference else []
    time_prior = variance_prior([evidence.rounds for evidence in cases])
    ratio_prior = variance_prior([evidence.ratios for evidence in cases if reference])
    for evidence in [*cases, *controls]:
        evidence.time_prior = time_prior
        evidence.ratio_prior = NO_PRIOR if evidence is reference else ratio_prior


class Metric(Protocol):
    """The interface of a metric's module; ``COLUMNS`` is optional."""

    NEEDS: frozenset[str]

    def compute(self, evidence: Evidence) -> dict[str, Any]:
        """Return the columns that this metric adds to the record."""


@cache
def metrics() -> tuple[Metric, ...]:
    """Return every metric, ordered by file name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast(Metric, import_module(f"{__name__}.{name}")) for name in names)


def columns() -> dict[str, Column]:
    """Return the columns that metrics declare, by name, in the order of the metrics."""
    declared = (column for metric in metrics() for column in getattr(metric, "COLUMNS", ()))
    return {column.name: column for column in declared}


def compute(evidence: Evidence, kinds: frozenset[str] = EVIDENCE_KINDS) -> dict[str, Any]:
    """Return the columns of all metrics that need only these kinds of evidence."""
    values: dict[str, Any] = {}
    for metric in metrics():
        if kinds >= metric.NEEDS:
            values |= metric.compute(evidence)
    return values
