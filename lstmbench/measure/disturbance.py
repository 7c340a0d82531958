"""Mark rounds that were disturbed, from what happened around them, never from the measured time.

Each round comes with probes: how much of its time the process computed, how often it lost its core,
how much of the machine the hypervisor gave to others, the clock frequency, and whether a GPU was
throttled. A round whose probes differ from those of the same case in the same process is disturbed.

Nothing is left out for it: disturbed rounds stay in the estimate, which resists outliers, since
leaving out rounds would favour the implementation that loses more of them. The record says
``noisy`` if the estimate without them lies outside the interval. In the committed samples only the
loss of a core shifted times (by 5 %, in 6 % of the rounds).
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
MAX_STOLEN = 0.02
"""Maximum share of the machine's time that the hypervisor may take."""
MIN_CLOCK = 0.95
"""Minimum clock frequency, relative to its median."""
MAX_DISCARDED = 0.25
"""Maximum fraction of the epochs of a training run that may be discarded."""


class Measurement(NamedTuple):
    """What was measured of one case in one round, or in one of the turns of a round.

    Attributes:
        seconds: the samples.
        loop_s: wall time of the loop that took them.
        cpu_s: time that the process's threads spent computing meanwhile.
        switches: the number of involuntary context switches.
        calls: the number of calls that each sample is the mean of.
        queued_s: time that its threads waited for a core; 0 where the system does not say.
        stolen, mhz, throttled: the system during the round, see ``HardwareState``.
    """

    seconds: list[float]
    loop_s: float
    cpu_s: float
    switches: int
    calls: int = 1
    queued_s: float = 0.0
    stolen: float = 0.0
    mhz: float | None = None
    throttled: str = ""

    def merge(self, later: "Measurement") -> "Measurement":
        """Return both turns of a round as one measurement."""
        sums = {
            name: getattr(self, name) + getattr(later, name)
            for name in ("seconds", "loop_s", "cpu_s", "switches", "queued_s")
        }
        return later._replace(**sums)

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
    stolen = np.array([one.stolen for one in measurements])
    mhz = np.array([one.mhz or np.nan for one in measurements])
    median_mhz = np.nanmedian(mhz) if np.isfinite(mhz).any() else np.nan
    return {
        "pushed off its core": (busy < MIN_COMPUTING * np.median(busy))
        | (switches >= np.median(switches) + MAX_SWITCHES),
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


def discarded_epochs(marks: Mask) -> tuple[Mask, bool]:
    """Return which epochs of a training run to discard, and whether the run is noisy.

    Args:
        marks: the disturbed epochs. If they are too many, the machine is always like that: then all
            epochs count, and the run is noisy.
    """
    noisy = marks.sum() > MAX_DISCARDED * len(marks)
    return (np.zeros_like(marks) if noisy or marks.all() else marks), bool(noisy)
