"""Was a turn disturbed? Judged by what went on around it, never by the time that is being measured.

Each turn brings witnesses: how much of its time the process was really computing, how often it was pushed off its
core, how long a small fixed piece of work took just before, and how much of the machine the hypervisor gave to
others. A turn whose witnesses stand out from those of the same case in the same process is disturbed. It stays in
the raw samples, marked, and is left out of the estimate; but if more than a quarter of a case's rounds were
disturbed, disturbance is what the machine is like: then all rounds count, and the row is called noisy.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

LEAST_COMPUTING = 0.95
"""A turn is disturbed if its share of time spent computing is below this share of the case's median."""
SLOWEST_SENTINEL = 1.25
"""... or if the sentinel took longer than this multiple of its median."""
MOST_STOLEN = 0.02
"""... or if the hypervisor took more than this share of the machine's time."""
MOST_LEFT_OUT = 0.25
"""No more than this share of a case's rounds is left out."""


class Turn(NamedTuple):
    """One turn of one case.

    Attributes:
        seconds: the samples.
        loop_s: wall time of the loop that took them.
        cpu_s: time that the process's threads spent computing meanwhile.
        switches: how often it was pushed off its core (involuntary context switches).
        sentinel_s: how long the fixed piece of work took just before.
        calls: how many calls each sample is the mean of.
        stolen: share of the machine's time that the hypervisor gave to others during the turn's round.
    """

    seconds: list[float]
    loop_s: float
    cpu_s: float
    switches: int
    sentinel_s: float
    calls: int = 1
    stolen: float = 0.0


def disturbed(turns: Sequence[Turn]) -> Mask:
    """Return which turns were disturbed, among those of one case in one process."""
    computing = np.array([turn.cpu_s / turn.loop_s for turn in turns])
    sentinel = np.array([turn.sentinel_s for turn in turns])
    stolen = np.array([turn.stolen for turn in turns])
    return (
        (computing < LEAST_COMPUTING * np.median(computing))
        | (sentinel > SLOWEST_SENTINEL * np.median(sentinel))
        | (stolen > MOST_STOLEN)
    )


def left_out(marks: Sequence[Mask]) -> tuple[list[Mask], bool]:
    """Return which rounds to leave out, process by process, and whether the case is noisy.

    Args:
        marks: the disturbed rounds of each process. A process none of whose rounds is clean counts as it is.
    """
    if sum(int(mark.sum()) for mark in marks) > MOST_LEFT_OUT * sum(len(mark) for mark in marks):
        return [np.zeros_like(mark) for mark in marks], True
    return [np.zeros_like(mark) if mark.all() else mark for mark in marks], False
