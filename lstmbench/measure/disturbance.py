"""Detect disturbed measurements, from what happened around them, never from the measured time.

Each measurement comes with probes: how much of its time the process computed, how often it lost its
core, how long a small fixed task (the sentinel) took just before and after, how much of the machine
the hypervisor gave to others, the clock frequency, and whether a GPU was throttled. A measurement
whose probes differ from those of the same case in the same process is disturbed. It stays in the
samples, marked, but does not count. If more than a quarter of a case's rounds are disturbed, the
machine is always like that: then all rounds count, and the record is noisy.

The limits below were chosen by hand; ``validation/trust.py`` shows how far comparisons can be
trusted with them, on a quiet machine (``controls``) and next to another program (``neighbour``).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

MIN_COMPUTING = 0.95
"""Minimum share of time spent computing, relative to the case's median."""
MAX_SWITCHES = 3
"""From this many involuntary context switches above the case's median, it is disturbed."""
MAX_SENTINEL = 1.25
"""Maximum time of the sentinel, relative to its median."""
MAX_STOLEN = 0.02
"""Maximum share of the machine's time that the hypervisor may take."""
MIN_CLOCK = 0.95
"""Minimum clock frequency, relative to its median."""
MAX_DISCARDED = 0.25
"""Maximum fraction of a case's rounds that may be discarded."""


class Measurement(NamedTuple):
    """What was measured of one case in one round.

    Attributes:
        seconds: the samples.
        loop_s: wall time of the loop that took them.
        cpu_s: time that the process's threads spent computing meanwhile.
        switches: the number of involuntary context switches.
        sentinel_s: how long the sentinel took, the slower of just before and just after.
        calls: the number of calls that each sample is the mean of.
        queued_s: time that its threads waited for a core; 0 where the system does not say.
        stolen, mhz, throttled: the system during the round, see ``HardwareState``.
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
        """The mean number of busy cores: computing time over wall time."""
        return self.cpu_s / self.loop_s

    @property
    def waited_share(self) -> float:
        """The share of the time in which no thread computed or waited for a core."""
        return max(0.0, 1 - (self.cpu_s + self.queued_s) / self.loop_s)


def reasons(measurements: Sequence[Measurement]) -> dict[str, Mask]:
    """Return which measurements of one case in one process each kind of disturbance affected."""
    busy = np.array([one.cores_busy for one in measurements])
    switches = np.array([one.switches for one in measurements])
    sentinel = np.array([one.sentinel_s for one in measurements])
    stolen = np.array([one.stolen for one in measurements])
    mhz = np.array([one.mhz or np.nan for one in measurements])
    median_mhz = np.nanmedian(mhz) if np.isfinite(mhz).any() else np.nan
    return {
        "pushed off its core": (busy < MIN_COMPUTING * np.median(busy))
        | (switches >= np.median(switches) + MAX_SWITCHES),
        "slow sentinel": sentinel > MAX_SENTINEL * np.median(sentinel),
        "stolen time": stolen > MAX_STOLEN,
        "slow clock": mhz < MIN_CLOCK * median_mhz,
        "throttled GPU": np.array([bool(one.throttled) for one in measurements]),
    }


def disturbed(measurements: Sequence[Measurement]) -> Mask:
    """Return which measurements of one case in one process were disturbed."""
    return np.logical_or.reduce(list(reasons(measurements).values()))


def epoch_disturbance(queued_s: float, loop_s: float, stolen: float) -> str:
    """Return what disturbed an epoch of training, "" if nothing did; arguments as of Measurement.

    An epoch is long enough to be judged without the others.
    """
    if queued_s > (1 - MIN_COMPUTING) * loop_s:
        return "pushed off its core"
    return "stolen time" if stolen > MAX_STOLEN else ""


def discarded_rounds(marks: Sequence[Mask]) -> tuple[list[Mask], bool]:
    """Return which rounds to discard, process by process, and whether the case is noisy.

    Args:
        marks: the disturbed rounds of each process. A process without an undisturbed round keeps
            all of them.
    """
    if sum(int(mark.sum()) for mark in marks) > MAX_DISCARDED * sum(len(mark) for mark in marks):
        return [np.zeros_like(mark) for mark in marks], True
    return [np.zeros_like(mark) if mark.all() else mark for mark in marks], False
