"""What is computed from the evidence of a case: one file per metric, found by being here.

A metric is a module with ``NEEDS``, the kinds of evidence that it asks for (``gate``, ``samples``,
``memory``), and ``compute(evidence)``, which returns the columns that it adds to the record. The
worker collects each kind once, whoever asks for it. Columns that are not in
``lstmbench.results.schema`` the module declares itself, with their labels and units, as
``COLUMNS``.
"""

import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from lstmbench.measure.disturbance import Turn
from lstmbench.measure.suites.case import Workload
from lstmbench.results.schema import Column

KINDS = frozenset({"gate", "samples", "memory"})


@dataclass
class Evidence:
    """All that was collected of one case.

    Attributes:
        workload: the sizes and settings.
        reference: the implementation that ratios are taken against.
        precision: half-width of the ratio's interval, as a share, at which a row counts as
            converged.
        gate: one entry per process, ``first_call_s``, ``output_rel_error``, ``grad_rel_error``.
        turns: per process, this case's turn of each round.
        reference_turns: per process, the reference's turns of the same rounds.
        memory: what the worker's ``memory`` returned.
        limits: per process, what the machine could do in the same rounds, see
            ``lstmbench.measure.roofline``; empty, as a whole or in a round, where it was not
            measured.
    """

    workload: Workload
    reference: str
    precision: float
    gate: list[dict[str, Any]] = field(default_factory=list)
    turns: list[list[Turn]] = field(default_factory=list)
    reference_turns: list[list[Turn]] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    limits: Sequence[Sequence[Mapping[str, float]]] = ()

    @property
    def rounds(self) -> list[NDArray[np.float64]]:
        """Return, per process, the seconds of a call in each round."""
        return round_times(self.turns)


def round_times(turns: list[list[Turn]]) -> list[NDArray[np.float64]]:
    """Return, per process, the seconds of a call in each turn: the mean over all calls of the turn.

    Not the median of its samples: call times are skewed, so that the median of single calls lies
    below that of means over many, and an implementation would gain by being so slow that a sample
    is one call. What stands far out is left to the median over rounds, and to the guard.
    """
    return [np.array([np.mean(turn.seconds) for turn in process]) for process in turns]


class Metric(Protocol):
    """The form of a metric's module."""

    NEEDS: frozenset[str]

    def compute(self, evidence: Evidence) -> dict[str, Any]:
        """Return the columns that this metric adds to the record."""
        ...


@cache
def metrics() -> tuple[Metric, ...]:
    """Return every metric of the package, by the names of their files."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast(Metric, import_module(f"{__name__}.{name}")) for name in found)


def columns() -> dict[str, Column]:
    """Return the columns that metrics declare themselves, by their names."""
    declared = (column for metric in metrics() for column in getattr(metric, "COLUMNS", ()))
    return {column.name: column for column in declared}


def compute(evidence: Evidence, kinds: frozenset[str] = KINDS) -> dict[str, Any]:
    """Return the columns of all metrics that need no other kinds of evidence than these."""
    chosen = [metric for metric in metrics() if kinds >= metric.NEEDS]
    return {name: value for metric in chosen for name, value in metric.compute(evidence).items()}
