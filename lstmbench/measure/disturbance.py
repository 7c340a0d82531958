"""Was a turn disturbed? Judged by what went on around it, never by the time that is being measured.

Each turn brings witnesses: how much of its time the process was really computing, how often it was
pushed off its core, how long a small fixed piece of work took just before and just after, how much
of the machine the hypervisor gave to others, the clock's frequency, and whether a GPU was
throttled. A turn whose witnesses stand out from those of the same case in the same process is
disturbed. It stays in the raw samples, marked, and is left out of the estimate; but if more than a
quarter of a case's rounds were disturbed, disturbance is what the machine is like: then all rounds
count, and the row is called noisy.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

MIN_COMPUTING = 0.95
"""A turn is disturbed if its share of time spent computing is below this share of the case's
median.
"""
MAX_SWITCHES = 3
"""... or if it was pushed off its core so many times more often than the case is as a rule."""
SLOWEST_SENTINEL = 1.25
"""... or if the sentinel took longer than this multiple of its median."""
MAX_STOLEN = 0.02
"""... or if the hypervisor took more than this share of the machine's time."""
MIN_MHZ = 0.95
"""... or if the clock ran below this share of its median."""
MAX_LEFT_OUT = 0.25
"""No more than this share of a case's rounds is left out."""


class Turn(NamedTuple):
    """One turn of one case.

    Attributes:
        seconds: the samples.
        loop_s: wall time of the loop that took them.
        cpu_s: time that the process's threads spent computing meanwhile.
        switches: how often it was pushed off its core (involuntary context switches).
        sentinel_s: how long the fixed piece of work took, the slower of just before and just after.
        calls: how many calls each sample is the mean of.
        queued_s: time that its threads could have computed, had they had a core; 0 where the system
            does not tell.
        stolen, mhz, throttled: the surroundings of the turn's round, see ``surroundings``.
    """

    seconds: list[float]
    loop_s: float
    cpu_s: float
    switches: int
    sentinel_s: float
    calls: int = 1
    queued_s: float = 0.0
    stolen: float = 0.0
    mhz: float | None = None
    throttled: str = ""

    @property
    def cores_busy(self) -> float:
        """How many cores the process kept busy: computing time over wall time."""
        return self.cpu_s / self.loop_s

    @property
    def waited_share(self) -> float:
        """The share of the time in which no thread of the process computed or stood in line for a
        core.
        """
        return max(0.0, 1 - (self.cpu_s + self.queued_s) / self.loop_s)


def reasons(turns: Sequence[Turn]) -> dict[str, Mask]:
    """Return, for each kind of disturbance, the turns that it disturbed, among those of one case in
    one process.
    """
    busy = np.array([turn.cores_busy for turn in turns])
    switches = np.array([turn.switches for turn in turns])
    sentinel = np.array([turn.sentinel_s for turn in turns])
    mhz = np.array([turn.mhz or np.nan for turn in turns])
    usual_mhz = np.nanmedian(mhz) if np.isfinite(mhz).any() else np.nan
    return {
        "pushed off its core": (busy < MIN_COMPUTING * np.median(busy))
        | (switches >= np.median(switches) + MAX_SWITCHES),
        "slow sentinel": sentinel > SLOWEST_SENTINEL * np.median(sentinel),
        "stolen time": np.array([turn.stolen for turn in turns]) > MAX_STOLEN,
        "slow clock": mhz < MIN_MHZ * usual_mhz,
        "throttled GPU": np.array([bool(turn.throttled) for turn in turns]),
    }


def disturbed(turns: Sequence[Turn]) -> Mask:
    """Return which turns were disturbed, among those of one case in one process."""
    return np.logical_or.reduce(list(reasons(turns).values()))


def epoch_disturbed(queued_s: float, loop_s: float, stolen: float) -> str:
    """Return what disturbed an epoch of learning, "" if nothing did. It is long, and so judged by
    itself.

    Args:
        queued_s, loop_s, stolen: as of a turn.
    """
    pushed = "pushed off its core" if queued_s > (1 - MIN_COMPUTING) * loop_s else ""
    return pushed or ("stolen time" if stolen > MAX_STOLEN else "")


def left_out(marks: Sequence[Mask]) -> tuple[list[Mask], bool]:
    """Return which rounds to leave out, process by process, and whether the case is noisy.

    Args:
        marks: the disturbed rounds of each process. A process none of whose rounds is clean counts
            as it is.
    """
    if sum(int(mark.sum()) for mark in marks) > MAX_LEFT_OUT * sum(len(mark) for mark in marks):
        return [np.zeros_like(mark) for mark in marks], True
    return [np.zeros_like(mark) if mark.all() else mark for mark in marks], False
